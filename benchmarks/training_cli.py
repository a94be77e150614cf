"""`wikidata5m bench train`.

Imports click and wikidata5m.console; everything heavy inside the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wikidata5m.console import SEED, command_line, complete_from, emit, json_option, output_options

if TYPE_CHECKING:
    from benchmarks.config import EngineName, RunConfig
    from benchmarks.results import TrainSummary

_FOLDER = click.Path(path_type=Path)
_CONFIGS = Path(__file__).with_name("configs")


class Seeds(click.ParamType[tuple[int, ...]]):
    """Several seeds: 0,1,2."""

    name = "N,N,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """The seeds, each once."""
        words = str(value).split(",")
        seeds = [int(word) for word in words if word.strip().isdecimal()]
        if len({*seeds}) < len(words):
            self.fail("name different whole numbers of 0 or above, as 0,1,2.", param, ctx)
        return tuple(seeds)


@click.command(short_help="Train a model on a dataset.")
@click.argument("dataset", type=_FOLDER)
@click.option(
    "--model",
    shell_complete=complete_from(_CONFIGS, first_word=True),
    help="transe, complex, ...; also picks the shipped configuration.",
)
@click.option(
    "--config",
    shell_complete=complete_from(_CONFIGS),
    help="A shipped configuration by name, or a YAML file.",
)
@click.option(
    "--engine",
    type=click.Choice(["torch", "graphvite"]),
    help="What trains: ours, or a GraphVite that is installed beside, on its GPUs.",
)
@click.option(
    "--setting",
    type=click.Choice(["transductive", "temporal"]),
    help="Which split to train on.  [default: transductive]",
)
@click.option(
    "--from",
    "start",
    type=_FOLDER,
    help="A run or embeddings folder, of any dataset: known ids keep their vectors.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override, as train.lr=0.2."
)
@click.option("--seed", type=SEED, help="Everything random follows from it.")
@click.option("--seeds", type=Seeds(), help="A run of each, in OUT/seed-N.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show the configuration and what training would take; write nothing.",
)
@output_options
@json_option
def train(
    *,
    dataset: Path,
    model: str | None,
    config: str | None,
    engine: EngineName | None,
    setting: str | None,
    start: Path | None,
    settings: tuple[str, ...],
    seed: int | None,
    seeds: tuple[int, ...] | None,
    dry_run: bool,
    out: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Train a model on DATASET; the run folder OUT holds its configuration, log and embeddings.

    Trains on the transductive split, or the temporal one: a table has no vectors for entities it
    never saw. For those, see `wikidata5m kepler train`.

    --resume alone goes on with the settings that OUT was started with. With --from, --model and
    --config may be left out: the settings are then those of the earlier run.

    \b
    Example:
      wikidata5m bench train dataset --model complex --set train.epochs=20 --out runs/complex
      wikidata5m bench train dataset --model complex --seeds 0,1,2 --out runs/complex
      wikidata5m bench train dataset --model complex --out runs/complex --dry-run
      wikidata5m bench train grown --from runs/complex --out runs/grown
    """
    from benchmarks import run
    from benchmarks.config import find_config
    from benchmarks.engines.graphvite import main as graphvite

    if seeds and seed is not None:
        raise click.UsageError("--seed and --seeds exclude each other.")
    folders = {out / f"seed-{each}": each for each in seeds} if seeds else {out: seed}
    overrides = [*settings, *([f"setting={setting}"] if setting else [])]
    runs: dict[Path, RunConfig] = {}
    again = resume and not (model or config or start)
    if again and (engine or overrides or seed is not None):
        raise click.UsageError(
            "--resume alone goes on with the run's own settings: leave the others out, or give all "
            "that it was started with."
        )
    begun = [folder for folder in folders if (folder / run.CONFIG).is_file()]
    # Those first: they refuse what they were not begun with, on which no other may be trained.
    for folder, each in sorted(folders.items(), key=lambda pair: pair[0] not in begun):
        said = [*overrides, *([] if each is None else [f"seed={each}"])]
        if again:
            # A seed whose turn never came has the settings of those before it.
            known = run.resolve_again(dataset, folder if folder in begun or not begun else begun[0])
            runs[folder] = known if each is None else replace(known, seed=each)
        else:
            runs[folder] = run.resolve(
                dataset, model=model, config=config, engine=engine, start=start, overrides=said
            )
        if runs[folder].engine == "graphvite":
            graphvite.check(runs[folder], folder, resume=resume)
    if dry_run:
        _show_dry_run(runs, as_json=as_json)
        return
    inputs = [path for path in (dataset, config and find_config(config)) if path]
    for made in runs.values():
        read = (made.start, made.train.weights, made.graphvite.model_file)
        inputs += [Path(path) for path in read if path]
    for folder in runs:
        run.claim(folder, inputs, overwrite=overwrite, resume=resume)
    done = {folder: run.train(each, folder, resume=resume) for folder, each in runs.items()}
    records = [
        {"run": str(folder), "config": asdict(runs[folder]), "train": asdict(summary)}
        for folder, summary in done.items()
    ]
    lines = [f"{folder}: {_in_words(summary)}" for folder, summary in done.items()]
    text = "\n".join([*lines, f"next: {command_line('bench', 'evaluate', *done)}"])
    emit({"runs": records} if seeds else records[0], as_json=as_json, text=text)


def _show_dry_run(runs: Mapping[Path, RunConfig], *, as_json: bool) -> None:
    """The first run's estimate and settings: runs that differ by their seeds take the same."""
    import yaml

    from benchmarks.run import dry_run

    (folder, config), *more = runs.items()
    ours = config.engine == "torch"
    expected = dry_run(config, folder) if ours else None
    lines = expected.lines() if expected else ["GraphVite alone knows what it will take"]
    times = f"each of {len(runs)} runs:\n" if more else ""
    settings = yaml.safe_dump(asdict(config), sort_keys=False)
    emit(
        {
            "run": str(folder),
            "config": asdict(config),
            "estimate": asdict(expected) if expected else None,
        },
        as_json=as_json,
        text=times + "\n".join(lines) + f"\n\n{settings.rstrip()}",
    )


def _in_words(summary: TrainSummary) -> str:
    """How long training took, and how it ended where it told."""
    text = (
        f"{summary.epochs} epochs in {summary.seconds:,.1f} s, "
        f"{summary.triplets_per_second:,.0f} triplets/s"
    )
    if not summary.curve:
        return text
    kept = next(point for point in summary.curve if point.epoch == summary.best_epoch)
    mrr = "" if kept.valid_mrr is None else f", valid MRR {kept.valid_mrr:.4f}"
    return f"{text}; kept epoch {summary.best_epoch}: loss {kept.loss:.4f}{mrr}"
