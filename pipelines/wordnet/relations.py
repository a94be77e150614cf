"""The pointers of WordNet 3.0 as relations: wninput(5WN), each with its inverse. Imports nothing.

Of two relations that are each other's inverse one is kept, since a pointer one way says the other:
a test triplet whose inverse is trained on asks for nothing.
"""

from typing import Final

RELATIONS: Final = {
    "@": ("hypernym", "a more general term, of which the head is a kind"),
    "@i": ("instance_hypernym", "what the head, a single thing or person, is an instance of"),
    "#m": ("member_holonym", "the group or class that the head is a member of"),
    "#s": ("substance_holonym", "what the head, a substance, is in"),
    "#p": ("part_holonym", "the whole that the head is a part of"),
    ";c": ("domain_topic", "the topic that the head belongs to"),
    ";r": ("domain_region", "the region that the head belongs to"),
    ";u": ("domain_usage", "the kind of usage that the head is an example of"),
    "=": ("attribute", "the noun whose values the head, an adjective, expresses, and back"),
    "*": ("entailment", "what cannot be avoided in doing the head"),
    ">": ("cause", "what the head brings about"),
    "^": ("also_see", "a related sense that the lexicographers refer to"),
    "$": ("verb_group", "a verb sense of similar meaning"),
    "&": ("similar_to", "an adjective of similar meaning, in the same cluster"),
    "!": ("antonym", "a word of opposite meaning"),
    "+": ("derivationally_related_form", "a word of the same root and a related meaning"),
    "\\": ("pertainym", "the word that the head, an adjective or adverb, is derived from"),
    "<": ("participle", "the verb that the head, an adjective, is a participle of"),
}
"""Pointer symbol -> relation, and what the tail is to the head."""
INVERSES: Final = {"~": "@", "~i": "@i", "-c": ";c", "-r": ";r", "-u": ";u"} | {
    f"%{part}": f"#{part}" for part in "msp"
}
"""The symbols whose pointers are read backwards."""
LEMMA: Final = "lemma"
"""From a synset to each word that has it as a sense."""
DESCRIBED: Final = {LEMMA: "a word that has the head as one of its senses"} | dict(
    RELATIONS.values()
)
"""Every relation that a dataset may hold, and what the tail is to the head."""
