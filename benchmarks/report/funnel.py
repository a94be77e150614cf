"""What the build left out on the way, and why: as a picture and as tables.

Imports matplotlib, benchmarks.plots, benchmarks.report.blocks and wikidata5m.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from benchmarks.plots import COLOURS, INK, beside, draw, plain_ticks, short
from benchmarks.report.blocks import Block, Figure, Note, Section, Table, Term
from wikidata5m import schema
from wikidata5m.manifest import Manifest

ITEMS: Final = (
    "other_entity",
    "no_page",
    "duplicate_item",
    "page_missing",
    "page_too_large",
    "page_too_complex",
    "page_too_slow",
    "page_out_of_memory",
    "page_deleted",
    "page_failed",
    "short_lead",
)
STATEMENTS: Final = (
    "deprecated",
    "not_best",
    "no_value",
    "some_value",
    "not_an_item",
    "relation_without_page",
    "head_not_kept",
    "tail_not_kept",
    "duplicate_statement",
    "inverse_statement",
    "excluded",
)


@dataclass(frozen=True, slots=True)
class Step:
    """Records that left the way here."""

    reason: str
    meaning: str
    dropped: int
    left: int
    """How many remained."""


@dataclass(frozen=True, slots=True)
class Way:
    """From all records to those that the dataset holds."""

    title: str
    start: str
    """What came in."""
    total: int
    end: str
    steps: list[Step]

    @property
    def kept(self) -> int:
        """What came out."""
        return self.steps[-1].left if self.steps else self.total


def funnel_section(manifest: Manifest) -> Section:
    """One way for entities, one for triplets, one for each split; further drops by reason."""
    ways = list(_ways(manifest))
    on_a_way = {step.reason for way in ways for step in way.steps}
    rest = {r: n for r, n in manifest.drops.items() if n and r not in on_a_way}
    blocks: list[Block] = []
    if ways:
        blocks.append(_picture(ways))
    blocks += [_table(way) for way in ways]
    if rest:
        rows = [[Term(_meaning(reason), reason), count] for reason, count in rest.items()]
        blocks.append(Table(caption="Other records left out", header=["what", "count"], rows=rows))
    if not blocks:
        blocks = [Note("The manifest counts no dropped record.")]
    return Section("funnel", "What was left out, and why", blocks)


def _ways(manifest: Manifest) -> Iterator[Way]:
    counts, drops = manifest.counts, manifest.drops
    if "wikidata_entities" in counts:
        yield _items(manifest)
        read = counts["triplets"] + sum(drops.get(reason, 0) for reason in STATEMENTS)
        yield _way("Triplets", "statements of Wikidata", read, "triplets", STATEMENTS, drops)
    for setting in schema.SETTINGS:
        border = f"{setting}_border"
        if border in drops:
            title = f"{setting.capitalize()} split".replace("_", "-")
            parts = (*schema.PARTS, schema.SUPPORT)
            kept = sum(counts.get(f"{setting}_{part}", 0) for part in parts)
            total = kept + drops[border]
            yield _way(title, "triplets", total, "triplets in its parts", (border,), drops)


def _items(manifest: Manifest) -> Way:
    """Entities; what no reason tells stands apart, so that the steps add up."""
    counts, drops = manifest.counts, dict(manifest.drops)
    total = counts["wikidata_entities"]
    drops["properties"] = counts.get("wikidata_properties", 0)
    told = sum(drops.get(reason, 0) for reason in ("properties", *ITEMS))
    drops["not_told_apart"] = total - told - counts["entities"]
    reasons = ("properties", *ITEMS, "not_told_apart")
    return _way("Entities", "records of Wikidata", total, "entities", reasons, drops)


def _way(
    title: str, start: str, total: int, end: str, reasons: Sequence[str], drops: dict[str, int]
) -> Way:
    steps, left = [], total
    for reason in reasons:
        if drops.get(reason, 0):
            left -= drops[reason]
            steps.append(Step(reason, _meaning(reason), drops[reason], left))
    return Way(title, start, total, end, steps)


def _meaning(reason: str) -> str:
    own = {
        "properties": "property, which may become a relation",
        "not_told_apart": "records that the reasons above do not account for",
    }
    return own.get(reason) or schema.drop_meaning(reason)


def _table(way: Way) -> Table:
    rows: list[list[object]] = [[Term(f"All {way.start}", ""), "", way.total]]
    rows += [[Term(step.meaning, step.reason), step.dropped, step.left] for step in way.steps]
    rows.append([Term(f"Kept: {way.end}", ""), "", way.kept])
    share = f"{way.kept / way.total:.1%}" if way.total else "none"
    return Table(
        caption=f"{way.title}: {share} kept", header=["what", "left out", "left"], rows=rows
    )


def _picture(ways: Sequence[Way]) -> Figure:
    """A row per step: what is left, and hatched what left there."""
    rows = [len(way.steps) + 2 for way in ways]

    def paint(canvas: Canvas) -> None:
        # Rows are alike in height, so that letters beside them are too.
        for axes, way in zip(
            canvas.subplots(len(ways), height_ratios=rows, squeeze=False)[:, 0], ways, strict=True
        ):
            _draw(axes, way)

    told = " ".join(
        f"{way.title}: of {way.total:,} {way.start}, "
        + "".join(f"{step.dropped:,} left out ({step.reason}), " for step in way.steps)
        + f"{way.kept:,} kept."
        for way in ways
    )
    picture = draw(paint, "funnel", told, height=0.5 * len(ways) + 0.3 * sum(rows))
    return Figure(picture, "What is left after each reason; hatched what it took.")


def _draw(axes: Any, way: Way) -> None:
    steps = [("all", 0, way.total), *((s.reason, s.dropped, s.left) for s in way.steps)]
    places = range(len(steps))
    left = [remaining for _, _, remaining in steps]
    gone = [dropped for _, dropped, _ in steps]
    axes.barh(places, left, 0.7, color=COLOURS[0], edgecolor=INK, linewidth=0.4)
    style = {"color": "none", "edgecolor": INK, "hatch": "////", "linewidth": 0.4}
    axes.barh(places, gone, 0.7, left=left, **style)
    for place, (_, dropped, remaining) in enumerate(steps):
        text = f"−{short(dropped)}" if dropped else short(remaining)
        beside(axes, text, remaining + dropped, place)
    names = [reason.replace("_", " ") for reason, _, _ in steps]
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.18 * max(way.total, 1))
    axes.set_title(f"{way.title}: {short(way.kept)} kept", loc="left", fontsize=9.5)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    plain_ticks(axes.xaxis)
