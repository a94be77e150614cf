"""`python -m wikidata5m` is `wikidata5m`."""

from wikidata5m.cli import main

main()
