"""Knowledge embedding: training, filtered ranking, results. Imports wikidata5m and torch."""
