"""One's own graph -> dataset: triplet files in the common layouts, with texts and names or without.

`layout` says which file is what, `names` reads texts and names, `importing` is the main path.
"""
