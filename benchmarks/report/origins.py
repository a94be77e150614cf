"""Where everything came from: sources, hashes, configurations, seeds, versions, machines.

Imports yaml, benchmarks.results, benchmarks.report and wikidata5m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from benchmarks.report.blocks import Block, Code, Fold, Note, Part, Section, Table, Term
from benchmarks.report.names import run_labels
from benchmarks.results import Result
from wikidata5m.dataset import Dataset
from wikidata5m.schema import departure_meaning


def origins_section(results: Sequence[Result], dataset: Dataset | None) -> Section:
    """Of the dataset, then of each result."""
    blocks: list[Block] = []
    if dataset:
        blocks.append(Part(f"Dataset {dataset.manifest.name}", _of_dataset(dataset)))
    if results:
        blocks.append(Part("Runs", _of_runs(results)))
    return Section("origins", "Provenance", blocks)


def _of_dataset(dataset: Dataset) -> list[Block]:
    manifest = dataset.manifest
    facts = {"created": manifest.created, "hash": manifest.dataset_hash} | manifest.software
    sources = [
        [Term(str(s.get("role", "")), str(s.get("path", ""))), s.get("bytes", "-"), _hash(s)]
        for s in manifest.sources
    ]
    departures = [
        [Term(departure_meaning(name), name), count]
        for name, count in manifest.departures.items()
        if count
    ]
    files = [[name, r.rows, r.bytes, r.sha256] for name, r in manifest.files.items()]
    found: list[Block] = [
        Table(caption="What made it", header=["what", "value"], rows=list(facts.items())),
        Table(caption="Sources", header=["source", "bytes", "SHA-256"], rows=sources),
        Table(caption="What its splits or texts break", header=["what", "count"], rows=departures),
    ]
    found = [each for each in found if isinstance(each, Table) and each.rows]
    counts = [[name.replace("_", " "), count] for name, count in manifest.counts.items()]
    return [
        *found,
        *(Note(note) for note in manifest.notes),
        Fold("Counts", [Table(caption="Counts", header=["what", "count"], rows=counts)]),
        Fold(
            "Files",
            [Table(caption="Files", header=["file", "rows", "bytes", "SHA-256"], rows=files)],
        ),
        Fold("Configuration", [Code("Resolved, as the build used it.", _yaml(manifest.config))]),
    ]


def _of_runs(results: Sequence[Result]) -> list[Block]:
    labels = run_labels(results)
    rows = [
        [Term(label, r.run), r.seed, (r.git_commit or "-")[:10], r.dataset.hash[:12], r.created]
        for label, r in zip(labels, results, strict=True)
    ]
    header = ["result", "seed", "commit", "dataset", "ranked at"]
    table = Table(caption="Where each result is from", header=header, rows=rows)
    return [table, *(_of_run(label, r) for label, r in zip(labels, results, strict=True))]


def _of_run(label: str, result: Result) -> Fold:
    facts = {
        "run": result.run,
        "dataset": f"{result.dataset.name}, {result.dataset.hash}",
        "protocol": result.protocol.in_words(),
        "seed": result.seed,
        "best epoch": _epoch(result.train.best_epoch),
        "commit": result.git_commit or "-",
        "ranked at": result.created,
    }
    rows = [[k, str(v)] for k, v in (facts | result.machine | result.software).items()]
    table = Table(caption="How it was made", header=["what", "value"], rows=rows)
    return Fold(label, [table, Code("Its whole configuration.", _yaml(result.config))])


def _epoch(best: float | None) -> str:
    return "-" if best is None else f"{best:g}"


def _yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)


def _hash(source: Mapping[str, Any]) -> str:
    return str(source.get("sha256", "-"))
