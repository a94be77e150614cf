"""What memory is left: of the machine, or of a control group that allows less."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.memory import free_memory

GIB = 1 << 30


def place(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/\n", {}, 20 * GIB),
        # Version 2: the container's own group is the top; 1 GiB of what it uses is cached files.
        (
            "0::/\n",
            {"memory.max": f"{8 * GIB}\n", "memory.current": f"{3 * GIB}\n"},
            6 * GIB,
        ),
        # A batch job: the limit is the parent's, and its own is none.
        (
            "0::/job/step\n",
            {
                "job/memory.max": f"{4 * GIB}\n",
                "job/memory.current": f"{5 * GIB}\n",
                "job/step/memory.max": "max\n",
            },
            0,
        ),
        # Version 1, whose number for no limit is near 2^63.
        (
            "4:memory:/c725\n0::/\n",
            {
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/memory.usage_in_bytes": f"{GIB}\n",
                "memory/c725/memory.limit_in_bytes": f"{6 * GIB}\n",
                "memory/c725/memory.usage_in_bytes": f"{2 * GIB}\n",
            },
            5 * GIB,
        ),
    ],
)
def test_the_narrowest_limit_counts(
    cgroup: str, files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    told = f"MemTotal: {24 << 20} kB\nMemAvailable: {20 << 20} kB\nHugePages_Total: 0\n"
    place(tmp_path, {"proc/meminfo": told, "proc/self/cgroup": cgroup})
    groups = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    stat = f"anon 5\ninactive_file {GIB}\ntotal_inactive_file {GIB}\n"
    folders = {name.rpartition("/")[0] for name in groups}
    place(tmp_path, groups | {f"{folder}/memory.stat": stat for folder in folders})
    if expected == 0:
        place(tmp_path, {"sys/fs/cgroup/job/memory.stat": "anon 5\n"})
    assert free_memory(tmp_path) == expected


def test_a_system_that_tells_nothing_has_no_number(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None
    found = free_memory()
    assert found is None or found > 0
