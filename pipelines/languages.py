"""Codes of languages and countries, and the names templates give them. Imports nothing."""

from __future__ import annotations

from typing import Final

__all__ = ["COUNTRIES", "LANGUAGES", "WIKIS"]


def _table(text: str) -> dict[str, str]:
    return dict(entry.split(":") for entry in text.split("|"))


LANGUAGES: Final = _table(
    "af:Afrikaans|aln:Gheg Albanian|am:Amharic|an:Aragonese|ang:Old English|ar:Arabic|"
    "arc:Aramaic|arz:Egyptian Arabic|as:Assamese|ast:Asturian|ay:Aymara|az:Azerbaijani|"
    "ba:Bashkir|bar:Bavarian|be:Belarusian|ber:Berber|bg:Bulgarian|bn:Bengali|bo:Tibetan|"
    "br:Breton|bs:Bosnian|ca:Catalan|ce:Chechen|ceb:Cebuano|ckb:Central Kurdish|co:Corsican|"
    "cop:Coptic|crh:Crimean Tatar|cs:Czech|cu:Church Slavonic|cv:Chuvash|cy:Welsh|da:Danish|"
    "de:German|dv:Dhivehi|dz:Dzongkha|el:Greek|en:English|eo:Esperanto|es:Spanish|"
    "et:Estonian|eu:Basque|fa:Persian|fi:Finnish|fil:Filipino|fj:Fijian|fo:Faroese|fr:French|"
    "frr:North Frisian|fy:West Frisian|ga:Irish|gd:Scottish Gaelic|gl:Galician|gn:Guarani|"
    "grc:Ancient Greek|grc-gre:Greek|gsw:Swiss German|gu:Gujarati|gv:Manx|ha:Hausa|"
    "haw:Hawaiian|he:Hebrew|hi:Hindi|hr:Croatian|ht:Haitian Creole|hu:Hungarian|hy:Armenian|"
    "ia:Interlingua|id:Indonesian|ig:Igbo|ilo:Ilocano|io:Ido|is:Icelandic|it:Italian|"
    "iu:Inuktitut|ja:Japanese|jv:Javanese|ka:Georgian|kk:Kazakh|kl:Greenlandic|km:Khmer|"
    "kn:Kannada|ko:Korean|ku:Kurdish|kv:Komi|kw:Cornish|ky:Kyrgyz|la:Latin|lad:Ladino|"
    "lb:Luxembourgish|li:Limburgish|lij:Ligurian|lmo:Lombard|ln:Lingala|lo:Lao|lt:Lithuanian|"
    "ltg:Latgalian|lv:Latvian|mg:Malagasy|mi:Māori|mk:Macedonian|ml:Malayalam|mn:Mongolian|"
    "mr:Marathi|ms:Malay|mt:Maltese|my:Burmese|nah:Nahuatl|nap:Neapolitan|nb:Norwegian Bokmål|"
    "nds:Low German|ne:Nepali|nl:Dutch|nn:Norwegian Nynorsk|no:Norwegian|non:Old Norse|"
    "nv:Navajo|oc:Occitan|or:Odia|os:Ossetian|ota:Ottoman Turkish|pa:Punjabi|pl:Polish|"
    "ps:Pashto|pt:Portuguese|qu:Quechua|rm:Romansh|ro:Romanian|ru:Russian|rus:Russian|"
    "rw:Kinyarwanda|sa:Sanskrit|sah:Yakut|sc:Sardinian|scn:Sicilian|sco:Scots|sd:Sindhi|"
    "se:Northern Sami|sh:Serbo-Croatian|si:Sinhala|sk:Slovak|sl:Slovene|sm:Samoan|sn:Shona|"
    "so:Somali|sq:Albanian|sr:Serbian|su:Sundanese|sv:Swedish|sw:Swahili|syr:Syriac|"
    "szl:Silesian|ta:Tamil|te:Telugu|tet:Tetum|tg:Tajik|th:Thai|ti:Tigrinya|tk:Turkmen|"
    "tl:Tagalog|to:Tongan|tr:Turkish|tt:Tatar|ug:Uyghur|uk:Ukrainian|ur:Urdu|uz:Uzbek|"
    "vec:Venetian|vi:Vietnamese|vo:Volapük|wa:Walloon|war:Waray|wo:Wolof|xh:Xhosa|"
    "yi:Yiddish|yo:Yoruba|yue:Cantonese|zh:Chinese|zu:Zulu"
)
"""What {{lang-xx}} and {{langx|xx}} write before the text, by code."""

_OTHER_WIKIS: Final = (
    "simple nds-nl zh-min-nan zh-yue zh-classical be-tarask be-x-old bat-smg roa-rup fiu-vro "
    "ab ace als av azb bcl bh bi bjn bpy bug bxr cdo chr chy csb diq dsb ee eml ext ff frp fur gag "
    "gan glk hak hif hsb ie ik jbo kaa kab kbd koi krc ks ksh lbe lez mdf mhr min mrj mwl myv mzn "
    "na new nov nrm nso pag pam pap pcd pdc pfl pih pms pnb pnt rmy rn rue sg srn ss st stq tn tpi "
    "ts tum tw ty tyv udm vep vls wuu xal xmf za zea"
)
WIKIS: Final = frozenset(code for code in LANGUAGES if len(code) < 4) | frozenset(
    _OTHER_WIKIS.split()
)
"""The prefixes of links to other Wikipedias; no article's title can begin with one."""

COUNTRIES: Final = {
    "usa": "United States", "uk": "United Kingdom", "gbr": "United Kingdom", "fra": "France",
    "ger": "Germany", "deu": "Germany", "ita": "Italy", "esp": "Spain", "rus": "Russia",
    "jpn": "Japan", "chn": "China", "prc": "China", "ind": "India", "aus": "Australia",
    "nzl": "New Zealand", "nor": "Norway", "swe": "Sweden", "fin": "Finland", "den": "Denmark",
    "dnk": "Denmark", "ned": "Netherlands", "nld": "Netherlands", "bel": "Belgium",
    "aut": "Austria", "sui": "Switzerland", "che": "Switzerland", "pol": "Poland", "bra": "Brazil",
    "arg": "Argentina", "mex": "Mexico", "kor": "South Korea", "tur": "Turkey", "gre": "Greece",
    "grc": "Greece", "por": "Portugal", "irl": "Ireland", "rsa": "South Africa", "isr": "Israel",
    "egy": "Egypt", "ukr": "Ukraine", "cze": "Czech Republic", "hun": "Hungary", "rou": "Romania",
    "eng": "England", "sco": "Scotland", "wal": "Wales",
}  # fmt: skip
"""What templates named for a country show; words of their own are left out."""
