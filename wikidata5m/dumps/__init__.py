"""Dumps of Wikidata and Wikipedia of a given date: which exist where, and fetching them.

candidates.py   the addresses at which a dump of a date could be
find.py         which of them are there, with size and checksum; which to take
"""
