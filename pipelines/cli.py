"""`wikidata5m build`, `corpus`, `split`, `world`. Imports click and console; the rest when run."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wikidata5m.console import SEED, emit, json_option, log, output_options, progress, table

if TYPE_CHECKING:
    from pipelines.world import Compression
    from wikidata5m.manifest import Manifest

EXISTING = click.Path(path_type=Path)
WORKERS = click.option(
    "--workers", type=click.IntRange(1), help="Processes.  [default: one per core]"
)


@click.command(short_help="Build a dataset from two dumps.")
@click.option(
    "--wikidata",
    required=True,
    metavar="FILE|URL",
    help="Wikidata JSON dump (.bz2, .gz, .zst, plain).",
)
@click.option(
    "--wikipedia",
    required=True,
    metavar="FILE|URL",
    help="Wikipedia XML dump (.bz2, .gz, .zst, plain).",
)
@click.option(
    "--wikipedia-index",
    metavar="FILE|URL",
    help="Index of a multistream dump: work is then cut where streams start.",
)
@output_options
@WORKERS
@click.option(
    "--cluster", metavar="ADDRESS", help="Dask scheduler whose workers read the dumps instead."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="MB",
    help="For a trial: read the first MB megabytes (as on disk) of each dump.",
)
@click.option("--language", metavar="CODE", help="Of labels and aliases.  [default: en]")
@click.option("--site", metavar="WIKI", help="Whose pages count, as dewiki.  [default: enwiki]")
@click.option(
    "--ranks",
    type=click.Choice(["all", "best", "not-deprecated"]),
    help="Statements that count; best is Wikidata's truthy.  [default: not-deprecated]",
)
@click.option(
    "--exclude-triplets",
    type=EXISTING,
    metavar="FILE",
    help="Leave these out: lines of head, relation, tail ids, or FewRel's JSON.",
)
@click.option(
    "--max-errors",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Leave out up to N records that cannot be read.",
)
@click.option("--seed", type=SEED, help="Of the splits.  [default: 0]")
@click.option("--config", "file", type=EXISTING, help="YAML with BuildConfig's settings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting.")
@json_option
def build(
    wikidata: str,
    wikipedia: str,
    wikipedia_index: str | None,
    out: Path,
    resume: bool,
    overwrite: bool,
    workers: int | None,
    cluster: str | None,
    limit: int | None,
    language: str | None,
    site: str | None,
    ranks: str | None,
    exclude_triplets: Path | None,
    max_errors: int,
    seed: int | None,
    file: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Build a dataset from a Wikidata and a Wikipedia dump: align, split, write.

    Keeps each item whose page's first section has at least 5 words, and the triplets among them;
    every drop is counted by reason in manifest.json.

    \b
    Example:
      wikidata5m build --wikidata wikidata-20190701-all.json.bz2 \\
        --wikipedia enwiki-20190701-pages-articles-multistream.xml.bz2 --out wikidata5m-2019-07
      wikidata5m build --wikidata w.json.gz --wikipedia p.xml.bz2 --out small --set split.test=100
      wikidata5m build --wikidata https://host/w.json.gz --wikipedia s3://bucket/p.xml.bz2 \\
        --out trial --limit 100
      wikidata5m build --wikidata w.json.bz2 --wikipedia dewiki.xml.bz2 --out german \\
        --language de --site dewiki --ranks best --exclude-triplets fewrel.tsv
    """
    from pipelines.build import BuildConfig, BuildInput
    from pipelines.build import build as run
    from pipelines.ranges import locate
    from wikidata5m.config import load_config

    # As a quoted string: YAML takes the language `no` for a truth value.
    named = {"language": language, "site": site, "ranks": ranks}
    given = {name: f'"{value}"' for name, value in named.items() if value is not None}
    numbers = {"seed": seed, "limit": limit}
    given |= {name: str(value) for name, value in numbers.items() if value is not None}
    chosen = [f"{name}={value}" for name, value in given.items()]
    config = load_config(BuildConfig, file, (*overrides, *chosen))
    if workers is not None and cluster is not None:
        raise click.UsageError("--workers and --cluster exclude each other.")
    source = BuildInput(
        wikidata=locate(wikidata),
        wikipedia=locate(wikipedia),
        wikipedia_index=None if wikipedia_index is None else locate(wikipedia_index),
        workers=workers or os.cpu_count() or 1,
        cluster=cluster,
        exclude_triplets=exclude_triplets,
        max_errors=max_errors,
    )
    manifest = run(source, out, config, resume=resume, overwrite=overwrite)
    _emit_manifest(manifest, as_json=as_json)
    log(f"dataset: {out}")


@click.command(short_help="Make a corpus of texts for language-model training.")
@click.option(
    "--wikipedia", metavar="FILE|URL", help="Wikipedia XML dump (.bz2, .gz, .zst, plain)."
)
@click.option(
    "--wikipedia-index",
    metavar="FILE|URL",
    help="Index of a multistream dump: work is then cut where streams start.",
)
@click.option(
    "--texts", metavar="DIR", type=EXISTING, help="Folder of .txt files, each one document."
)
@output_options
@WORKERS
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="MB",
    help="For a trial: read the first MB megabytes (as on disk) of the dump.",
)
@click.option("--config", "file", type=EXISTING, help="YAML with CorpusConfig's settings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting.")
@json_option
def corpus(
    wikipedia: str | None,
    wikipedia_index: str | None,
    texts: Path | None,
    out: Path,
    resume: bool,
    overwrite: bool,
    workers: int | None,
    limit: int | None,
    file: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a corpus for masked-language-model training from a Wikipedia dump, texts, or both.

    Keeps the prose of each article, as BERT's pre-processing does: no lists, tables, headings,
    captions, references. Redirects, disambiguation pages and short texts are left out and counted.

    \b
    Example:
      wikidata5m corpus --wikipedia enwiki-20190701-pages-articles-multistream.xml.bz2 --out corpus
      wikidata5m corpus --wikipedia enwiki.xml.bz2 --texts bookcorpus/ --out corpus --workers 8
    """
    from pipelines.corpus import CorpusConfig, CorpusInput, make_corpus
    from pipelines.ranges import locate
    from wikidata5m.config import load_config

    if wikipedia is None and texts is None:
        raise click.UsageError("Give --wikipedia, --texts, or both.")
    if wikipedia_index is not None and wikipedia is None:
        raise click.UsageError("--wikipedia-index needs --wikipedia.")
    chosen = [] if limit is None else [f"limit={limit}"]
    config = load_config(CorpusConfig, file, (*overrides, *chosen))
    if config.limit is not None and wikipedia is None:
        raise click.UsageError("--limit needs --wikipedia: texts are read whole.")
    source = CorpusInput(
        wikipedia=None if wikipedia is None else locate(wikipedia),
        wikipedia_index=None if wikipedia_index is None else locate(wikipedia_index),
        texts=texts,
        workers=workers or os.cpu_count() or 1,
    )
    manifest = make_corpus(source, out, config, resume=resume, overwrite=overwrite)
    _emit_manifest(manifest, as_json=as_json)
    log(f"corpus: {out}")


def _emit_manifest(manifest: Manifest, *, as_json: bool) -> None:
    from wikidata5m.schema import DROP_MEANING

    counts = table(["what", "count"], list(manifest.counts.items()))
    drops = table(
        ["dropped", "count", "meaning"],
        [(name, n, DROP_MEANING[name]) for name, n in manifest.drops.items()],
    )
    emit(asdict(manifest), as_json=as_json, text="\n\n".join([counts, drops, *manifest.notes]))


@click.command(short_help="Split a dataset anew: other sizes, seeds, settings.")
@click.argument("folder", metavar="DATASET", type=EXISTING)
@click.option("--out", required=True, type=EXISTING, help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.option(
    "--settings",
    metavar="NAMES",
    help="Some of transductive, inductive, semi_inductive, classification, temporal, separated "
    "by commas.  [default: transductive,inductive; with --earlier: temporal]",
)
@click.option("--valid", type=click.IntRange(1), help="Transductive triplets.  [default: 5163]")
@click.option("--test", type=click.IntRange(1), help="Transductive triplets.  [default: 5133]")
@click.option("--earlier", type=EXISTING, help="Dataset of an earlier date, for temporal.")
@click.option("--seed", type=SEED, help="Of all draws.  [default: 0]")
@click.option("--config", "file", type=EXISTING, help="YAML with ResplitConfig's settings.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting.")
@json_option
def split(
    folder: Path,
    out: Path,
    overwrite: bool,
    settings: str | None,
    valid: int | None,
    test: int | None,
    earlier: Path | None,
    seed: int | None,
    file: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Split a dataset anew, also an imported graph that has no splits yet.

    Writes a dataset with the same tables (hard-linked) and the splits asked for, and no others.

    \b
    Example:
      wikidata5m split wikidata5m-2019-07 --out other --seed 1 --valid 10000 --test 10000
      wikidata5m split fb15k-237 --out few-shot --settings semi_inductive --set split.shots=3
      wikidata5m split wikidata5m-2020-07 --earlier wikidata5m-2019-07 --out a-year-later
    """
    from pipelines.split.resplit import ResplitConfig, resplit
    from wikidata5m.config import load_config
    from wikidata5m.dataset import Dataset

    given: dict[str, str | int | None] = {
        "settings": None if settings is None else f"[{settings}]",
        "seed": seed,
        "split.valid": valid,
        "split.test": test,
    }
    chosen = [f"{key}={value}" for key, value in given.items() if value is not None]
    defaults = ["settings=[temporal]"] if earlier else []
    config = load_config(ResplitConfig, file, (*overrides, *chosen), defaults=defaults)
    before = Dataset(earlier) if earlier else None
    manifest = resplit(Dataset(folder), out, config, earlier=before, overwrite=overwrite)
    emit(asdict(manifest), as_json=as_json, text=_render_splits(manifest))
    log(f"dataset: {out}")


def _render_splits(manifest: Manifest) -> str:
    from pipelines.split.resplit import FOLDERS
    from wikidata5m.schema import DROP_MEANING

    parts = [
        (folder, name.removeprefix(f"{folder}_"), count)
        for folder in FOLDERS
        for name, count in manifest.counts.items()
        if name.startswith(f"{folder}_")
    ]
    drops = [
        (name, count, DROP_MEANING[name])
        for name, count in manifest.drops.items()
        if name.startswith(FOLDERS)
    ]
    sections = [table(["split", "what", "count"], parts)] if parts else []
    if drops:
        sections.append(table(["dropped", "count", "meaning"], drops))
    return "\n\n".join([*sections, *manifest.notes])


@click.command(short_help="Write a synthetic world as real-format dumps.")
@click.option(
    "--entities",
    type=click.IntRange(100, 5_000_000),
    default=20_000,
    show_default=True,
    help="How many the built dataset has.",
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Of names, facts and texts.",
)
@click.option("--out", required=True, type=EXISTING, help="Output folder.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@WORKERS
@click.option(
    "--compression",
    type=click.Choice(["bz2", "gz"]),
    multiple=True,
    default=["bz2"],
    show_default=True,
    help="May be given twice.",
)
@json_option
def world(
    entities: int,
    seed: int,
    out: Path,
    overwrite: bool,
    workers: int | None,
    compression: tuple[Compression, ...],
    as_json: bool,
) -> None:
    """Write a synthetic world as real-format dumps, with the dataset that they must give.

    For trials, tests and measurements at any scale without a download.

    \b
    Example:
      wikidata5m world --entities 20000 --out world
      wikidata5m build --wikidata world/wikidata.json.bz2 \\
        --wikipedia world/enwiki.xml.bz2 --out data
    """
    from pipelines.world import WorldConfig, write_world
    from wikidata5m.files import claim_output

    config = WorldConfig(entities=entities, seed=seed)
    claim_output(out, overwrite=overwrite)
    with progress("world", entities, "entities") as update:
        files = write_world(
            config,
            out,
            workers=workers or os.cpu_count() or 1,
            compressions=compression,
            on_progress=lambda done, total: update(done * entities // total),
        )
    written = {name: str(path) for name, path in asdict(files).items() if path}
    emit(written, as_json=as_json, text=table(["file", "path"], list(written.items())))
