"""stats against plain counts and the paper; its pictures; show by name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ujson
from click.testing import CliRunner

from tests.datasets import make_dataset
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError
from wikidata5m.manifest import Manifest
from wikidata5m.published import INVENTED, PUBLISHED, WIKIDATA5M, is_wikidata5m, recognise
from wikidata5m.schema import PARTS
from wikidata5m.stats import render, stats
from wikidata5m.verify import verify

run = CliRunner().invoke


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("stats") / "data")


def test_figures_are_those_of_a_plain_count(dataset: Dataset) -> None:
    result = stats(dataset)
    for setting, split in result["parts"].items():
        for part, n in split.items():
            triplets = dataset.triplets(setting, part).tolist()
            ends = {e for h, _, t in triplets for e in (h, t)}
            relations = {r for _, r, _ in triplets}
            assert n == {
                "entities": len(ends),
                "relations": len(relations),
                "triplets": len(triplets),
            }
    counts = [len(text.split()) for text in dataset.texts]
    assert result["words"] == {"median": np.median(counts), "mean": np.mean(counts)}
    for bucket in result["degrees"]:
        inside = [bucket["from"] <= d <= bucket["to"] for d in dataset.degrees.tolist()]
        assert bucket["number"] == sum(inside)
    sizes = np.bincount(dataset.triplets()[:, 1])
    assert sum(b["number"] for b in result["relation_sizes"]) == len(sizes)
    assert result["published"] is None


def told(name: str, size: tuple[int, int] = (7, 7), *notes: str, **config: object) -> Manifest:
    """A manifest with no more than what tells one dataset from another."""
    counts = {"entities": size[0], "relations": size[1]}
    sources = tuple({"role": role} for role in ("wikidata", "wikipedia") if "site" in config)
    return Manifest(
        name=name, created="", sources=sources, config=config, counts=counts, drops={}, notes=notes
    )


def test_counts_tell_which_dataset_of_a_paper_it_is() -> None:
    for each in PUBLISHED:
        size = (each.entities, each.relations)
        assert recognise(told("x", size)) is each
        assert recognise(told("wikidata5m", size, "a note", INVENTED)) is None
    # The inductive files alone lack the entities that lie between the parts.
    assert recognise(told("x", (4_594_458, 822))) is WIKIDATA5M
    first = recognise(told("x", (4_818_298, 828), release="v1-libkge"))
    assert first is not None
    assert first.name == "Wikidata5M (first release)"
    # The sums that the paper itself prints.
    assert sum(WIKIDATA5M.transductive.values()) == 20_624_575
    assert sum(WIKIDATA5M.categories.values()) == 2_225_501


def test_another_version_is_told_by_what_it_was_made_from_never_by_a_name_alone() -> None:
    release: dict[str, object] = {"release": "v1-libkge"}
    dumps: dict[str, object] = {"site": "enwiki", "limit": None}
    for name, config, expected in (
        ("x", release, True),
        ("x", {"dataset": {"dataset": release}}, True),
        ("Wikidata5M-2026", dumps, True),
        ("wikidata5m-2026", {"settings": [], "dataset": dumps} | {"site": ""}, True),
        ("x", dumps, False),
        ("wikidata5m", {}, False),
        ("wikidata5m", {"synthetic": {}}, False),
        ("wikidata5m", {"dataset": {}}, False),
        ("wikidata5m", {"dataset": "x"}, False),
        ("wikidata5m", dumps | {"site": "dewiki"}, False),
        ("wikidata5m", dumps | {"limit": 100}, False),
    ):
        assert is_wikidata5m(told(name, (7, 7), **config)) == expected, (name, config)
        assert not is_wikidata5m(told(name, (7, 7), INVENTED, **config))
    assert is_wikidata5m(told("x", (4_594_485, 822)))
    assert not is_wikidata5m(told("x", (14_951, 1_345)))


def test_a_manifest_of_a_later_version_or_of_none_is_no_traceback(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d")
    manifest = dataset.manifest
    later = {"a_reason_of_tomorrow": 3}
    replace(manifest, drops=later, departures={"of_tomorrow": 1}).save(dataset.path)
    assert "a_reason_of_tomorrow" in render(stats(Dataset(dataset.path)))
    assert any("of_tomorrow" in problem for problem in verify(Dataset(dataset.path)))
    replace(manifest, counts={"entities": 1}).save(dataset.path)
    with pytest.raises(
        DatasetError, match=r"no count of relations, triplets in its manifest\.json"
    ):
        Dataset(dataset.path)


def test_the_papers_figures_stand_beside_another_version(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", name="wikidata5m-toy")
    assert "20,614,279" not in render(stats(dataset))
    replace(dataset.manifest, config={"release": "v3"}).save(dataset.path)
    text = render(stats(Dataset(dataset.path)))
    assert "20,614,279" in text
    assert "4,579,609 / 822 / 20,496,514" in text
    assert "1,517,591 (33.0%)" in text


def test_pictures_are_written_and_matplotlib_is_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    words = ["stats", str(dataset.path), "--plots", str(tmp_path / "p")]
    assert run(main, words, catch_exceptions=False).exit_code == 0
    names = {file.name for file in (tmp_path / "p").iterdir()}
    assert names == {f"{w}.{k}" for w in ("degrees", "relations", "words") for k in ("svg", "png")}
    assert "triplets of an entity" in (tmp_path / "p" / "degrees.svg").read_text()
    script = (
        "import sys\nsys.modules['matplotlib'] = None\n"
        f"from wikidata5m.cli import main\nmain({words!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "pip install -c constraints.txt '.[plots]'" in done.stderr


def test_an_entity_is_shown_by_name_with_its_parts(dataset: Dataset) -> None:
    folder = str(dataset.path)
    result = ujson.loads(run(main, ["show", folder, "LAND 1", "--json"]).stdout)
    assert result["label"] == "Land 1"
    assert {other["label"] for other in result["also_called_so"]} == {"Land 10", "Land 11"}
    index = dataset.entity_index(result["entity"])
    for setting, counts in result["splits"].items():
        for part in PARTS:
            ends = dataset.triplets(setting, part)[:, [0, 2]]
            assert counts.get(part, 0) == int((ends == index).any(axis=1).sum())
    text = run(main, ["show", folder, "land 1"]).stdout
    assert "Others that match: Land 1" in text
    assert "Triplets of the transductive split: " in text
    missing = run(main, ["show", folder, "zzz"])
    assert missing.exit_code == 1
