"""`wikidata5m bench ...` and `wikidata5m report`.

Imports click, wikidata5m.console and wikidata5m.errors; everything heavy inside the commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.answers_cli import classify, predict
from benchmarks.options import ranking_options
from benchmarks.speed.cli import speed
from benchmarks.training_cli import train
from benchmarks.tuning.cli import tune
from wikidata5m.console import command_line, emit, json_option, output_options, table

if TYPE_CHECKING:
    from benchmarks.formats import Format
    from benchmarks.metrics import Side
    from benchmarks.tables import By, Seeds
    from wikidata5m.schema import Part

_FOLDER = click.Path(path_type=Path)
_by_option = click.option(
    "--by",
    type=click.Choice(["relation", "mapping", "degree", "unseen", "ties"]),
    help="By groups: relations, mapping types (1-1 to n-n), degrees in train, entities unseen in "
    "train, rules for equal scores.",
)


@click.group(short_help="Train embedding models and rank triplets by them.")
def bench() -> None:
    """Train embedding models on a dataset and rank triplets with them.

    \b
    Example:
      wikidata5m bench train dataset --model transe --out runs/transe
      wikidata5m bench evaluate runs/transe
    """


bench.add_command(train)
bench.add_command(classify)
bench.add_command(predict)
bench.add_command(speed)
bench.add_command(tune)


@bench.command(name="list", short_help="List the shipped configurations.")
@json_option
def list_configs(*, as_json: bool) -> None:
    """List the configurations that come with the package, by dataset, and what to expect of each.

    Expected is a filtered MRR over both directions with its source: first what this package
    measured with these settings, then what others report.

    \b
    Example:
      wikidata5m bench list
    """
    from dataclasses import asdict
    from itertools import groupby

    from benchmarks.shipped import in_words, shipped_configurations

    found = shipped_configurations()
    header = ["name", "engine", "dim", "loss", "negatives", "epochs", "expected MRR"]
    parts = []
    for dataset, group in groupby(found, key=lambda each: each.dataset):
        rows = []
        for each in group:
            c = each.config
            negatives = "all" if c.loss.name == "one_vs_all" else c.train.negatives
            plain = [each.name, c.engine, c.model.dim, c.loss.name, negatives, c.train.epochs]
            rows.append([*plain, in_words(each.expected)])
        parts.append(f"{dataset}\n\n{table(header, rows)}")
    emit({"configs": [asdict(each) for each in found]}, as_json=as_json, text="\n\n".join(parts))


@bench.command(name="import-graphvite", short_help="Take over a model that GraphVite trained.")
@click.argument("model_file", metavar="MODEL.pkl", type=_FOLDER)
@click.argument("dataset", type=_FOLDER)
@click.option("--model", required=True, help="What it is a model of: transe, rotate, ...")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="As model.dim=256, model.gamma=9."
)
@output_options
@json_option
def import_graphvite(
    *,
    model_file: Path,
    dataset: Path,
    model: str,
    settings: tuple[str, ...],
    out: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make a run of a model that GraphVite trained elsewhere, to be ranked by `bench evaluate`.

    MODEL.pkl is what GraphVite's `save` wrote. It is read without running any code it names.

    \b
    Example:
      wikidata5m bench import-graphvite rotate.pkl dataset --model rotate --out runs/rotate
    """
    from dataclasses import asdict

    from benchmarks import run
    from benchmarks.engines.graphvite import main as graphvite
    from wikidata5m.config import override

    overrides = [override("graphvite.model_file", str(model_file.resolve())), *settings]
    resolved = run.resolve(
        dataset, model=model, config=None, engine="graphvite", overrides=overrides
    )
    graphvite.check(resolved, out, resume=resume)
    inputs = [dataset, model_file]
    run.claim(out, inputs, overwrite=overwrite, resume=resume)
    run.train(resolved, out, resume=resume)
    emit(
        {"run": str(out), "config": asdict(resolved)},
        as_json=as_json,
        text=f"{out}: converted\nnext: {command_line('bench', 'evaluate', out)}",
    )


@bench.command(short_help="Rank the test triplets, filtered.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=_FOLDER)
@click.option("--dataset", type=_FOLDER, help="The dataset, where it is not where RUN says.")
@ranking_options
@click.option(
    "--candidates",
    type=click.IntRange(min=1),
    help="Estimate mean ranks (MR, AMRI) among so many random entities; gives no MRR and Hits.",
)
@_by_option
@json_option
def evaluate(
    *,
    runs: tuple[Path, ...],
    dataset: Path | None,
    part: Part,
    sample: int | None,
    sample_seed: int | None,
    candidates: int | None,
    by: By | None,
    as_json: bool,
) -> None:
    """Rank the test triplets with each RUN's embeddings: filtered, both directions.

    Writes RUN/results/PART.json, or PART-sample-N.json with --sample N (and -seed-M behind it with
    --sample-seed M), and prints the table.

    \b
    Example:
      wikidata5m bench evaluate runs/transe --by mapping
      wikidata5m bench evaluate runs/transe --part valid --sample 2000
      wikidata5m bench evaluate runs/complex/seed-*
    """
    from dataclasses import asdict

    from benchmarks import run
    from benchmarks.datasets import Datasets
    from benchmarks.formats import markdown_table, render
    from benchmarks.tables import result_tables
    from wikidata5m.dataset import Dataset

    if candidates and by:
        raise click.UsageError("--by needs ranks among all candidates: leave --candidates out.")
    if sample_seed is not None and not (sample or candidates):
        raise click.UsageError("--sample-seed draws what --sample or --candidates ask for.")
    for each in runs:
        run.require_evaluable(each, dataset)
    results = [
        run.evaluate(
            each,
            dataset=dataset,
            part=part,
            sample=sample,
            sample_seed=sample_seed or 0,
            candidates=candidates,
        )
        for each in runs
    ]
    text = markdown_table(results)
    if by:
        datasets = Datasets(Dataset(dataset) if dataset else None)
        text += "\n\n" + render(result_tables(results, by=by, datasets=datasets), "markdown")
    records = [asdict(result) for result in results]
    record = {"results": records} if len(records) > 1 else records[0]
    emit(record, as_json=as_json, text=text)


@bench.command(name="table", short_help="Print tables over the results of many runs.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=_FOLDER)
@_by_option
@click.option(
    "--seeds",
    type=click.Choice(["mean", "each"]),
    default="mean",
    show_default=True,
    help="One row, mean ± standard deviation, for runs that differ in the seed alone; or each.",
)
@click.option(
    "--side",
    type=click.Choice(["both", "head", "tail"]),
    help="Only this side.  [default: all; both with --by]",
)
@click.option("--part", type=click.Choice(["test", "valid"]), help="Only this part.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "latex", "csv"]),
    default="markdown",
    show_default=True,
    help="LaTeX is for the booktabs package.",
)
@json_option
def table_(
    *,
    runs: tuple[Path, ...],
    by: By | None,
    seeds: Seeds,
    side: Side | None,
    part: Part | None,
    form: Format,
    as_json: bool,
) -> None:
    """Print tables over the results of many runs, of bench and kepler alike.

    \b
    Example:
      wikidata5m bench table runs/transe runs/complex
      wikidata5m bench table runs/transe-0 runs/transe-1 runs/transe-2 --side both --format latex
      wikidata5m bench table runs/transe runs/complex --by mapping
    """
    from dataclasses import asdict

    from benchmarks.datasets import Datasets
    from benchmarks.formats import render
    from benchmarks.results import load_run_results
    from benchmarks.tables import result_tables

    results = [result for run in runs for result in load_run_results(run, part)]
    tables = result_tables(results, by=by, seeds=seeds, side=side, datasets=Datasets())
    emit(
        {"results": [asdict(result) for result in results]},
        as_json=as_json,
        text=render(tables, form),
    )


@click.command(short_help="Write a page of tables and plots from a dataset and runs.")
@click.argument("runs", metavar="[RUN]...", nargs=-1, type=_FOLDER)
@click.option("--dataset", type=_FOLDER, help="Describe this dataset, and take names from it.")
@click.option(
    "--speed",
    "speed_file",
    metavar="SPEED.json",
    type=_FOLDER,
    help="Show what `bench speed` measured.",
)
@click.option("--out", required=True, type=_FOLDER, help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@json_option
def report(
    *,
    runs: tuple[Path, ...],
    dataset: Path | None,
    speed_file: Path | None,
    out: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write one page on a dataset, on any number of evaluated runs, or on both.

    OUT/index.html opens from disk and loads nothing. Beside it: results.md and results.tex with
    the tables for a paper, results.csv and groups.csv with every number, figures/*.svg.
    Names and texts come from --dataset, or from where a run says that its dataset lies.

    \b
    Example:
      wikidata5m report runs/transe runs/kepler --dataset dataset --out report
      wikidata5m report --dataset dataset --out report
      wikidata5m report runs/* --speed speed/speed.json --out report --overwrite
    """
    from benchmarks.report.costs import load_speed
    from benchmarks.report.write import PAGE, write_report
    from benchmarks.results import load_run_results
    from wikidata5m.dataset import Dataset
    from wikidata5m.files import claim_output

    if not (runs or dataset or speed_file):
        raise click.UsageError("Nothing to report on: name a RUN, --dataset or --speed.")
    results = [result for run in runs for result in load_run_results(run)]
    described = Dataset(dataset) if dataset else None
    speed = load_speed(speed_file) if speed_file else None
    inputs = [path for path in (*runs, dataset, speed_file) if path]
    claim_output(out, overwrite=overwrite, inputs=inputs)
    files = write_report(results, out, described, speed)
    emit(
        {"out": str(out), "files": [str(file) for file in files]},
        as_json=as_json,
        text=f"open {out / PAGE}",
    )
