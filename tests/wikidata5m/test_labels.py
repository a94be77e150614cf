"""The names chosen for a release's entities, against the labels of FB15k-237's."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipelines.build import BuildConfig, BuildInput, build
from wikidata5m.dataset import Dataset
from wikidata5m.releases.labels import choose_label


def swapped(name: str, rng: random.Random) -> str:
    """A vandal's spelling: two neighbouring letters change places."""
    at = rng.randrange(max(1, len(name) - 1))
    return name[:at] + name[at + 1 : at + 2] + name[at : at + 1] + name[at + 2 :]


@pytest.mark.slow
def test_labels_are_found_among_shuffled_aliases(real_data: Path, tmp_path: Path) -> None:
    """The shares that docs/how-to/releases.md states, over three orders of the aliases."""
    dumps = real_data / "fb15k-as-dumps"
    source = BuildInput(
        wikidata=dumps / "wikidata.json.bz2", wikipedia=dumps / "enwiki.xml.bz2", workers=1
    )
    build(source, tmp_path / "out", BuildConfig())
    dataset = Dataset(tmp_path / "out")
    names = list(dataset.entities.select("label", "aliases").iter_rows())
    cases = [(*name, text) for name, text in zip(names, dataset.texts, strict=True)]
    several = [case for case in cases if len(case[1]) > 1]
    stated = ((cases, False, 0.881), (several, False, 0.789), (cases, True, 0.865))
    for chosen, vandals, expected in stated:
        found = []
        for seed in (1, 2, 3):
            rng = random.Random(seed)
            for label, aliases, text in chosen:
                shuffled = [*aliases, *([swapped(label, rng)] if vandals else [])]
                rng.shuffle(shuffled)
                found.append(choose_label("Q1", shuffled, text)[0] == label)
        assert sum(found) / len(found) == pytest.approx(expected, abs=0.002)
