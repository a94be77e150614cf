"""`wikidata5m bench tune`. Imports click, wikidata5m.console; everything heavy in the command."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from wikidata5m.console import SEED, command_line, complete_from, emit, json_option, output_options
from wikidata5m.errors import ConfigError

_FOLDER = click.Path(path_type=Path)
_CONFIGS = Path(__file__).parents[1] / "configs"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command(short_help="Search hyperparameters on validation triplets.")
@click.argument("dataset", type=_FOLDER)
@click.option(
    "--model",
    required=True,
    shell_complete=complete_from(_CONFIGS, first_word=True),
    help="transe, distmult, complex, simple, rotate or quate.",
)
@click.option(
    "--budget",
    default="20 trials",
    show_default=True,
    help="Candidates of the first round, or a time as 90s, 30m, 2h or 1d.",
)
@click.option("--space", "space_file", type=_FOLDER, help="A YAML file of what is searched.")
@click.option(
    "--config",
    shell_complete=complete_from(_CONFIGS),
    help="What candidates start from: a shipped name, or a YAML file.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override it: train.epochs=50."
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Of halving."
)
@click.option(
    "--keep",
    type=click.IntRange(min=2),
    default=4,
    show_default=True,
    help="One of so many candidates goes on, and may cost so many times as much.",
)
@click.option(
    "--valid",
    type=click.IntRange(min=1),
    default=5_000,
    show_default=True,
    help="Validation triplets that a trial ranks, at most.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of draws.")
@output_options
@json_option
def tune(
    *,
    dataset: Path,
    model: str,
    budget: str,
    space_file: Path | None,
    config: str | None,
    settings: tuple[str, ...],
    rounds: int,
    keep: int,
    valid: int,
    seed: int,
    out: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Search hyperparameters for DATASET by successive halving on validation MRR.

    Many candidates train a few epochs, on a dense core of the graph where it is large; the best go
    on to longer rounds. OUT/config.yaml is the winner. Test triplets are never read. With --resume
    an interrupted search goes on, or a finished one gets a larger budget.

    \b
    Example:
      wikidata5m bench tune dataset --model complex --budget 2h --out tune
      wikidata5m bench train dataset --config tune/config.yaml --out runs/complex
    """
    import tempfile
    from dataclasses import asdict

    import yaml

    from benchmarks import run as runs
    from benchmarks.config import find_config
    from benchmarks.tuning.report import markdown, write_report
    from benchmarks.tuning.run import JOURNAL, TUNE, WINNER, TuneConfig, require_valid
    from benchmarks.tuning.run import tune as search
    from benchmarks.tuning.space import load_space
    from wikidata5m.dataset import Dataset
    from wikidata5m.files import claim_output

    trials, seconds = parse_budget(budget)
    base = runs.resolve(dataset, model=model, config=config, overrides=settings)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(asdict(base), file)
        file.flush()
        space = load_space(base.model.name, space_file, Path(file.name))
    told = TuneConfig(
        dataset=base.dataset,
        dataset_hash=base.dataset_hash,
        space=space,
        trials=trials,
        seconds=seconds,
        rounds=rounds,
        keep=keep,
        valid=valid,
        seed=seed,
    )
    require_valid(Dataset(dataset))
    inputs = [dataset, *([space_file] if space_file else [])]
    inputs += [find_config(config)] if config else []
    claim_output(out, overwrite=overwrite, resume=resume, marker=TUNE, work=JOURNAL, inputs=inputs)
    found = search(told, base, out)
    write_report(found, space, out)
    emit(
        {"out": str(out), "trials": [asdict(trial) for trial in found]},
        as_json=as_json,
        text=f"{markdown(found, space)}\n\n{out / WINNER}: the winner, valid MRR {found[0].mrr:.4f}"
        f"\nnext: {command_line('bench', 'train', dataset, '--config', out / WINNER)} --out RUN",
    )


def parse_budget(text: str) -> tuple[int, float]:
    """(trials, 0) of "20 trials", or (0, seconds) of "2h". Raises ConfigError."""
    found = re.fullmatch(r"\s*(\d+)\s*(?:trials?)?\s*", text)
    if found and int(found[1]):
        return int(found[1]), 0.0
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text)
    if found and float(found[1]):
        return 0, float(found[1]) * _SECONDS[found[2]]
    raise ConfigError(f"--budget {text}: expected trials or a time, as in 20 trials, 30m or 2h")
