"""Each limit stops what it is there to stop, and leaves everything as it was."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
from functools import partial

import pytest

from pipelines.limits import (
    MAX_PAGE_CHARS,
    MAX_WORK,
    Budget,
    PageRefused,
    guarded,
    memory_limit,
)
from pipelines.wikitext import full_text, lead_text
from tests.pipelines.test_wikitext import work


def test_a_budget_is_spent_to_the_last_and_no_further() -> None:
    budget = Budget(10)
    budget.spend(4)
    budget.spend(6)
    with pytest.raises(PageRefused, match="page_too_complex"):
        budget.spend(1)


def test_a_page_over_the_cap_is_refused_by_its_length_alone() -> None:
    assert len(full_text("a" * MAX_PAGE_CHARS)) == MAX_PAGE_CHARS
    with pytest.raises(PageRefused, match="page_too_large: 2,097,153"):
        full_text("a" * (MAX_PAGE_CHARS + 1))


PIECE = "{{nowrap|{{nowrap|[[a|{{lang|fr|x}}]]}}}} "


@pytest.mark.parametrize("text", [lead_text, full_text])
def test_work_is_refused_by_its_amount_alone(text: type[str]) -> None:
    cost = 4 * (len(PIECE) - 1)
    within = MAX_WORK // cost
    assert text(PIECE * within)
    with pytest.raises(PageRefused, match="page_too_complex"):
        text(PIECE * (within + 1))


HOSTILE = [
    "{{nowrap|" * 12 + "a" + "}}" * 12, "{{nowrap|" + "\n*:#;" * 3000 + "}}", "{", "{{", "}}", "[",
    "{{nowrap|" + "<ref " * 3000 + "}}", "{{nowrap|" + "[http://x " * 1500 + "}}", "\n{|", "\n|}",
    "{{nowrap|" + "\n{|\n|-\n| " * 1500 + "}}", "{{nowrap|" + "|=" * 9000 + "}}", "\n==a==\n{{",
    "{{{", "[[File:a|", "<ref>", "<!--", "''", "(", " ,", "\n== [[a|{{b}} ==",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_work_on_a_hostile_page_grows_with_its_length(piece: str) -> None:
    # Calls are counted, not seconds: quadratic work would quadruple where the length doubles.
    times = max(1, 20_000 // len(piece))
    half, whole = (work(partial(full_text, piece * n)) for n in (times, 2 * times))
    assert whole < 2.2 * half + 2000


def spin() -> None:
    while True:
        pass


def test_the_guard_of_time_stops_a_loop_and_leaves_no_timer() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(PageRefused, match="page_too_slow"), guarded(0.02):
        spin()
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGVTALRM) == before


def test_the_guard_is_silent_outside_the_main_thread() -> None:
    done: list[str] = []

    def run() -> None:
        with guarded():
            done.append(lead_text("a"))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == ["a"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process holds")
def test_the_guard_of_memory_refuses_a_page_and_is_lifted_after_it() -> None:
    script = (
        "import resource\n"
        "from pipelines.limits import PageRefused, guarded, memory_limit\n"
        "with memory_limit(64 << 20):\n"
        "    small = bytearray(8 << 20)\n"
        "    try:\n"
        "        with guarded():\n"
        "            large = bytearray(1 << 30)\n"
        "    except PageRefused as error:\n"
        "        print(error.reason)\n"
        "assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY\n"
        "large = bytearray(1 << 28)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "page_out_of_memory\n"


def test_a_limit_that_stands_already_is_never_raised() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory_limit(1 << 40):
        soft = resource.getrlimit(resource.RLIMIT_DATA)[0]
        assert before[0] == resource.RLIM_INFINITY or soft <= before[0]
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
