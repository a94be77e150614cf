"""`wikidata5m bench speed`. Imports click, wikidata5m.console; everything heavy in the command."""

from __future__ import annotations

import os
from pathlib import Path

import click

from wikidata5m.console import SEED, emit, json_option
from wikidata5m.errors import ConfigError

_FOLDER = click.Path(path_type=Path)
_COUNT = click.IntRange(min=1)


@click.command(short_help="Time engines on one graph.")
@click.argument("dataset", type=_FOLDER, required=False)
@click.option("--entities", type=_COUNT, default=100_000, show_default=True, help="Random graph.")
@click.option("--relations", type=_COUNT, default=500, show_default=True, help="Random graph.")
@click.option("--triplets", type=_COUNT, default=1_000_000, show_default=True, help="Random graph.")
@click.option("--engine", "engines", multiple=True, help="wikidata5m, pykeen, pbg. [default: all]")
@click.option(
    "--engine-python",
    "pythons",
    multiple=True,
    metavar="ENGINE=PYTHON",
    help="The interpreter of the environment that an engine is installed in.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="transe (L1), transe-l2, distmult, complex, simple, rotate, quate. [default: first six]",
)
@click.option("--dim", type=_COUNT, default=128, show_default=True, help="Floats per entity.")
@click.option("--negatives", type=_COUNT, default=64, show_default=True, help="Per positive.")
@click.option("--chunk", type=_COUNT, default=64, show_default=True, help="Sharing negatives.")
@click.option(
    "--batch",
    "batches",
    multiple=True,
    type=_COUNT,
    help="Of several, each engine takes its fastest. [default: 1024, 8192]",
)
@click.option("--threads", type=_COUNT, help="[default: as many as there are processors]")
@click.option("--repeats", type=_COUNT, default=3, show_default=True, help="The best is shown.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Each process trains, and ranks, at least so long.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of all.")
@click.option("--out", type=_FOLDER, help="Write speed.json, speed.md and speed.svg there.")
@click.option("--resume", is_flag=True, help="Go on with what the output folder lacks.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@json_option
def speed(
    *,
    dataset: Path | None,
    entities: int,
    relations: int,
    triplets: int,
    engines: tuple[str, ...],
    pythons: tuple[str, ...],
    models: tuple[str, ...],
    dim: int,
    negatives: int,
    chunk: int,
    batches: tuple[int, ...],
    threads: int | None,
    repeats: int,
    seconds: float,
    seed: int,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Time training and ranking of this engine and others on one graph, in turn.

    Without DATASET the graph is random. Every engine runs in processes of its own with as many
    threads, again and again in turn; one that lives in another environment is reached by its
    Python. Beside the rates stand what the machine can do at most, and our share of it.

    Each process's rates are written to --out as they come. A run that is stopped shows what it has;
    the same command with --resume goes on with what is missing, and tries what failed again.

    \b
    Example:
      wikidata5m bench speed --engine-python pbg=/opt/pbg/bin/python --out speed
    """
    import tempfile
    from dataclasses import asdict

    from benchmarks.speed import run as runs
    from benchmarks.speed.graph import dataset_graph, random_graph
    from benchmarks.speed.report import REPORT, markdown, write_report
    from wikidata5m.files import claim_output, write_json

    if resume and (overwrite or out is None):
        raise click.UsageError("--resume needs --out, and excludes --overwrite.")
    given = {"models": models, "batches": batches}
    settings = runs.Settings(
        **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]
        dim=dim,
        negatives=negatives,
        chunk=chunk,
        threads=threads or os.cpu_count() or 1,
        repeats=repeats,
        seconds=seconds,
        seed=seed,
    )
    found, missing = runs.find_engines(engines, dict(_pair(text) for text in pythons))
    runs.require_models(settings.models, found)
    if out is not None:
        inputs = [dataset] if dataset else []
        claim_output(out, overwrite=overwrite, resume=resume, marker=REPORT, inputs=inputs)
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as folder:
        path = Path(folder) / "graph.npz"
        if dataset is not None:
            graph = dataset_graph(path, dataset, seed=seed)
        else:
            graph = random_graph(
                path, entities=entities, relations=relations, triplets=triplets, seed=seed
            )
        report = runs.begin(graph, settings, found, missing)
        if resume and out is not None and (out / REPORT).exists():
            report = runs.go_on(out / REPORT, report)

        def keep(so_far: runs.Report) -> None:
            nonlocal report
            report = so_far
            if out is not None:
                write_json(out / REPORT, asdict(report))

        try:
            runs.run(graph, report, found, keep)
        finally:
            if out is not None:
                write_report(report, out)
            emit(asdict(report), as_json=as_json, text=markdown(report))


def _pair(text: str) -> tuple[str, str]:
    engine, equals, python = text.partition("=")
    if not equals or not python:
        raise ConfigError(
            f"--engine-python {text}: expected ENGINE=PYTHON, as in pbg=/opt/pbg/bin/python"
        )
    return engine, python
