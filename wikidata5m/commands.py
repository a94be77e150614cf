"""`wikidata5m demo`, `stats`, `leakage`, `diff`, `show`, `verify`, `cache`.

Imports click and console; the rest when run.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wikidata5m.console import SEED, command_line, emit, json_option, log, table

if TYPE_CHECKING:
    from wikidata5m.cache import Kind
    from wikidata5m.schema import Part, Setting

DATASET = click.argument("folder", metavar="DATASET", type=click.Path(path_type=Path))


@click.command(short_help="Print sizes, splits, top categories and drops.")
@DATASET
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write pictures of degrees, relations and words into this folder (SVG and PNG).",
)
@json_option
def stats(folder: Path, plots: Path | None, as_json: bool) -> None:
    """Print a dataset's sizes, splits, top categories and drops (the paper's Tables 1-3).

    The paper's own figures stand beside those of a dataset that it names.

    \b
    Example:
      wikidata5m stats wikidata5m-2019-07 --plots pictures
    """
    from wikidata5m.dataset import Dataset
    from wikidata5m.stats import render
    from wikidata5m.stats import stats as run

    dataset = Dataset(folder)
    if plots is not None:
        from wikidata5m.plots import write_plots

        for file in write_plots(dataset, plots):
            log(f"wrote {file}")
    result = run(dataset)
    emit(result, as_json=as_json, text=render(result))


@click.command(short_help="Show one entity: names, types, text, facts.")
@DATASET
@click.argument("entity")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many facts to list.",
)
@json_option
def show(folder: Path, entity: str, limit: int, as_json: bool) -> None:
    """Show one entity, by id or by name: types, text, facts, and its part of each split.

    \b
    Example:
      wikidata5m show wikidata5m-2019-07 Q42
      wikidata5m show wikidata5m-2019-07 "douglas adams"
    """
    from wikidata5m.dataset import Dataset
    from wikidata5m.show import render, show_entity

    result = show_entity(Dataset(folder), entity, limit)
    emit(result, as_json=as_json, text=render(result))


@click.command(short_help="Report what a test set gives away.")
@DATASET
@click.option(
    "--setting",
    type=click.Choice(["transductive", "inductive", "semi_inductive", "temporal"]),
    help="Which split; without it the first that the dataset has.",
)
@click.option(
    "--part", type=click.Choice(["valid", "test"]), default="test", show_default=True, help="Of it."
)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=0.8,
    show_default=True,
    help="Share of a relation's triplets that makes a rule (Akrami et al. 2020: 0.8).",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Rows of the long tables; --json holds all.",
)
@json_option
def leakage(
    folder: Path,
    setting: Setting | None,
    part: Part,
    threshold: float,
    limit: int,
    as_json: bool,
) -> None:
    """Report what a test set gives away: inverse and repeated relations, one-line rules, hubs.

    Says how well such rules rank the test set, so that a model can be held against them.

    \b
    Example:
      wikidata5m leakage wikidata5m-2019-07 --setting transductive
    """
    from wikidata5m.dataset import Dataset
    from wikidata5m.errors import DatasetError
    from wikidata5m.leakage import leakage as run
    from wikidata5m.leakage import render

    dataset = Dataset(folder)
    if not dataset.settings:
        raise DatasetError(f"{folder}: has no split; make one with `wikidata5m split`")
    result = run(dataset, setting or dataset.settings[0], part, threshold=threshold)
    emit(result, as_json=as_json, text=render(result, limit))


@click.command(short_help="Say what two datasets differ in.")
@click.argument("one", metavar="A", type=click.Path(path_type=Path))
@click.argument("other", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--examples",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How many of each kind of difference to name.",
)
@json_option
def diff(one: Path, other: Path, examples: int, as_json: bool) -> None:
    """Say what dataset B adds, lacks and changes beside A, by string ids.

    Entities, relations, texts and triplets, the parts that triplets moved between, and what the
    manifests say of sources and configuration.

    \b
    Example:
      wikidata5m diff wikidata5m-2019-07 wikidata5m-2026-01
    """
    from wikidata5m.dataset import Dataset
    from wikidata5m.diff import diff as run
    from wikidata5m.diff import render

    result = run(Dataset(one), Dataset(other), examples=examples)
    emit(result, as_json=as_json, text=render(result))


@click.command(short_help="Check every hash, count and split invariant.")
@DATASET
@json_option
def verify(folder: Path, as_json: bool) -> None:
    """Check every hash, count and split invariant; exit 1 when one does not hold.

    Of a corpus, every hash and count.

    \b
    Example:
      wikidata5m verify wikidata5m-2019-07
    """
    from wikidata5m.corpus import Corpus, is_corpus
    from wikidata5m.dataset import Dataset
    from wikidata5m.errors import DatasetError
    from wikidata5m.manifest import load_manifest
    from wikidata5m.verify import verify as run

    # A corpus that lost its documents is one still, by what its manifest counts.
    corpus = is_corpus(folder) or "documents" in load_manifest(folder).counts
    checked: Corpus | Dataset = Corpus(folder) if corpus else Dataset(folder)
    breaches = checked.verify() if isinstance(checked, Corpus) else run(checked)
    files = len(checked.manifest.files)
    result = {"intact": not breaches, "files": files, "breaches": breaches}
    text = f"{folder}: intact ({files} files, all counts and invariants)"
    if breaches:
        text = table(["breach"], [(breach,) for breach in breaches])
    emit(result, as_json=as_json, text=text)
    if breaches:
        many = "1 breach" if len(breaches) == 1 else f"{len(breaches):,} breaches"
        raise DatasetError(f"{folder}: {many}; make it again from its sources")


@click.command(short_help="List what the cache folder holds, or delete some.")
@click.option(
    "--clear",
    "kinds",
    multiple=True,
    type=click.Choice(["archives", "releases", "names", "explore", "tokens"]),
    help="Delete all of this kind; may be repeated.",
)
@json_option
def cache(kinds: tuple[Kind, ...], as_json: bool) -> None:
    """List what the cache folder holds, WIKIDATA5M_HOME or the user's own, or delete some.

    archives are released files as downloaded, releases the datasets read from them; names and
    explore (two indexes) and tokens (KEPLER's) are made from a dataset, and again when wanted.

    \b
    Example:
      wikidata5m cache
      wikidata5m cache --clear tokens --clear names
    """
    from wikidata5m.cache import clear, held, render
    from wikidata5m.files import cache_home

    found = clear(kinds) if kinds else held()
    result = {
        "cache": str(cache_home()),
        "cleared": list(kinds),
        "folders": [asdict(each) for each in found],
    }
    emit(result, as_json=as_json, text=f"{'deleted:' if kinds else cache_home()}\n{render(found)}")


@click.command(short_help="Run the whole job on a synthetic world, offline.")
@click.option(
    "--out",
    default=Path("demo-output"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Output folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.option(
    "--entities",
    type=click.IntRange(1000, 5_000_000),
    default=5000,
    show_default=True,
    help="Size of the synthetic world.",
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Of the world and all training.",
)
def demo(out: Path, overwrite: bool, entities: int, seed: int) -> None:
    """Run the whole job on a synthetic world, without internet, and leave a report to look at.

    Prints each command before running it; every one can be repeated by hand.

    \b
    Example:
      wikidata5m demo --out demo-output
    """
    from wikidata5m.demo import DATASET, run_demo
    from wikidata5m.files import claim_output

    claim_output(out, overwrite=overwrite)
    report = run_demo(out, entities=entities, seed=seed)
    click.echo(f"report: {report}")
    log(f"next: {command_line('explore', out / DATASET)} --open")
