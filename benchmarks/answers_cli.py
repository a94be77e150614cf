"""`wikidata5m bench predict` and `bench classify`. Imports click, wikidata5m.console and errors.

Everything heavy is imported inside the commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wikidata5m.console import emit, json_option, log, table

if TYPE_CHECKING:
    from benchmarks.predict import Answer, KnownMode, Query
    from wikidata5m.dataset import Dataset

_FOLDER = click.Path(path_type=Path)


@click.command(short_help="Answer (head, relation, ?) or (?, relation, tail).")
@click.argument("run_folder", metavar="RUN", type=_FOLDER)
@click.option("--head", metavar="ENTITY", help="By id, or by a name that only one entity has.")
@click.option("--relation", metavar="RELATION", help="By id, label or alias.")
@click.option("--tail", metavar="ENTITY", help="In place of --head: asks for the heads.")
@click.option("--queries", type=_FOLDER, help="A file of lines head⇥relation⇥tail, ? for one.")
@click.option(
    "--top", type=click.IntRange(min=1), default=10, show_default=True, help="How many answers."
)
@click.option(
    "--known",
    type=click.Choice(["mark", "hide", "only"]),
    default="mark",
    show_default=True,
    help="Answers that train, valid or test state: marked, left out, or no others.",
)
@click.option("--dataset", type=_FOLDER, help="The dataset, where it is not where RUN says.")
@json_option
def predict(
    *,
    run_folder: Path,
    head: str | None,
    relation: str | None,
    tail: str | None,
    queries: Path | None,
    top: int,
    known: KnownMode,
    dataset: Path | None,
    as_json: bool,
) -> None:
    """Answer (head, relation, ?) or (?, relation, tail): the best entities, with scores.

    A name that several entities have is an error that lists them with their ids.

    \b
    Example:
      wikidata5m bench predict runs/complex --head Q42 --relation P106
      wikidata5m bench predict runs/complex --relation occupation --tail writer --known hide
      wikidata5m bench predict runs/complex --queries queries.tsv --top 3 --json
    """
    import numpy as np

    from benchmarks import predict as answers
    from benchmarks.questions import ask, read_queries
    from benchmarks.run import load_predictor, load_run_config
    from benchmarks.runfolder import open_dataset

    if queries is not None:
        if head is not None or relation is not None or tail is not None:
            raise click.UsageError("--queries takes the place of --head, --relation and --tail.")
    elif relation is None or (head is None) == (tail is None):
        raise click.UsageError("Give --relation with --head or with --tail; or --queries FILE.")
    config = load_run_config(run_folder)
    data = open_dataset(dataset, config.dataset)
    predictor = load_predictor(run_folder, data, config)
    asked = read_queries(data, queries) if queries else [ask(data, head, relation or "", tail)]
    found = answers.predict(
        predictor,
        asked,
        np.arange(data.num_entities),
        data.parts(config.setting),
        top=top,
        known=known,
    )
    told = [_told(data, query, each) for query, each in zip(asked, found, strict=True)]
    emit(
        {"run": str(run_folder), "known": known, "queries": told},
        as_json=as_json,
        text="\n\n".join(_shown(each) for each in told),
    )


def _told(data: Dataset, query: Query, answers: list[Answer]) -> dict[str, Any]:
    """A query and its answers by ids and labels."""

    def entity(index: int | None) -> dict[str, str] | None:
        if index is None:
            return None
        return {"entity": data.entity_ids[index], "label": data.entity_labels[index]}

    relation = data.relations.row(query.relation, named=True)
    return {
        "head": entity(query.head),
        "relation": {"relation": relation["relation"], "label": relation["label"]},
        "tail": entity(query.tail),
        "answers": [
            {
                "place": place,
                "entity": data.entity_ids[answer.entity],
                "label": data.entity_labels[answer.entity],
                "score": answer.score,
                "known": answer.known,
            }
            for place, answer in enumerate(answers, start=1)
        ],
    }


def _shown(told: dict[str, Any]) -> str:
    """The question in a line and the answers in a table."""
    asked = [
        "?" if told[end] is None else " ".join(dict.fromkeys(told[end].values()))
        for end in ("head", "relation", "tail")
    ]
    if not told["answers"]:
        return f"{', '.join(asked)}\n\nno answers"
    header = ["place", "entity", "label", "score", "known"]
    rows = [
        ["" if each[name] is None else each[name] for name in header] for each in told["answers"]
    ]
    return f"{', '.join(asked)}\n\n{table(header, rows)}"


@click.command(short_help="Tell true triplets from hard false ones.")
@click.argument("run_folder", metavar="RUN", type=_FOLDER)
@click.option("--by", type=click.Choice(["relation"]), help="Also by relation.")
@click.option("--dataset", type=_FOLDER, help="The dataset, where it is not where RUN says.")
@json_option
def classify(*, run_folder: Path, by: str | None, dataset: Path | None, as_json: bool) -> None:
    """Tell true triplets from hard false ones, by a threshold per relation chosen on valid.

    The dataset must have classification sets (`wikidata5m split`). They are kept out of the
    transductive training part, so RUN must be of that split. Writes RUN/classification.json.

    \b
    Example:
      wikidata5m bench classify runs/complex --by relation
    """
    from dataclasses import asdict

    from benchmarks import classification
    from benchmarks.incremental import trained_before
    from benchmarks.results import start_in_words
    from benchmarks.run import load_predictor, load_run_config
    from benchmarks.runfolder import open_dataset

    config = load_run_config(run_folder)
    classification.require_unseen(config.setting, run_folder)
    if told := start_in_words(trained_before(run_folder, "test")):
        log(f"note: test: {told}")
    data = open_dataset(dataset, config.dataset)
    predictor = load_predictor(run_folder, data, config)
    found = classification.classify(predictor, data, model=config.model.name, seed=config.seed)
    found.save(run_folder / "classification.json")
    ways = {
        "one per relation": found.metrics,
        "one for all": found.one_threshold,
    }
    text = _judged("threshold", ways)
    text += (
        f"\n\n{found.dataset.name}: {found.metrics['count']:,.0f} test triplets. Thresholds chosen "
        f"on valid; {len(found.fallback):,} of {len(found.per_relation):,} relations have none "
        "there and take the one for all."
    )
    if by:
        labels = dict(data.relations.select("relation", "label").iter_rows())
        relations = sorted(found.per_relation.items(), key=lambda each: -each[1]["count"])
        text += "\n\n" + _judged("relation", dict(relations), labels)
    emit(asdict(found), as_json=as_json, text=text)


def _judged(
    first: str, rows: dict[str, dict[str, float]], labels: Mapping[str, str] | None = None
) -> str:
    from benchmarks.classification import METRICS

    def told(name: str) -> list[str]:
        return [name, labels[name]] if labels else [name]

    header = [first, *(["label"] if labels else []), "triplets", *METRICS]
    return table(
        header,
        [[*told(n), int(v["count"]), *(v.get(m, "-") for m in METRICS)] for n, v in rows.items()],
    )
