"""WordNet's database files -> dataset: synsets and lemmas, their relations, glosses as texts.

`read` knows the file format, `tables` what becomes of it, `make` is the main path.
"""
