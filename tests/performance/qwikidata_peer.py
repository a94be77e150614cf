"""What qwikidata takes for the work of our Wikidata reader. Run by a Python that has qwikidata.

    python qwikidata_peer.py DUMP  ->  seconds of the processor, items refused

Of each item with a page in the English Wikipedia it reads the title, the label, the aliases and the
statements whose value is an item, as the library's documentation shows. Items of older dumps, which
it refuses with a ValueError, are left out, so it is timed on less than we are.
"""

import sys
import time

from qwikidata.entity import WikidataItem  # type: ignore[import-not-found]
from qwikidata.json_dump import WikidataJsonDump  # type: ignore[import-not-found]


def read(path: str) -> int:
    """Read a dump; returns how many items were refused."""
    refused = 0
    for entity in WikidataJsonDump(path):
        if entity["type"] == "item" and "enwiki" in entity["sitelinks"]:
            try:
                facts(entity)
            except ValueError:
                refused += 1
    return refused


def facts(entity: dict[str, object]) -> tuple[list[str], list[str]]:
    """An item's names, and the items that its statements name."""
    item = WikidataItem(entity)
    names = [item.get_enwiki_title(), item.get_label(), *item.get_aliases()]
    values = [
        claim.mainsnak.datavalue.value["id"]
        for group in item.get_claim_groups().values()
        for claim in group
        if claim.mainsnak.datavalue is not None
        and claim.mainsnak.snak_datatype == "wikibase-item"
        and "id" in claim.mainsnak.datavalue.value
    ]
    return names, values


if __name__ == "__main__":
    start = time.process_time()
    refused = read(sys.argv[1])
    sys.stdout.write(f"{time.process_time() - start} {refused}\n")
