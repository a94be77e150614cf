"""The published releases of Wikidata5M: what and where they are, and how they become a dataset.

catalogue.py   files, addresses, sizes, hashes, and the counts of every version in circulation
identify.py    which version is this file? by hash, else by counts
labels.py      a name for each entity, which the release does not have
reader.py      MAIN PATH: files of a release -> dataset folder
texts.py       the release's texts in the order of the entities
home.py        the cache folder: what was downloaded, and `load` by name
"""
