"""`wikidata5m wordnet`. Imports click and console; the rest when run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from wikidata5m.console import SEED, emit, json_option, log, table

DEBIAN = Path("/usr/share/wordnet")
"""Where Debian's package wordnet-base puts the files."""
FOLDER = click.Path(path_type=Path)


@click.command(short_help="Make a dataset of WordNet: senses, words, glosses.")
@click.option(
    "--wordnet",
    "source",
    type=FOLDER,
    default=DEBIAN,
    show_default=True,
    help="Folder of data.noun, index.noun and their like.",
)
@click.option("--out", required=True, type=FOLDER, help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.option(
    "--lemmas/--no-lemmas",
    default=None,
    help="Words as nodes beside their senses, or senses alone.  [default: with words]",
)
@click.option("--seed", type=SEED, help="Of the splits.  [default: 0]")
@click.option("--config", "file", type=FOLDER, help="YAML with WordNetConfig's settings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting.")
@json_option
def wordnet(
    source: Path,
    out: Path,
    overwrite: bool,
    lemmas: bool | None,
    seed: int | None,
    file: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a dataset of WordNet's files: synsets and their words, relations, glosses as texts.

    The files are those of Debian's package wordnet-base, of nltk's data, or of WordNet itself.

    \b
    Example:
      wikidata5m wordnet --out wordnet
      wikidata5m wordnet --wordnet WordNet-3.0/dict --no-lemmas --out synsets
    """
    from pipelines.wordnet.make import WordNetConfig, make_wordnet
    from wikidata5m.config import load_config
    from wikidata5m.schema import DROP_MEANING

    given = {"lemmas": lemmas, "seed": seed}
    chosen = [f"{key}={value}" for key, value in given.items() if value is not None]
    config = load_config(WordNetConfig, file, (*overrides, *chosen))
    manifest = make_wordnet(source, out, config, overwrite=overwrite)
    counts = table(["what", "count"], list(manifest.counts.items()))
    drops = table(
        ["dropped", "count", "meaning"],
        [(name, n, DROP_MEANING[name]) for name, n in manifest.drops.items()],
    )
    emit(asdict(manifest), as_json=as_json, text="\n\n".join([counts, drops, *manifest.notes]))
    log(f"dataset: {out}")
