"""Byte ranges of compressed dumps as whole records. Imports errors and manifest.

A dump is cut at arbitrary compressed byte offsets. A range owns the pieces that start in it (bzip2
blocks, gzip members, zstd frames, plain bytes) and yields the records whose first byte lies in what
it owns, reading on into the next range to finish the last one; so every record comes exactly once,
whatever the cut.

    for part in plan_ranges(Path("wikidata-all.json.bz2"), 32 << 20):
        for line in lines(part):
            ...

`storage` opens local and remote files, `plan` cuts, `bzip2` and `members` decode, `records` makes
lines and pages of the data, `wikipedia_index` cuts where the streams of a dump start.
"""

from pipelines.ranges.plan import Range, plan_ranges
from pipelines.ranges.records import PAGE, head, is_packed, lines, pages
from pipelines.ranges.storage import Location, describe, file_name, locate, shown, size_of
from pipelines.ranges.wikipedia_index import plan_indexed_ranges

__all__ = [
    "PAGE",
    "Location",
    "Range",
    "describe",
    "file_name",
    "head",
    "is_packed",
    "lines",
    "locate",
    "pages",
    "plan_indexed_ranges",
    "plan_ranges",
    "shown",
    "size_of",
]
