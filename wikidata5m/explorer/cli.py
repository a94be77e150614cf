"""`wikidata5m explore`. Imports click; the rest when run."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.command(short_help="Look at a dataset and ask models, in the browser.")
@click.argument("folder", metavar="DATASET", type=_PATH)
@click.option(
    "--embeddings",
    metavar="RUN",
    type=_PATH,
    multiple=True,
    help="A run of `bench train` to ask; may be given several times.",
)
@click.option(
    "--kepler",
    metavar="RUN",
    type=_PATH,
    multiple=True,
    help="A run of `kepler train` to ask, also about entities that are in no graph; likewise.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="0 for any that is free.",
)
@click.option(
    "--token",
    default="",
    envvar="WIKIDATA5M_TOKEN",
    help="A secret that readers must know, `new` to have one made; needed where --host can be "
    "reached from other machines. Also read from WIKIDATA5M_TOKEN.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@click.option("--index-only", is_flag=True, help="Make the index that the pages read, and end.")
def explore(
    *,
    folder: Path,
    embeddings: tuple[Path, ...],
    kepler: tuple[Path, ...],
    host: str,
    port: int,
    token: str,
    show: bool,
    index_only: bool,
) -> None:
    """Serve a local web page: search entities, read them, ask models, try a new entity's text.

    The first start makes an index in the user's cache folder, or in WIKIDATA5M_HOME.

    \b
    Example:
      wikidata5m explore wikidata5m-2019-07 --embeddings runs/complex --kepler runs/kepler
      wikidata5m explore wikidata5m-2019-07 --host 0.0.0.0 --token new
    """
    from wikidata5m.dataset import Dataset
    from wikidata5m.explorer.index import keep_index
    from wikidata5m.explorer.library import Library

    if index_only:
        dataset = Dataset(folder)
        # Pages do without a cache folder; who asks for the index alone asks for a kept one.
        keep_index(dataset)
        Library(dataset)
        return
    from wikidata5m.explorer.serve import Address, explore

    address = Address.of(host, port, token)
    runs = [*(("embeddings", run) for run in embeddings), *(("kepler", run) for run in kepler)]
    explore(folder, runs, address, show=show)
