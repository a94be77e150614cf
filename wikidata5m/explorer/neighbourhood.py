"""The small graph around an entity: boxes left and right of it, and what joins them, laid out.

Imports explorer.library. Left stand entities that point at it, right those it points at; an entity
that does both stands right. Lengths are in the units of the drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wikidata5m.explorer.library import Fact, Library, Named

SIDE: Final = 7
"""Most entities on a side."""
WIDTH: Final = 860
BOX: Final = 232
CENTRE: Final = 200
BOX_HEIGHT: Final = 44
STEP: Final = 60
MARGIN: Final = 12
LONGEST: Final = 26
"""Characters that fit a box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An entity of the drawing; (x, y) is the upper left corner."""

    entity: Named
    x: int
    y: int
    width: int
    height: int
    role: str
    """"centre", "in" or "out"."""
    name: str
    """The label, shortened to fit."""
    relation: str
    """What joins it to the centre, shortened to fit."""
    title: str
    """Label and relation in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A line from head to tail."""

    path: str
    """An SVG path."""
    title: str
    role: str
    """"fact" of the centre, or "among" its neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A neighbourhood, ready to be drawn."""

    left: int
    """Where it begins: a drawing without entities on the left begins at the centre."""
    width: int
    height: int
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def draw(library: Library, centre: Named) -> Drawing | None:
    """The neighbourhood of an entity; None where it has no neighbours."""
    right = library.neighbours(centre, "out", SIDE)
    known = {fact.other.index for fact in right}
    left = [
        fact
        for fact in library.neighbours(centre, "in", SIDE + len(right))
        if fact.other.index not in known
    ][:SIDE]
    if not left and not right:
        return None
    rows = max(len(left), len(right))
    height = rows * STEP - (STEP - BOX_HEIGHT) + 2 * MARGIN
    middle = Box(
        entity=centre,
        x=(WIDTH - CENTRE) // 2,
        y=(height - BOX_HEIGHT) // 2,
        width=CENTRE,
        height=BOX_HEIGHT,
        role="centre",
        name=_fit(centre.label, LONGEST - 6),
        relation="",
        title=centre.label,
    )
    boxes = [
        *_column(left, "in", MARGIN, height),
        middle,
        *_column(right, "out", WIDTH - BOX - MARGIN, height),
    ]
    edges = [_spoke(box, middle) for box in boxes if box is not middle]
    start = 0 if left else middle.x - MARGIN
    end = WIDTH if right else middle.x + middle.width + MARGIN
    return Drawing(
        left=start,
        width=end - start,
        height=height,
        boxes=tuple(boxes),
        edges=(*_among(library, boxes, middle), *edges),
    )


def _column(facts: list[Fact] | tuple[Fact, ...], role: str, x: int, height: int) -> list[Box]:
    top = (height - (len(facts) * STEP - (STEP - BOX_HEIGHT))) // 2
    return [
        Box(
            entity=fact.other,
            x=x,
            y=top + number * STEP,
            width=BOX,
            height=BOX_HEIGHT,
            role=role,
            name=_fit(fact.other.label, LONGEST),
            relation=_fit(fact.relation.label, LONGEST + 4),
            title=f"{fact.other.label} ({fact.relation.label})",
        )
        for number, fact in enumerate(facts)
    ]


def _spoke(box: Box, middle: Box) -> Edge:
    """From the head's side to the tail's."""
    y, centre_y = box.y + BOX_HEIGHT // 2, middle.y + BOX_HEIGHT // 2
    if box.role == "in":
        start, end = (box.x + box.width, y), (middle.x - 4, centre_y)
    else:
        start, end = (middle.x + middle.width, centre_y), (box.x - 4, y)
    bend = (start[0] + end[0]) // 2
    path = f"M{start[0]} {start[1]} C{bend} {start[1]} {bend} {end[1]} {end[0]} {end[1]}"
    return Edge(path=path, title=box.title, role="fact")


def _among(library: Library, boxes: list[Box], middle: Box) -> list[Edge]:
    """Facts between neighbours; of each pair one is drawn."""
    place = {box.entity.index: box for box in boxes if box is not middle}
    drawn: dict[tuple[int, int], Edge] = {}
    for head, relation, tail in library.among(list(place)):
        pair = (min(head, tail), max(head, tail))
        if head != tail and pair not in drawn:
            one, other = place[head], place[tail]
            title = f"{one.entity.label}, {relation.label}, {other.entity.label}"
            drawn[pair] = Edge(path=_arc(one, other), title=title, role="among")
    return list(drawn.values())


def _arc(one: Box, other: Box) -> str:
    """Between the inner sides of two boxes."""
    start, end = (
        (box.x + box.width if box.role == "in" else box.x, box.y + BOX_HEIGHT // 2 + 12)
        for box in (one, other)
    )
    # Within a column the line bows towards the centre, between columns it runs straight.
    bow = {"in": 60, "out": -60}[one.role] if one.role == other.role else 0
    return (
        f"M{start[0]} {start[1]} C{start[0] + bow} {start[1]} "
        f"{end[0] + bow} {end[1]} {end[0]} {end[1]}"
    )


def _fit(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
