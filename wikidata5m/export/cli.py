"""`wikidata5m export`. Imports click and console; the rest when run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wikidata5m.console import emit, json_option, log, table

if TYPE_CHECKING:
    from wikidata5m.export.run import Format
    from wikidata5m.schema import Setting

MANY_SETTINGS = ("tsv", "hf")


@click.command(short_help="Write a dataset for other tools.")
@click.argument("folder", metavar="DATASET", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    required=True,
    type=click.Choice(["tsv", "graphvite", "libkge", "pykeen", "networkx", "hf"]),
    help="tsv: the 2021 release's files; hf: Hugging Face datasets.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.option(
    "--setting",
    "settings",
    multiple=True,
    type=click.Choice(["transductive", "inductive", "semi_inductive", "temporal"]),
    help="Split to write; tsv and hf take several.  [default: all, or the first; networkx: none]",
)
@click.option("--license", multiple=True, help="hf: licence of the card, such as cc-by-4.0.")
@click.option("--language", multiple=True, help="hf: language of the card, such as en.")
@json_option
def export(
    folder: Path,
    kind: Format,
    out: Path,
    overwrite: bool,
    settings: tuple[Setting, ...],
    license: tuple[str, ...],  # noqa: A002 - as the Hub calls it
    language: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write a dataset in the format of another tool, row by row at any size.

    \b
    Example:
      wikidata5m export wikidata5m-2019-07 --format tsv --out release
      wikidata5m export wikidata5m-2019-07 --format libkge --setting transductive --out libkge
      wikidata5m export fb15k-237 --format hf --license cc-by-4.0 --language en --out hf
    """
    from wikidata5m.dataset import Dataset
    from wikidata5m.export.run import export_dataset

    if kind not in MANY_SETTINGS and len(settings) > 1:
        raise click.UsageError(f"--format {kind} holds one split; name one --setting.")
    if kind != "hf" and (license or language):
        raise click.UsageError("--license and --language belong to the card of --format hf.")
    result = export_dataset(
        Dataset(folder),
        out,
        kind,
        settings=tuple(dict.fromkeys(settings)),
        license=license,
        language=language,
        overwrite=overwrite,
    )
    rows = [(file["file"], file["rows"], file["bytes"]) for file in result["files"]]
    emit(result, as_json=as_json, text=table(["file", "rows", "bytes"], rows))
    log(f"{kind}: {out}")
