"""`python -m benchmarks` is `wikidata5m bench`; torchrun starts it as one of several processes.

    torchrun --nproc-per-node 4 -m benchmarks train DATASET --model rotate --out RUN

Imports benchmarks.{distributed,processes} and wikidata5m.
"""

from __future__ import annotations

import sys

from benchmarks.distributed import follow, joined
from benchmarks.processes import Channel, Processes, started
from wikidata5m.cli import main as wikidata5m
from wikidata5m.console import log
from wikidata5m.errors import Wikidata5MError


def main() -> None:
    """Run the command, or do what the process says that runs it."""
    if started() == 1:
        _command()
    try:
        with joined() as (processes, channel):
            if processes.leads:
                _lead(channel)
            else:
                _follow(processes, channel)
    except Wikidata5MError as error:
        log(f"Error: {error}")
        sys.exit(1)


def _command() -> None:
    wikidata5m.main(["bench", *sys.argv[1:]], prog_name="wikidata5m")


def _lead(channel: Channel) -> None:
    try:
        _command()
    except SystemExit as end:
        # After a failure the others may be waiting for part of a step, and end with this process.
        if not end.code:
            channel.tell("stop")
        raise


def _follow(processes: Processes, channel: Channel) -> None:
    try:
        follow(processes, channel)
    except Wikidata5MError:
        # The first process meets the same, or is why this one ends, and says so.
        sys.exit(1)
    except Exception as error:
        # Whatever it is, torchrun ends the others when this one exits.
        log(f"Error in process {processes.rank} of {processes.count}: {error!r}")
        sys.exit(1)


if __name__ == "__main__":
    main()
