"""Builds that are killed, spread over processes or machines: always the same bytes."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
import ujson
from click.testing import CliRunner

from pipelines import tasks
from pipelines.build import WORK, BuildConfig, BuildInput, build
from pipelines.cluster import check_workers
from pipelines.ranges import Range, plan_ranges
from pipelines.tasks import TableWriter, Task, perform, perform_all
from pipelines.world import WorldConfig, write_world
from tests.conftest import REPOSITORY
from tests.server import serve
from wikidata5m import load
from wikidata5m.cli import main
from wikidata5m.errors import InputError, Wikidata5MError
from wikidata5m.manifest import FileRecord

RANGE_BYTES = 20_000
PATIENCE_SECONDS = 120
LAYOUT = {"lines": pa.schema([("line", pa.int64())])}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(WorldConfig(entities=800, seed=3), folder, compressions=("bz2", "gz"))
    return folder


@pytest.fixture(scope="module")
def expected(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileRecord]:
    """The files of an undisturbed build by one process."""
    return build(dumps(world), tmp_path_factory.mktemp("whole") / "data", BuildConfig()).files


def dumps(world: Path, *, workers: int = 1, range_bytes: int | None = None) -> BuildInput:
    return BuildInput(
        wikidata=world / "wikidata.json.bz2",
        wikipedia=world / "enwiki.xml.bz2",
        workers=workers,
        range_bytes=range_bytes,
    )


def start_build(world: Path, out: Path, **arguments: object) -> subprocess.Popen[str]:
    """The build as a process of its own, resumed when it was begun before."""
    script = (
        "import sys, ujson\n"
        "from pathlib import Path\n"
        "from pipelines.build import BuildConfig, BuildInput, build\n"
        "if __name__ == '__main__':\n"
        "    world, out, given = Path(sys.argv[1]), Path(sys.argv[2]), ujson.loads(sys.argv[3])\n"
        "    source = BuildInput(wikidata=world / 'wikidata.json.bz2',\n"
        "                        wikipedia=world / 'enwiki.xml.bz2', **given)\n"
        "    build(source, out, BuildConfig(), resume=out.exists())\n"
    )
    place = out.parent / "run.py"
    place.write_text(script)
    command = [sys.executable, str(place), str(world), str(out), ujson.dumps(arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_until(happened: Callable[[], bool], running: subprocess.Popen[str]) -> None:
    """Return when something has happened, or the process has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened() and running.poll() is None:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def finished(out: Path) -> int:
    """How many tasks and tables of a build are there."""
    return len(list((out / WORK).glob("wiki*-*"))) + len(list(out.rglob("*.parquet")))


def reached(out: Path, aim: int) -> bool:
    return finished(out) >= aim


def test_a_build_killed_at_any_moment_goes_on_to_the_same_bytes(
    world: Path, expected: dict[str, FileRecord], tmp_path: Path
) -> None:
    out = tmp_path / "data"
    dump_files = (world / "wikidata.json.bz2", world / "enwiki.xml.bz2")
    count = sum(len(plan_ranges(dump, RANGE_BYTES)) for dump in dump_files)
    aims = sorted(random.Random(5).sample(range(1, count), 3))
    for workers, aim in zip((2, 1, 2), aims, strict=True):
        running = start_build(world, out, workers=workers, range_bytes=RANGE_BYTES)
        wait_until(partial(reached, out, aim), running)
        assert running.poll() is None, "the build ended before it could be killed"
        running.kill()
        running.communicate()
        assert not (out / "manifest.json").exists()
        assert finished(out) >= aim
    run = ["build", "--wikidata", str(world / "wikidata.json.bz2"), "--out", str(out), "--resume"]
    run += ["--wikipedia", str(world / "enwiki.xml.bz2"), "--workers", "1"]
    result = CliRunner().invoke(main, run, catch_exceptions=False)
    assert result.exit_code == 0
    assert load(out).manifest.files == expected
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("workers", "range_bytes"), [(2, None), (1, 7_001), (2, 33_333)])
def test_neither_workers_nor_cuts_show_in_the_bytes(
    world: Path,
    expected: dict[str, FileRecord],
    tmp_path: Path,
    workers: int,
    range_bytes: int | None,
) -> None:
    source = dumps(world, workers=workers, range_bytes=range_bytes)
    assert build(source, tmp_path / "data", BuildConfig()).files == expected


def test_neither_compression_nor_place_nor_index_show_in_the_bytes(
    world: Path, expected: dict[str, FileRecord], tmp_path: Path
) -> None:
    with serve() as server:
        names = ("wikidata.json.gz", "enwiki.xml.bz2")
        urls = [server.put(f"/{name}", (world / name).read_bytes()) for name in names]
        run = ["build", "--wikidata", urls[0], "--wikipedia", urls[1], "--workers", "1"]
        run += ["--wikipedia-index", str(world / "enwiki-index.txt.bz2")]
        run += ["--out", str(tmp_path / "a")]
        result = CliRunner().invoke(main, run, catch_exceptions=False)
    assert result.exit_code == 0
    manifest = load(tmp_path / "a").manifest
    assert manifest.files == expected
    assert [record["path"] for record in manifest.sources] == urls
    assert all(record["etag"] == '"one"' for record in manifest.sources)


def test_a_resume_refuses_a_dump_that_has_changed_or_other_cuts(
    world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    running = start_build(world, out, workers=1, range_bytes=RANGE_BYTES)
    wait_until(lambda: finished(out) > 0, running)
    running.kill()
    running.communicate()
    run = ["build", "--wikidata", str(world / "wikidata.json.bz2"), "--out", str(out), "--resume"]
    run += ["--wikipedia", str(world / "enwiki.xml.bz2")]
    for changed in (
        ["--wikipedia-index", str(world / "enwiki-index.txt.bz2")],
        ["--limit", "1"],
        ["--wikidata", str(world / "wikidata.json.gz")],
    ):
        result = CliRunner().invoke(main, [*run, *changed])
        assert result.exit_code == 1
        assert "begun with other sources or settings" in result.stderr


def test_a_trial_reads_the_first_megabytes_and_says_so(world: Path, tmp_path: Path) -> None:
    plain = tmp_path / "wikidata.json"
    lines = (world / "wikidata.json.gz").read_bytes()
    plain.write_bytes(gzip.decompress(lines))
    assert plain.stat().st_size > 1_500_000
    run = ["build", "--wikidata", str(plain), "--wikipedia", str(world / "enwiki.xml.bz2")]
    run += ["--limit", "1", "--workers", "1", "--json"]
    result = CliRunner().invoke(main, [*run, "--out", str(tmp_path / "a")], catch_exceptions=False)
    manifest = ujson.loads(result.stdout)
    start = plain.read_bytes()[:1_000_000]
    assert manifest["counts"]["wikidata_entities"] == len(start.splitlines()) - 1
    assert manifest["config"]["limit"] == 1
    assert "a trial: only the first 1 MB" in manifest["notes"][0]
    assert "sha256" not in manifest["sources"][0]
    assert load(tmp_path / "a").num_entities > 0


def count_lines(source: Range, out: TableWriter) -> None:
    out.add("lines", (source.index,))


def make_tasks(folder: Path, count: int) -> list[Task]:
    return [
        Task(
            source=Range(folder, i, i + 1, count, i),
            out=folder / f"task-{i:03}",
            layouts=LAYOUT,
            run=count_lines,
        )
        for i in range(count)
    ]


class Recorder(Executor):
    """Does each task when its result is asked for, and records how many were waiting at a time."""

    def __init__(self) -> None:
        self.most = 0
        self.waiting: list[Future[None]] = []

    def submit(self, fn: Callable[..., None], /, *args: object, **kwargs: object) -> Future[None]:  # type: ignore[override]
        future: Future[None] = Future()
        self.waiting.append(future)
        self.most = max(self.most, len(self.waiting))
        if len(self.waiting) == tasks.BACKLOG or args[0].out.name == "task-049":  # type: ignore[attr-defined]
            for each in self.waiting:
                each.set_result(None)
            self.waiting = []
        return future


def test_tasks_are_handed_out_in_a_bounded_backlog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BACKLOG", 8)
    recorder = Recorder()
    perform_all(make_tasks(tmp_path, 50), recorder, lambda done, note="": None)
    assert recorder.most == 8


class Broken(Executor):
    """Does nothing but fail at the first task; remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[object, Future[None]]] = []

    def submit(self, fn: Callable[..., None], /, *args: object, **kwargs: object) -> Future[None]:  # type: ignore[override]
        future: Future[None] = Future()
        self.given.append((fn, future))
        if len(self.given) == 1:
            future.set_exception(InputError("dump", "a bad record", fix="none"))
        return future


def test_what_comes_last_waits_for_the_tasks_and_is_not_done_when_one_fails(tmp_path: Path) -> None:
    executor = Broken()

    def hashing() -> str:
        return "hash"

    with pytest.raises(InputError, match="a bad record"):
        perform_all(make_tasks(tmp_path, 3), executor, lambda done, note="": None, [hashing])
    assert [each for each, _ in executor.given] == [perform, perform, perform, hashing]
    assert all(future.cancelled() for _, future in executor.given[1:])


def test_a_task_done_by_another_meanwhile_is_done(tmp_path: Path) -> None:
    (task,) = make_tasks(tmp_path, 1)

    def beaten(source: Range, out: TableWriter) -> None:
        perform(task)
        count_lines(source, out)

    late = Task(source=task.source, out=task.out, layouts=LAYOUT, run=beaten)
    perform(late)
    assert [path.name for path in tmp_path.iterdir()] == ["task-000"]


def run_out_of_memory(source: Range, out: TableWriter) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_is_an_error_that_names_the_fix(tmp_path: Path) -> None:
    (task,) = make_tasks(tmp_path, 1)
    fatal = Task(source=task.source, out=task.out, layouts=LAYOUT, run=run_out_of_memory)
    with (
        tasks.worker_pool(1) as executor,
        pytest.raises(Wikidata5MError, match=r"want of memory.*--resume and fewer --workers"),
    ):
        perform_all([fatal], executor, lambda done, note="": None)


@contextmanager
def dask_process(*arguments: str, cwd: Path = REPOSITORY) -> Iterator[subprocess.Popen[str]]:
    """A part of a Dask cluster, ended with the block."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{arguments[0]}", *arguments[1:]]
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, cwd=cwd
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


@contextmanager
def dask_scheduler(file: Path) -> Iterator[str]:
    """The address of a Dask scheduler, ended with the block; it writes `file`."""
    local = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")

    def written() -> bool:
        # It opens the file before it writes there.
        return file.is_file() and file.read_text().rstrip().endswith("}")

    with dask_process("scheduler", "--scheduler-file", str(file), *local) as scheduler:
        wait_until(written, scheduler)
        yield str(ujson.loads(file.read_text())["address"])


@contextmanager
def dask_worker(
    address: str, scratch: Path, cwd: Path = REPOSITORY
) -> Iterator[subprocess.Popen[str]]:
    """A worker of one thread, ended with the block."""
    settings = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    place = ("--local-directory", str(scratch / "dask"))
    with dask_process("worker", address, *settings, *place, cwd=cwd) as worker:
        yield worker


def test_a_cluster_that_loses_a_worker_gives_the_same_bytes(
    world: Path, expected: dict[str, FileRecord], tmp_path: Path
) -> None:
    out = tmp_path / "data"
    with (
        dask_scheduler(tmp_path / "scheduler.json") as address,
        dask_worker(address, tmp_path, cwd=tmp_path) as doomed,
        dask_worker(address, tmp_path, cwd=tmp_path),
    ):
        # The workers stand in another folder, from which this path leads nowhere.
        near = Path(os.path.relpath(world))
        running = start_build(near, out, cluster=address, range_bytes=RANGE_BYTES)
        wait_until(lambda: finished(out) >= 8, running)
        assert running.poll() is None, running.communicate()
        doomed.kill()
        _, errors = running.communicate(timeout=PATIENCE_SECONDS)
        assert running.returncode == 0, errors
    assert load(out).manifest.files == expected


def test_a_task_that_kills_workers_of_a_cluster_is_an_error_that_names_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    script = (
        "import sys\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from pipelines.cluster import cluster_pool\n"
        "from tests.pipelines.test_whole import make_tasks, perform_all, run_out_of_memory\n"
        "(task,) = make_tasks(Path(sys.argv[2]), 1)\n"
        "with cluster_pool(sys.argv[1], [Path(sys.argv[2])]) as executor:\n"
        "    fatal = replace(task, run=run_out_of_memory)\n"
        "    perform_all([fatal], executor, lambda done, note='': None)\n"
    )
    with (
        dask_scheduler(tmp_path / "scheduler.json") as address,
        dask_worker(address, tmp_path),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, address, str(tmp_path)],
            check=False,
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            timeout=PATIENCE_SECONDS,
        )
    message = done.stderr.splitlines()[-1]
    assert "Wikidata5MError: cluster: one task ended every worker" in message
    assert "--resume" in message


def test_workers_that_do_not_see_the_folders_are_refused(tmp_path: Path) -> None:
    client = FakeClient({str(tmp_path): False})
    with pytest.raises(Wikidata5MError, match=r"tcp://far does not see .* machines share"):
        check_workers(client, [tmp_path])
    client = FakeClient({str(tmp_path): True}, version="0.0.0")
    with pytest.raises(Wikidata5MError, match=r"tcp://far has wikidata5m 0\.0\.0"):
        check_workers(client, [tmp_path])
    client = FakeClient({str(tmp_path): True}, threads=2)
    with pytest.raises(Wikidata5MError, match=r"tcp://far has 2 threads.* --nthreads 1"):
        check_workers(client, [tmp_path])


class FakeClient:
    """A client whose one worker says what it is told to."""

    def __init__(self, seen: dict[str, bool], version: str = "", threads: int = 1) -> None:
        self.seen, self.version, self.threads = seen, version, threads

    def nthreads(self) -> dict[str, int]:
        return {"tcp://far": self.threads}

    def run(self, function: Callable[[str], object], argument: str) -> dict[str, object]:
        if argument in self.seen:
            return {"tcp://far": self.seen[argument]}
        return {"tcp://far": self.version or function(argument)}


def test_a_cluster_that_is_not_there_is_an_error(world: Path, tmp_path: Path) -> None:
    run = ["build", "--wikidata", str(world / "wikidata.json.bz2"), "--out", str(tmp_path / "o")]
    run += ["--wikipedia", str(world / "enwiki.xml.bz2"), "--cluster", "no-address"]
    script = (
        "import sys\n"
        "import pipelines.cluster\n"
        "pipelines.cluster.CONNECT_SECONDS = 1\n"
        "sys.modules[sys.argv.pop(1)] = None\n"
        "from wikidata5m.cli import main\n"
        "main()\n"
    )
    for hidden, message in (
        ("no_such_module", "no Dask scheduler answers"),
        ("distributed", "pip install -c constraints.txt '.[cluster]'"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, hidden, *run, "--overwrite"],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
