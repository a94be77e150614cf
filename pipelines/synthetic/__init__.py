"""A synthetic graph of Wikidata5M's size and shape, written straight as a dataset folder.

    wikidata5m synthetic --out graph

`plan` says which relation leads where, `graph` draws triplets, `tables` names and texts, `write`
puts them together. Where the dumps of `pipelines.world` try the pipeline, this tries whatever reads
a dataset, at full size in minutes.
"""
