"""`wikidata5m dumps`. Imports click and console; the rest when run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wikidata5m.console import emit, json_option, table


def _choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says which dumps are meant, and where the hosts are."""

    @functools.wraps(command)
    def checked(language: str, wiki: str | None, what: str, **arguments: Any) -> Any:
        roles = ("wikidata", "wikipedia") if what == "both" else (what,)
        return command(wiki=wiki or f"{language.replace('-', '_')}wiki", roles=roles, **arguments)

    decorated: Any = checked
    for option in (
        click.option(
            "--archive-org",
            metavar="URL",
            default="https://archive.org",
            envvar="WIKIDATA5M_ARCHIVE_ORG",
            show_default=True,
            help="Where archive.org is.",
        ),
        click.option(
            "--wikimedia",
            metavar="URL",
            default="https://dumps.wikimedia.org",
            envvar="WIKIDATA5M_WIKIMEDIA",
            show_default=True,
            help="Where Wikimedia's dumps are, or a mirror of them.",
        ),
        click.option(
            "--what",
            type=click.Choice(["both", "wikidata", "wikipedia"]),
            default="both",
            show_default=True,
            help="Which dumps.",
        ),
        click.option("--wiki", help="Of the pages, as in simplewiki.  [default: by --language]"),
        click.option(
            "--language", default="en", show_default=True, help="Of the Wikipedia, as in de."
        ),
        click.option("--date", required=True, help="Month or day, as in 2019-07 or 2019-07-22."),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


@click.group(short_help="Find and fetch dumps of a date.")
def dumps() -> None:
    """Find and fetch the dumps of Wikidata and Wikipedia of a date.

    \b
    Example:
      wikidata5m dumps list --date 2019-07
    """


@dumps.command("list", short_help="Say which dumps of a date exist, and where.")
@_choice_options
@json_option
def list_(
    date: str, wiki: str, roles: Any, archive_org: str, wikimedia: str, as_json: bool
) -> None:
    """Say which dumps of a month or day exist, with their size and checksum where published.

    Asks every address where one could be; exit code 1 when there is none.

    \b
    Example:
      wikidata5m dumps list --date 2019-07
      wikidata5m dumps list --date 2024-01 --language de
    """
    from wikidata5m.download import Patience
    from wikidata5m.dumps.candidates import Bases
    from wikidata5m.dumps.find import find_dumps
    from wikidata5m.errors import DownloadError

    bases = Bases(wikimedia=wikimedia.rstrip("/"), archive_org=archive_org.rstrip("/"))
    rows = [one.row() for one in find_dumps(date, wiki, roles, bases, Patience())]
    missing = {status: sum(row["status"] == status for row in rows) for status in _MISSING}
    result = {"date": date, "wiki": wiki, "dumps": rows, **missing}
    shown = [
        (row["role"], row["date"], told, row["bytes"] or "", row["checksum"], row["url"])
        for row in rows
        if row["status"] != "absent"
        for told in [f"{row['status']}: {row['note']}" if row["note"] else row["status"]]
    ]
    header = ["what", "date", "status", "bytes", "checksum", "address"]
    text = f"{table(header, shown)}\n\n{missing['absent']} more addresses have none."
    emit(result, as_json=as_json, text=text)
    if not any(row["status"] == "found" for row in rows):
        raise DownloadError(
            f"no dump of {date}: {missing['absent']} addresses have none, "
            f"{missing['unreachable']} did not answer; try another month, or check the connection"
        )


_MISSING = ("absent", "unreachable")


@dumps.command(short_help="Fetch the two dumps of a date, resumed and verified.")
@_choice_options
@click.option(
    "--compression",
    type=click.Choice(["any", "gz", "bz2"]),
    default="any",
    show_default=True,
    help="Of the Wikidata dump; gz is faster to read and larger.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the files.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Continue an interrupted download.",
)
@click.option("--overwrite", is_flag=True, help="Fetch again what is there already.")
@json_option
def fetch(
    date: str,
    wiki: str,
    roles: Any,
    archive_org: str,
    wikimedia: str,
    compression: Any,
    out: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Fetch the Wikidata and Wikipedia dumps of a date: of a month, those of the closest days.

    A file that both hosts have is fetched from either. Checksums are demanded where published.

    \b
    Example:
      wikidata5m dumps fetch --date 2019-07 --out dumps
      wikidata5m dumps fetch --date 2024-01 --language de --what wikipedia --out dumps
    """
    from dataclasses import asdict

    from wikidata5m.download import Patience
    from wikidata5m.download import fetch as run
    from wikidata5m.dumps.candidates import Bases
    from wikidata5m.dumps.find import choose, find_dumps

    bases = Bases(wikimedia=wikimedia.rstrip("/"), archive_org=archive_org.rstrip("/"))
    probed = find_dumps(date, wiki, roles, bases, Patience())
    result = {}
    for role, file in zip(roles, choose(probed, roles, compression, date), strict=True):
        receipt = run(file, out, resume=resume, overwrite=overwrite)
        checked = str(file.checksum) if file.checksum else "none published"
        result[role] = {"path": str(out / file.name), "checked": checked, **asdict(receipt)}
    rows = [(role, one["path"], one["bytes"], one["checked"]) for role, one in result.items()]
    emit(result, as_json=as_json, text=table(["what", "path", "bytes", "checked against"], rows))
