"""Our results beside the paper's: on the same dataset alone, in its rows, with what differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.datasets import Datasets
from benchmarks.formats import markdown
from benchmarks.report.blocks import Note, Section, Table, all_tables
from benchmarks.report.paper import paper_section
from benchmarks.report.sizes import dataset_section
from benchmarks.report.write import write_report
from benchmarks.results import Result, load_result
from tests.release_files import release_members, write
from wikidata5m.dataset import Dataset
from wikidata5m.published import INVENTED
from wikidata5m.releases.home import Source, make_dataset
from wikidata5m.schema import Setting

# As Tables 4, 9a and 9b of the paper print them.
FOUR = """
TransE 109,370 25.3 17.0 31.1 39.2
DistMult 211,030 25.3 20.8 27.8 33.4
ComplEx 244,540 28.1 22.8 31.0 37.3
SimplE 115,263 29.6 25.2 31.7 37.7
RotatE 89,459 29.0 23.4 32.2 39.0
"""
NINE_A = """
TransE 109,370 25.3 17.0 31.1 39.2
TransE† 406,957 6.0 1.8 8.0 13.6
DKRL 31,566 16.0 12.0 18.1 22.9
RoBERTa 1,381,597 0.1 0.0 0.1 0.3
Our RoBERTa 1,756,130 0.1 0.0 0.1 0.2
KEPLER-KE 76,735 8.2 4.9 8.9 15.1
KEPLER-Rel 15,820 6.6 3.7 7.0 11.7
KEPLER-Wiki 14,454 15.4 10.5 17.4 24.4
KEPLER-Cond 20,267 21.0 17.3 22.4 27.7
"""
NINE_B = """
DKRL 78 23.1 5.9 32.0 54.6
RoBERTa 723 7.4 0.7 1.0 19.6
Our RoBERTa 1,070 5.8 1.9 6.3 13.0
KEPLER-KE 138 17.8 5.7 22.9 40.7
KEPLER-Rel 35 33.4 15.9 43.5 66.1
KEPLER-Wiki 32 35.1 15.4 46.9 71.9
KEPLER-Cond 28 40.2 22.2 51.4 73.0
"""
# Tables 1 and 3.
COUNTS = {
    "entities": 4_594_485,
    "relations": 822,
    "triplets": 20_624_575,
    "transductive_train": 20_614_279,
    "transductive_valid": 5_163,
    "transductive_test": 5_133,
    "inductive_train": 20_496_514,
    "inductive_valid": 6_699,
    "inductive_test": 6_894,
}
OURS = {"mr": 4321.0, "mrr": 0.2681, "hits@1": 0.1712, "hits@3": 0.3123, "hits@10": 0.4234}
OURS_TOLD = "4,321 26.8 17.1 31.2 42.3"


@pytest.fixture(scope="module")
def read(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The small graph, read from files of the release's names as the release is."""
    folder = tmp_path_factory.mktemp("release")
    write(folder / "files", release_members(small))
    make_dataset(Source(folder=folder / "files"), folder / "wikidata5m-v3")
    return Dataset(folder / "wikidata5m-v3")


@pytest.fixture
def release(read: Dataset) -> Dataset:
    """The same under the counts of the release."""
    return under(read, counts=read.manifest.counts | COUNTS)


@pytest.fixture(scope="module")
def small_result(trained: dict[str, Path]) -> Result:
    return load_result(trained["transe"] / "results" / "test.json")


@pytest.fixture
def one(small_result: Result, read: Dataset) -> Result:
    """TransE as it would be ranked on the release."""
    return on(read, small_result, "transe")


def under(dataset: Dataset, **changes: Any) -> Dataset:
    """The dataset with another manifest."""
    found = Dataset(dataset.path)
    found.manifest = replace(dataset.manifest, **changes)
    assert found.manifest.dataset_hash == dataset.manifest.dataset_hash
    return found


def on(
    dataset: Dataset, result: Result, model: str, setting: Setting = "transductive", **changes: Any
) -> Result:
    """A result of our numbers with the release's candidates and triplets."""
    candidates, triplets = (7_475, 6_894) if setting == "inductive" else (4_594_485, 5_133)
    reference = replace(
        result.dataset,
        name=dataset.manifest.name,
        hash=dataset.manifest.dataset_hash,
        path="/nowhere",
    )
    protocol = replace(result.protocol, candidates=candidates, triplets=triplets, of=triplets)
    told: dict[str, Any] = {
        "dataset": reference,
        "model": model,
        "run": model,
        "setting": setting,
        "protocol": protocol,
        "metrics": dict.fromkeys(result.metrics, OURS),
        "groups": {},
        "examples": (),
    }
    return replace(result, **(told | changes))


def lines(table: Table) -> list[str]:
    """The rows of a table, as Markdown, with one space between cells."""
    text = markdown("", table.header, table.rows).splitlines()[2:]
    return [" ".join(line.replace("|", " ").split()) for line in text]


def expected(paper: str, ours: dict[str, list[str]]) -> list[str]:
    """The paper's rows, and below each that is named the lines of ours."""
    found = []
    for line in paper.strip().splitlines():
        name, *numbers = line.rsplit(" ", 5)
        found += [f"{name} (the paper) {' '.join(numbers)}", *ours.pop(name, ())]
    assert not ours
    return found


def notes(section: Section) -> str:
    tables = all_tables(section.blocks)
    plain = [block.text for block in section.blocks if isinstance(block, Note)]
    return " ".join([*plain, *(table.note for table in tables)])


def test_on_the_release_every_model_stands_below_the_papers_of_its_name(
    one: Result, release: Dataset
) -> None:
    embeddings = [
        on(release, one, model) for model in ("transe", "distmult", "complex", "simple", "rotate")
    ]
    single = on(release, one, "transe", config={"train": {"negatives": 1}}, run="single")
    encoders = {
        "DKRL": "dkrl",
        "RoBERTa": "roberta",
        "Our RoBERTa": "our-roberta",
        "KEPLER-KE": "kepler-ke",
        "KEPLER-Rel": "kepler-rel",
        "KEPLER-Wiki": "kepler-wiki",
        "KEPLER-Cond": "kepler-cond",
    }
    encoded = [
        on(release, one, model, setting, kind="kepler")
        for setting in ("transductive", "inductive")
        for model in encoders.values()
    ]
    section = paper_section([*embeddings, single, *encoded], Datasets(release))
    four, nine_a, nine_b = all_tables(section.blocks)
    assert four.header == ["model", "MR", "MRR", "HITS@1", "HITS@3", "HITS@10"]
    assert four.caption == "Table 4: embeddings, transductive (% except MR)"
    assert nine_a.caption == "Table 9a: encoders, transductive (% except MR)"
    assert nine_b.caption == "Table 9b: encoders, inductive (% except MR)"

    def ours(model: str) -> list[str]:
        return [f"{model} (ours, seed 0) {OURS_TOLD}"]

    names = ("TransE", "DistMult", "ComplEx", "SimplE", "RotatE")
    assert lines(four) == expected(FOUR, {name: ours(name.lower()) for name in names})
    below = {name: ours(model) for name, model in encoders.items()}
    (nine_transe, nine_single) = [
        line for line in lines(nine_a) if line.startswith("transe") and "ours" in line
    ]
    assert nine_transe.endswith(OURS_TOLD)
    assert lines(nine_a) == expected(
        NINE_A, below | {"TransE": [nine_transe], "TransE†": [nine_single]}
    )
    assert lines(nine_b) == expected(NINE_B, below)
    for table in (four, nine_a, nine_b):
        assert "reserve" not in table.note
        assert "The paper ranks among" not in table.note
    assert "Results on other" not in notes(section)


def test_the_page_shows_them_as_the_tables_for_a_paper_do(
    one: Result, read: Dataset, tmp_path: Path
) -> None:
    on_small = replace(one, protocol=replace(one.protocol, candidates=175))
    write_report([on_small], tmp_path / "out", read)
    for name in ("results.md", "index.html", "results.tex"):
        text = (tmp_path / "out" / name).read_text()
        for told in ("109,370", "31.1", "4,321", "26.8", "20,614,279", "4,579,609", "7,475"):
            assert told in text, (name, told)


def test_the_papers_figures_stand_only_beside_results_on_its_dataset(
    small_result: Result, one: Result, small: Dataset, release: Dataset
) -> None:
    for results, dataset in (
        ([small_result], small),
        ([replace(one, part="valid")], release),
        ([one], None),
        ([one], under(release, config={}, counts=release.manifest.counts | {"relations": 5})),
        ([one], under(release, notes=(*release.manifest.notes, INVENTED))),
    ):
        section = paper_section(results, Datasets(dataset))
        assert all_tables(section.blocks) == []
        assert "none is shown" in notes(section)
    assert "--dataset: 1." in notes(paper_section([one], Datasets(None)))
    mixed = paper_section([one, small_result], Datasets(release))
    assert len(all_tables(mixed.blocks)) == 2
    assert "not comparable with the paper: 1." in notes(mixed)
    assert "--dataset" not in notes(mixed)


def test_a_synthetic_world_under_the_papers_name_is_not_shown_beside_it(
    one: Result, small: Dataset
) -> None:
    """Neither its results nor its sizes, also when it is split anew."""
    for config in (small.manifest.config, {"dataset": small.manifest.config}):
        named = under(small, name="wikidata5m", config=config)
        result = on(named, one, "transe")
        assert all_tables(paper_section([result], Datasets(named)).blocks) == []
        told = notes(dataset_section(named))
        assert "this dataset is another" in told


def test_another_version_and_another_split_are_told(one: Result, release: Dataset) -> None:
    first = under(release, counts=release.manifest.counts | {"transductive_test": 5_321})
    four, _ = all_tables(paper_section([one], Datasets(first)).blocks)
    assert "ours on another version of the dataset" in four.caption
    assert "another version of the dataset than the paper's of 4,594,485" in four.note
    anew = under(release, config={"settings": [], "dataset": release.manifest.config})
    four, _ = all_tables(paper_section([one], Datasets(anew)).blocks)
    assert "another split of it" in four.caption
    assert "drawn anew" in four.note
    few = replace(one, protocol=replace(one.protocol, candidates=175))
    four, _ = all_tables(paper_section([few], Datasets(release)).blocks)
    assert "among 4,594,485 candidates, and these results among 175." in four.note
    seen = on(release, one, "own", "inductive", kind="kepler")
    seen = replace(seen, protocol=replace(seen.protocol, candidates=175))
    (nine_b,) = all_tables(paper_section([seen], Datasets(release)).blocks)
    assert "among 7,475 candidates, and these results among 175." in nine_b.note
    assert lines(nine_b)[-1] == f"own (ours, seed 0) {OURS_TOLD}"


def test_equal_scores_are_shown_as_the_paper_counts_them_too(one: Result, release: Dataset) -> None:
    worse = OURS | {"mr": 5000.0, "mrr": 0.2}
    tied = replace(one, groups={"ties": {"pessimistic": {"both": worse}}})
    four, _ = all_tables(paper_section([tied], Datasets(release)).blocks)
    assert lines(four)[1:3] == [
        f"transe (ours, seed 0) {OURS_TOLD}",
        "transe (ours, pessimistic ties) 5,000 20.0 17.1 31.2 42.3",
    ]
    same = replace(one, groups={"ties": {"pessimistic": {"both": OURS}}})
    four, _ = all_tables(paper_section([same], Datasets(release)).blocks)
    assert "pessimistic" not in "".join(lines(four))


def test_seeds_and_samples_are_told_with_their_spread(one: Result, release: Dataset) -> None:
    runs = [
        replace(
            one,
            seed=seed,
            run=f"r{seed}",
            config=one.config | {"seed": seed},
            metrics={"both": OURS | {"mrr": mrr, "mr": mr}},
        )
        for seed, mrr, mr in ((0, 0.25, 4000.0), (1, 0.26, 5000.0), (2, 0.27, 6000.0))
    ]
    four, _ = all_tables(paper_section(runs, Datasets(release)).blocks)
    row = "transe, 3 seeds (ours, seeds 0 1 2) 5,000 ± 1,000 26.0 ± 1.0 17.1 ± 0.0"
    assert lines(four)[1].startswith(row)
    sample = replace(
        one,
        protocol=replace(one.protocol, triplets=10, sample_seed=0),
        intervals={"both": {"mrr": (0.1, 0.3), "mr": (1.0, 9000.0)}},
    )
    four, _ = all_tables(paper_section([sample], Datasets(release)).blocks)
    row = "transe (ours, seed 0) 4,321 [1, 9,000] 26.8 [10.0, 30.0] 17.1"
    assert lines(four)[1].startswith(row)
    assert "a sample of 10" in four.note
