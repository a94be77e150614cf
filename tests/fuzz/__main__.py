"""`python -m tests.fuzz --records 10000 --seed 0`: the outcomes, the slowest record, the memory."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import get_args

from tests.fuzz.harness import Defect, Kind, fuzz
from wikidata5m.console import log, progress, table

WARM: int = 1_000
"""Records after which memory is taken for settled."""
MOST_GROWTH: int = 128 << 20


def main() -> int:
    """Fuzz each kind of record; 1 when one is a defect or memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=get_args(Kind), action="append")
    asked = parser.parse_args()
    failed = False
    for kind in asked.kind or get_args(Kind):
        with tempfile.TemporaryDirectory() as folder:
            failed |= _run(kind, asked.records, asked.seed, Path(folder))
    return int(failed)


def _run(kind: Kind, records: int, seed: int, folder: Path) -> bool:
    resident = [0]
    with progress(f"fuzz {kind}", records, "records") as update:

        def watch(done: int) -> None:
            update(done)
            if done == min(WARM, records):
                resident[0] = _resident()

        try:
            report = fuzz(kind, records, seed, folder, watch)
        except Defect as defect:
            kept = next(folder.glob("mutated.*"))
            copy = Path(tempfile.gettempdir()) / kept.name
            copy.write_bytes(kept.read_bytes())
            log(f"Error: {defect}; copied to {copy}")
            return True
    growth = _resident() - resident[0]
    totals: Counter[str] = Counter()
    for (_, outcome), count in report.outcomes.items():
        totals[outcome] += count
    names = [outcome for outcome, _ in totals.most_common()]
    mutations = dict.fromkeys(mutation for mutation, _ in report.outcomes)
    rows = [[m, *(report.outcomes[m, name] for name in names)] for m in mutations]
    rows.append(["all", *(totals[name] for name in names)])
    sys.stdout.write(table([kind, *names], rows) + "\n")
    mutation, number = report.slowest_record
    log(f"slowest: record {number:,} ({mutation}), {report.slowest:.2f} s of processor time")
    log(f"memory: grew by {growth / 2**20:,.1f} MiB after the first {min(WARM, records):,} records")
    return growth > MOST_GROWTH


def _resident() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    sizes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")]
    return sizes[0] << 10


if __name__ == "__main__":
    sys.exit(main())
