"""Dumps -> dataset. The main path is pipelines/build.py. Imports wikidata5m."""
