"""The sentences of the synthetic world, as patterns for the % operator. Imports nothing.

Slots: %(it)s and %(its)s the subject and its possessive at the start of a sentence, %(his)s the
possessive inside one, %(x)s the values of the fact. Openings name their facts by relation key.
Pairs are (wikitext, what a reader sees).
"""

from __future__ import annotations

from typing import Final

__all__ = ["ASIDES", "FLAVOURS", "GENERAL", "HATNOTES", "OPENINGS", "SENTENCES"]

OPENINGS: Final[dict[str, tuple[str, ...]]] = {
    "person": (
        "%(name)s%(bracket)s was a %(demonym)s %(occupation)s from %(birthplace)s.",
        "%(name)s%(bracket)s was a %(demonym)s %(occupation)s born in %(birthplace)s.",
        "%(name)s%(bracket)s was a %(demonym)s %(occupation)s.",
    ),
    "city": (
        "%(name)s%(bracket)s is %(cls)s in %(within)s, %(country)s.",
        "%(name)s%(bracket)s is %(cls)s in %(country)s, in the %(within)s.",
        "%(name)s%(bracket)s is %(cls)s of the %(within)s in %(country)s.",
    ),
    "taxon": (
        "%(name)s is a %(rank)s in the group %(parent_taxon)s, endemic to %(endemic)s.",
        "%(name)s is a %(rank)s of living things belonging to %(parent_taxon)s.",
        "%(name)s is a %(rank)s of living things known since early times.",
    ),
    "film": (
        "%(name)s is a %(year)s %(demonym)s %(genre)s film directed by %(director)s.",
        "%(name)s is a %(demonym)s film of %(year)s, directed by %(director)s.",
        "%(name)s is a %(year)s %(demonym)s film starring %(cast)s.",
    ),
    "work": (
        "%(name)s is %(cls)s by %(performer)s.",
        "%(name)s is %(cls)s written by %(author)s in %(language)s.",
        "%(name)s is %(cls)s made by %(creator)s.",
        "%(name)s is %(cls)s of %(year)s in %(language)s.",
    ),
    "organisation": (
        "%(name)s%(bracket)s is a %(demonym)s %(plain_cls)s based in %(headquarters)s.",
        "%(name)s%(bracket)s is %(cls)s in %(headquarters)s, %(country)s.",
        "%(name)s%(bracket)s is a %(demonym)s %(plain_cls)s founded in %(year)s.",
    ),
    "land": (
        "%(name)s%(bracket)s is %(cls)s in the %(within)s of %(country)s.",
        "%(name)s%(bracket)s is %(cls)s in %(country)s.",
    ),
    "building": (
        "%(name)s is %(cls)s in %(within)s, %(country)s.",
        "%(name)s is a %(demonym)s %(plain_cls)s in %(within)s.",
    ),
    "event": (
        "The %(name)s was a %(demonym)s %(sport)s tournament held in %(location)s.",
        "The %(name)s was %(cls)s in %(sport)s, held in %(location)s, %(country)s.",
    ),
    "award": ("The %(name)s is %(cls)s given in %(country)s since %(year)s.",),
    "country": ("%(name)s%(bracket)s is %(cls)s whose capital is %(capital)s.",),
    "language": ("%(name)s%(bracket)s is %(cls)s spoken mainly in %(country)s.",),
    "region": ("%(name)s%(bracket)s is %(cls)s of %(country)s; its seat is %(capital)s.",
               "%(name)s%(bracket)s is %(cls)s of %(country)s, and one of the oldest."),
    "occupation": ("%(name)s is %(cls)s that a good many people are known for.",),
    "sport": ("%(name)s is %(cls)s in which tournaments are held.",),
    "class": ("%(name)s is a kind of %(subclass)s, as the catalogues call it.",
              "%(name)s is a class of things that catalogues tell apart."),
    "rank": ("%(name)s is a level in the classification of living things.",),
    "gender": ("%(name)s is one of the entries used for people.",),
    "genre": ("%(name)s is a kind of creative work, told by its style.",),
    "industry": ("%(name)s is a line of business of many companies.",),
    "religion": ("%(name)s is a faith with followers in several countries.",),
    "style": ("%(name)s is a manner of building found in many towns.",),
}  # fmt: skip

SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    "subclass": ("%(it)s counts as %(x)s.",),
    "country": ("%(it)s lies in %(x)s.", "%(it)s belongs to %(x)s."),
    "within": ("%(it)s is part of %(x)s.", "%(it)s is administered from %(x)s."),
    "contains": ("%(it)s includes %(x)s.", "%(its)s divisions are %(x)s."),
    "capital": ("%(its)s capital is %(x)s.", "%(x)s is %(his)s seat of government."),
    "capital_of": ("%(it)s is the capital of %(x)s.", "%(it)s is the seat of %(x)s."),
    "borders": ("%(it)s borders %(x)s.", "%(its)s neighbours are %(x)s."),
    "twin": ("%(it)s is twinned with %(x)s.", "%(its)s sister city is %(x)s."),
    "official_language": ("%(its)s official language is %(x)s.",),
    "citizenship": ("%(it)s held the citizenship of %(x)s.", "%(it)s was a citizen of %(x)s."),
    "occupation": ("%(it)s worked as %(x)s.", "%(it)s was one of the best known %(x)ss there."),
    "birthplace": ("%(it)s was born in %(x)s.", "%(x)s was %(his)s birthplace."),
    "deathplace": ("%(it)s died in %(x)s.", "%(its)s last years were spent in %(x)s."),
    "residence": ("%(it)s lived in %(x)s.", "%(its)s home was in %(x)s."),
    "spouse": ("%(it)s was married to %(x)s.", "%(it)s married %(x)s."),
    "father": ("%(its)s father was %(x)s.", "%(it)s was a child of %(x)s."),
    "mother": ("%(its)s mother was %(x)s.", "%(x)s was %(his)s mother."),
    "child": ("%(its)s children were %(x)s.", "%(it)s was the parent of %(x)s."),
    "sibling": ("%(it)s grew up with %(his)s sibling %(x)s.", "%(x)s was %(his)s sibling."),
    "educated": ("%(it)s studied at %(x)s.", "%(it)s was a graduate of %(x)s."),
    "employer": ("%(it)s worked for %(x)s.", "%(its)s employer was %(x)s."),
    "team": ("%(it)s played for %(x)s.", "%(its)s team was %(x)s."),
    "party": ("%(it)s was a member of %(x)s.", "%(it)s stood for %(x)s."),
    "religion": ("%(it)s followed %(x)s.", "%(its)s faith was %(x)s."),
    "speaks": ("%(it)s spoke the %(x)s.", "%(it)s wrote in the %(x)s."),
    "award": ("%(it)s received the %(x)s.", "%(it)s won the %(x)s."),
    "parent_taxon": ("%(it)s is placed in %(x)s.", "%(it)s belongs to %(x)s."),
    "endemic": ("%(it)s is found only in %(x)s.", "%(it)s is native to %(x)s."),
    "director": ("%(it)s was directed by %(x)s.", "%(x)s directed it."),
    "cast": ("%(it)s stars %(x)s.", "The cast includes %(x)s."),
    "genre": ("%(its)s genre is %(x)s.", "%(it)s is usually counted as %(x)s."),
    "origin": ("%(it)s was made in %(x)s.", "%(it)s comes from %(x)s."),
    "language": ("%(it)s is in the %(x)s.", "%(its)s language is the %(x)s."),
    "author": ("%(it)s was written by %(x)s.", "%(its)s author is %(x)s."),
    "performer": ("%(it)s is performed by %(x)s.", "%(it)s was recorded by %(x)s."),
    "creator": ("%(it)s was made by %(x)s.",),
    "publisher": ("%(it)s was published by %(x)s.", "%(x)s brought it out."),
    "follows": ("%(it)s follows %(x)s.", "%(it)s was preceded by %(x)s."),
    "followed_by": ("%(it)s was followed by %(x)s.", "The next in the series is %(x)s."),
    "headquarters": ("%(its)s seat is in %(x)s.", "%(it)s has its headquarters in %(x)s."),
    "industry": ("%(its)s business is %(x)s.", "%(it)s is active in %(x)s."),
    "founder": ("%(it)s was founded by %(x)s.", "%(its)s founder is %(x)s."),
    "sport": ("%(its)s sport is %(x)s.", "%(it)s also has a team in %(x)s."),
    "mouth": ("%(it)s flows into %(x)s.", "%(its)s waters join %(x)s."),
    "tributary": ("%(its)s tributaries are %(x)s.", "%(it)s is fed by %(x)s."),
    "style": ("%(it)s is an example of %(x)s.", "%(its)s style is %(x)s."),
    "adjacent": ("The next stations are %(x)s.", "%(it)s stands between the stops of %(x)s."),
    "location": ("%(it)s took place in %(x)s.",),
    "winner": ("%(it)s was won by %(x)s.", "%(x)s won it."),
    "list_of": ("%(its)s entries are each a %(x)s.",),
}

# Slots: n a number to 900, y a year, and what the sentences have.
FLAVOURS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "person": (
        ("%(it)s was active from {{circa|%(y)d}} onwards.",
         "%(it)s was active from c. %(y)d onwards."),
        ("%(its)s letters fill {{nowrap|%(n)d volumes}}.", "%(its)s letters fill %(n)d volumes."),
        ("%(it)s left {{US$|%(n)d}} to a school.", "%(it)s left US$%(n)d to a school."),
        ("%(it)s retired in&nbsp;%(y)d.", "%(it)s retired in %(y)d."),
        ("%(it)s used the sign <nowiki>''K''</nowiki> in print.",
         "%(it)s used the sign ''K'' in print."),
        ("%(it)s held office %(y)d{{snd}}%(z)d.", "%(it)s held office %(y)d – %(z)d."),
    ),
    "city": (
        ("{{As of|%(y)d}}, it had {{formatnum:%(n)d412}} inhabitants.",
         "As of %(y)d, it had %(n)d,412 inhabitants."),
        ("%(it)s is {{convert|%(n)d|km|m|abbr=on}} long.",
         "%(it)s is %(n)d km (%(n)d,000 m) long."),
        ("%(it)s lies {{convert|%(k)d|to|%(n)d|km|m}} from the coast.",
         "%(it)s lies %(k)d to %(n)d kilometres (%(k)d,000 to %(n)d,000 m) from the coast."),
        ("{{flagicon|%(y)d}} %(it)s had %(n)d households {{as of|%(y)d|lc=y}}.",
         "%(it)s had %(n)d households as of %(y)d."),
        ("%(its)s market opened in %(y)d&nbsp;&ndash; one of the first.",
         "%(its)s market opened in %(y)d – one of the first."),
    ),
    "land": (
        ("%(it)s measures {{convert|%(n)d|m|mm|0}}.",
         "%(it)s measures %(n)d metres (%(n)d,000 mm)."),
        ("%(it)s was mapped by {{HMS|Surveyor}} in %(y)d.",
         "%(it)s was mapped by HMS Surveyor in %(y)d."),
        ("%(it)s spans {{cvt|%(k)d|-|%(n)d|km|m}}.",
         "%(it)s spans %(k)d–%(n)d km (%(k)d,000–%(n)d,000 m)."),
    ),
    "taxon": (
        ("%(it)s grows to {{convert|%(k)d|by|%(n)d|mm|in}}.",
         "%(it)s grows to %(k)d by %(n)d mm."),
        ("%(it)s was described by ''{{abbr|L.|Linnaeus}}'' in %(y)d.",
         "%(it)s was described by L. in %(y)d."),
        ("%(it)s needs {{frac|%(k)d|1|2}} km<sup>2</sup> of forest.",
         "%(it)s needs %(k)d 1/2 km2 of forest."),
    ),
    "film": (
        ("%(it)s opened on {{start date|%(y)d|3|14}}.", "%(it)s opened on March 14, %(y)d."),
        ("%(it)s cost {{GBP|%(n)d}} to make.", "%(it)s cost £%(n)d to make."),
        ("%(it)s runs for %(n)d<small> minutes</small>.", "%(it)s runs for %(n)d minutes."),
    ),
}  # fmt: skip

GENERAL: Final = (
    ("%(it)s is described in a book of %(y)d.", "%(it)s is described in a book of %(y)d."),
    ("%(its)s records begin in {{nobr|%(y)d}}.", "%(its)s records begin in %(y)d."),
    ("%(it)s has [http://example.org/%(n)d a site of its own].",
     "%(it)s has a site of its own."),
    ("%(it)s is entry %(n)d of the [[Special:Catalogue|catalogue]].",
     "%(it)s is entry %(n)d of the catalogue."),
    ("%(it)s is called ''{{lang|la|Numerus %(n)d}}'' in old books.",
     "%(it)s is called Numerus %(n)d in old books."),
)  # fmt: skip

# What may follow a sentence and shows nothing. %(n)d is a number.
ASIDES: Final = (
    "<ref>{{cite web |url=http://example.org/%(n)d |title=Record %(n)d |work=[[Archive]] "
    "|date={{start date|2012|3|4}} }}</ref>",
    '<ref name="r%(n)d">[http://example.org/%(n)d Archive], vol. %(n)d, ["notes"].</ref>',
    '<ref name="r%(n)d" />',
    "<ref name=r%(n)d/><ref>''The Record'', {{ISBN|978-0-%(n)d}}.</ref>",
    "{{sfn|Keeper|1999|p=%(n)d}}",
    "{{efn|So in the {{lang|la|codex}} of year %(n)d.<ref>Folio %(n)d.</ref>}}",
    "{{citation needed|date=May 2015}}",
    "<!-- [[checked]] by hand, {{see}} %(n)d -->",
    "{{rp|%(n)d}}",
)

HATNOTES: Final = (
    "{{about|the subject|other uses|%(title)s (other)}}",
    "{{Distinguish|%(title)s II}}",
    "{{redirect|Old %(title)s|the song|Old Song}}",
    "{{Refimprove|date=March 2011}}",
    "{{For|the list|List of things}}",
)
