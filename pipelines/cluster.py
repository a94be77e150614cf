"""A Dask cluster as the executor of a build's tasks. Imports errors; distributed when it is used.

The cluster is started by its own tools (docs/how-to/cluster.md). What is checked here is what
would fail late or silently: that the workers have this version of wikidata5m, and see the same
folders.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from wikidata5m.console import log
from wikidata5m.errors import Wikidata5MError

CONNECT_SECONDS: Final = 30
PACKAGE: Final = "wikidata5m"


@contextmanager
def cluster_pool(address: str, shared: Sequence[Path]) -> Iterator[Executor]:
    """The workers of the scheduler at `address`, which must all see the paths `shared`.

    A task whose worker dies is given to another. Raises Wikidata5MError when no scheduler answers,
    the workers do not fit, or one task has killed several of them.
    """
    import distributed  # noqa: PLC0415 - the extra `cluster`

    library: Any = distributed
    try:
        asyncio.run(_knock(library, address))
        client = library.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise Wikidata5MError(
            f"{address}: no Dask scheduler answers ({error}); "
            "start one with `dask scheduler` and give the address that it prints"
        ) from None
    with client:
        check_workers(client, shared)
        try:
            yield client.get_executor(pure=False)
        except library.KilledWorker:
            raise Wikidata5MError(
                "cluster: one task ended every worker that took it, most likely for want of "
                "memory; give workers more, then run the command again with --resume"
            ) from None


async def _knock(library: Any, address: str) -> None:
    """Connect once: a client that finds no scheduler prints a traceback when it is thrown away."""
    security = library.Security().get_connection_args("client")
    comm = await library.core.connect(address, timeout=CONNECT_SECONDS, **security)
    comm.abort()


def check_workers(client: Any, shared: Sequence[Path]) -> None:
    """Refuse workers of several threads, of another version, or that do not see `shared`.

    Those that join later are taken to be like the ones that are there.
    """
    threads = client.nthreads()
    log(f"cluster: {len(threads)} workers")
    for worker, count in threads.items():
        if count > 1:  # a limit of memory is the process's, and time is limited in one thread alone
            raise Wikidata5MError(
                f"cluster: worker {worker} has {count} threads, which would share the limits of "
                "one page; start workers with --nthreads 1"
            )
    try:
        versions = client.run(version, PACKAGE)
    except PackageNotFoundError:
        raise Wikidata5MError(
            f"cluster: the workers lack {PACKAGE}; install it in the environment they run in"
        ) from None
    for worker, found in versions.items():
        if found != version(PACKAGE):
            raise Wikidata5MError(
                f"cluster: worker {worker} has {PACKAGE} {found}, this command {version(PACKAGE)}; "
                "install the same version on both"
            )
    for path in shared:
        for worker, seen in client.run(os.path.exists, str(path)).items():
            if not seen:
                raise Wikidata5MError(
                    f"cluster: worker {worker} does not see {path}; "
                    "put dumps and output on storage that all machines share"
                )
