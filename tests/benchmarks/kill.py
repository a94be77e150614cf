"""Train a run, killing it by SIGKILL whenever it has logged so many epochs more.

    python -m tests.benchmarks.kill RUN EPOCHS,EPOCHS,... < config.yaml

Each attempt is a fork, so that torch is loaded once; the last one is left to finish.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from benchmarks import run
from benchmarks.config import RunConfig
from benchmarks.runlog import read_log
from wikidata5m.files import claim_output


def main() -> None:
    folder, config = Path(sys.argv[1]), msgspec.yaml.decode(sys.stdin.read(), type=RunConfig)
    for epochs in map(int, sys.argv[2].split(",")):
        child = os.fork()
        if not child:
            _train(config, folder)
            os._exit(0)
        while len(read_log(folder)) < epochs:
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "the run ended before it was killed"
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    _train(config, folder)


def _train(config: RunConfig, folder: Path) -> None:
    """As `bench train --resume` does."""
    claim_output(folder, resume=True, marker=run.CONFIG)
    run.train(config, folder, resume=True)


if __name__ == "__main__":
    main()
