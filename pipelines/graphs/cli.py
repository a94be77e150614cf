"""`wikidata5m import`. Imports click and console; the rest when run."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wikidata5m.console import emit, json_option, log, table

if TYPE_CHECKING:
    from pipelines.graphs.layout import GraphFiles
    from wikidata5m.manifest import Manifest
    from wikidata5m.schema import Setting
    from wikidata5m.tsv import Separator

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
PART_HELP = "Triplets of one part, where a name does not say so."


@click.command("import", short_help="Make a dataset of your own graph's files.")
@click.argument("sources", metavar="[DIR | FILE...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.option("--train", type=FILE, help=PART_HELP)
@click.option("--valid", type=FILE, help=PART_HELP)
@click.option("--test", type=FILE, help=PART_HELP)
@click.option("--support", type=FILE, help="What is given about unseen entities when ranking.")
@click.option(
    "--setting",
    type=click.Choice(["transductive", "inductive", "semi_inductive", "temporal"]),
    help="Of parts whose names state none.  [default: inductive with support, else transductive]",
)
@click.option(
    "--order", metavar="LETTERS", help="Columns: h, r, t; - to leave one out.  [default: hrt]"
)
@click.option(
    "--separator",
    type=click.Choice(["tab", "comma", "space"]),
    help="Between columns.  [default: told from the first lines]",
)
@click.option(
    "--header/--no-header",
    default=None,
    help="Whether line 1 holds names of columns.  [default: told from the names]",
)
@click.option("--entity-label", type=FILE, help="Names: id⇥label⇥alias..., or JSON.")
@click.option("--entity-text", "--text", type=FILE, help="Descriptions: id⇥text, or JSON.")
@click.option("--entity-ids", type=FILE, help="What integers stand for: integer⇥id, or id⇥integer.")
@click.option("--relation-label", type=FILE, help="Names: id⇥label⇥alias..., or JSON.")
@click.option("--relation-text", type=FILE, help="Descriptions: id⇥text, or JSON.")
@click.option("--relation-ids", type=FILE, help="What integers stand for, as --entity-ids.")
@click.option("--no-texts", is_flag=True, help="Read no names and texts that DIR holds.")
@click.option("--keep-unused", is_flag=True, help="Keep what names and texts know and no triplet.")
@click.option(
    "--max-errors",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How many bad lines to drop and count before one is an error.",
)
@json_option
def import_(
    sources: tuple[Path, ...],
    out: Path,
    overwrite: bool,
    setting: Setting | None,
    order: str | None,
    separator: Separator | None,
    header: bool | None,
    no_texts: bool,
    keep_unused: bool,
    max_errors: int,
    as_json: bool,
    **named: Path | None,
) -> None:
    """Make a dataset of your own graph: its triplets, with names and texts where there are any.

    DIR holds train, valid and test (.txt, .tsv, .csv, plain or compressed) and what it has of
    names and texts; or name the files. One file alone becomes a graph without a split.

    \b
    Example:
      wikidata5m import FB15k-237 --out fb15k-237
      wikidata5m import triples.csv --order htr --text descriptions.tsv --out mine
      wikidata5m import --train a.tsv --valid b.tsv --test c.tsv --setting inductive --out ind
    """
    from pipelines.graphs.importing import ImportConfig, import_graph
    from wikidata5m.tsv import TripletFormat

    files = _files(sources, setting, named, no_texts=no_texts)
    try:
        layout = TripletFormat(separator=separator, order=order, header=header)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--order") from None
    for role, path in files.names.items():
        log(f"{role}: {path}")
    for path in files.unknown:
        log(f"not read: {path}")
    config = ImportConfig(layout=layout, max_errors=max_errors, keep_unused=keep_unused)
    manifest = import_graph(files, out, config, overwrite=overwrite)
    emit(asdict(manifest), as_json=as_json, text=_render(manifest))
    log(f"dataset: {out}")


def _files(
    sources: tuple[Path, ...],
    setting: Setting | None,
    named: dict[str, Path | None],
    *,
    no_texts: bool,
) -> GraphFiles:
    """The files by what they hold: those named by option, then those of `sources`."""
    from pipelines.graphs.layout import ROLE, find_files
    from wikidata5m.schema import PARTS, SUPPORT

    parts = {part: path for part in (*PARTS, SUPPORT) if (path := named[part])}
    names = {role: path for role in ROLE if (path := named[role])}
    # What integers stand for is neither a name nor a text.
    unread = [role for role in ROLE if no_texts and not role.endswith("_ids")]
    files = find_files(sources, setting, parts, [*names, *unread])
    if not files.triplet_files():
        raise click.UsageError("Name a folder, a file, or the parts by --train, --valid, --test.")
    found = {role: path for role, path in files.names.items() if role not in unread}
    return replace(files, names=found | names)


def _render(manifest: Manifest) -> str:
    """Counts, drops and departures as tables."""
    from wikidata5m.schema import DROP_MEANING, departure_meaning

    sections = [table(["what", "count"], list(manifest.counts.items()))]
    if manifest.drops:
        drops = [(name, n, DROP_MEANING[name]) for name, n in manifest.drops.items()]
        sections.append(table(["dropped", "count", "meaning"], drops))
    if manifest.departures:
        rows = [(name, n, departure_meaning(name)) for name, n in manifest.departures.items()]
        sections.append(
            "Kept as the source has it, and declared as a departure:\n\n"
            + table(["departure", "count", "meaning"], rows)
        )
    return "\n\n".join([*sections, *manifest.notes])
