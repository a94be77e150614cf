"""`wikidata5m download`. Imports click and console; the rest when run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from wikidata5m.console import emit, json_option, log, table

FOLDER = click.Path(path_type=Path)
# As in releases.catalogue, which is not loaded for `--help`; a test compares the two.
VERSIONS: Final = ("v3", "v3-libkge", "v1-libkge")
KINDS: Final = {
    "transductive": "the transductive split: 168 MB",
    "inductive": "the inductive split: 167 MB",
    "text": "the descriptions: 991 MB",
    "alias": "names of entities and relations: 197 MB",
    "raw": "all triplets, entities without a page included: 168 MB",
}

VERSION = click.option(
    "--version",
    type=click.Choice(VERSIONS),
    default=VERSIONS[0],
    show_default=True,
    help="Of the release.",
)
MIRROR = click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="URL",
    envvar="WIKIDATA5M_MIRROR",
    help="Folder that has the files, in place of the published addresses.",
)


@click.group(short_help="Fetch the published releases, resumed and verified.")
def download() -> None:
    """Fetch the published releases, and read them into a dataset.

    Files go to the cache folder (WIKIDATA5M_HOME) unless --out names another. An interrupted
    download is continued; a file that is there is checked and left.

    \b
    Example:
      wikidata5m download dataset
    """


def _kind_command(kind: str, about: str) -> click.Command:
    """The command that fetches one released file."""

    @click.command(
        kind,
        short_help=f"Fetch {about}.",
        help=f"Fetch {about}.\n\n\b\nExample:\n  wikidata5m download {kind} --out release",
    )
    @VERSION
    @click.option("--out", type=FOLDER, help="Folder for the file.  [default: the cache]")
    @click.option(
        "--resume/--no-resume",
        default=True,
        show_default=True,
        help="Continue an interrupted download.",
    )
    @click.option("--overwrite", is_flag=True, help="Fetch again what is there already.")
    @MIRROR
    @json_option
    def command(
        version: Any,
        out: Path | None,
        resume: bool,
        overwrite: bool,
        mirrors: tuple[str, ...],
        as_json: bool,
    ) -> None:
        from dataclasses import asdict

        from wikidata5m.releases.home import Source
        from wikidata5m.releases.home import download as run

        source = Source(version=version, mirrors=mirrors, resume=resume)
        path, receipt = run(kind, source, out, overwrite=overwrite)  # type: ignore[arg-type]
        result = {"path": str(path), "version": version, **asdict(receipt)}
        emit(result, as_json=as_json, text=table(["what", "value"], list(result.items())))

    return command


for _kind, _about in KINDS.items():
    download.add_command(_kind_command(_kind, _about))


@download.command(short_help="Fetch a release and read it into a dataset folder.")
@VERSION
@click.option("--out", type=FOLDER, help="Dataset folder.  [default: the cache, for `load`]")
@click.option("--from", "folder", type=FOLDER, help="Read the released files in FOLDER.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.option(
    "--max-errors",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Bad lines to drop before giving up.",
)
@MIRROR
@json_option
def dataset(
    version: Any,
    out: Path | None,
    folder: Path | None,
    resume: bool,
    overwrite: bool,
    max_errors: int,
    mirrors: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fetch triplets, texts and names of a release, and read them into a dataset folder.

    Says which version the files are, counts what their splits break and what falls out, and gives
    each entity a name. Without --out, `wikidata5m.load("wikidata5m")` opens it.

    \b
    Example:
      wikidata5m download dataset
      wikidata5m download dataset --from release --out wikidata5m-v3
    """
    from dataclasses import asdict

    from wikidata5m.releases.home import Source, dataset_folder, make_dataset

    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    named = click.get_current_context().get_parameter_source("mirrors")
    if folder and named is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(
            "--from and --mirror exclude each other: with --from nothing is fetched."
        )
    source = Source(version=version, folder=folder, mirrors=mirrors)
    manifest = make_dataset(source, out, resume=resume, overwrite=overwrite, max_errors=max_errors)
    emit(asdict(manifest), as_json=as_json, text=_render(asdict(manifest)))
    log(f"dataset: {out or dataset_folder(version)}")


def _render(manifest: dict[str, Any]) -> str:
    from wikidata5m.schema import DROP_MEANING, departure_meaning

    departures = [
        (name, count, departure_meaning(name)) for name, count in manifest["departures"].items()
    ]
    drops = [(name, count, DROP_MEANING[name]) for name, count in manifest["drops"].items()]
    return "\n\n".join(
        [
            table(["what", "count"], list(manifest["counts"].items())),
            table(["as released", "count", "meaning"], departures),
            table(["dropped", "count", "meaning"], drops),
            *manifest["notes"],
        ]
    )


@download.command(short_help="Say which version of the release a file is.")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=FOLDER)
@json_option
def identify(paths: tuple[Path, ...], as_json: bool) -> None:
    """Say which version of Wikidata5M an archive, a triplet file or a folder of them is.

    By its hash where that was published, else by its numbers of triplets, entities and relations.

    \b
    Example:
      wikidata5m download identify wikidata5m_transductive.tar.gz
    """
    from dataclasses import asdict

    from wikidata5m.releases.identify import identify as run

    found = {str(path): asdict(run(path)) for path in paths}
    rows = [(path, one["version"], one["certainty"], one["told"]) for path, one in found.items()]
    emit(found, as_json=as_json, text=table(["file", "version", "known by", "what it is"], rows))
