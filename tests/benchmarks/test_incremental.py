"""Going on from earlier vectors: rows matched by id, what is new, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import ujson
from click.testing import CliRunner

from benchmarks import run
from benchmarks.embeddings import load_embeddings, read_ids
from benchmarks.engines.torch_engine import TorchEngine
from benchmarks.incremental import continue_from, find_source, trained_before
from benchmarks.runfolder import load_run_config
from benchmarks.runlog import read_log
from tests.benchmarks.conftest import QUICK, quick_config
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, InputError
from wikidata5m.schema import PARTS, Part

SETTINGS = ("model.name=complex", "model.reciprocal=true", "train.optimizer=row_adagrad")


def as_tsv(dataset: Dataset, folder: Path, kept_E: np.ndarray) -> Path:
    """The triplets among the kept entities, in another order, as a dataset of their own."""
    text = folder.with_name(f"{folder.name}-tsv")
    text.mkdir()
    for part in PARTS:
        triplets = dataset.triplets("transductive", part)[::-1]
        inside = triplets[kept_E[triplets[:, 0]] & kept_E[triplets[:, 2]]]
        ids, relations = dataset.entity_ids, dataset.relations["relation"]
        lines = [f"{ids[int(h)]}\t{relations[int(r)]}\t{ids[int(t)]}\n" for h, r, t in inside]
        (text / f"{part}.txt").write_text("".join(lines))
    done = CliRunner().invoke(main, ["import", str(text), "--out", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def before(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `small` without a fifth of its entities, whose rows are in another order."""
    folder = tmp_path_factory.mktemp("grown")
    kept_E = np.random.default_rng(0).random(small.num_entities) > 0.2
    old = Dataset(as_tsv(small, folder / "old", kept_E))
    run.train(quick_config(old, *SETTINGS, "train.epochs=12"), folder / "run")
    return folder / "run"


def test_known_ids_keep_vectors_and_state_and_new_ones_ask_their_neighbours(
    small: Dataset, before: Path, tmp_path: Path
) -> None:
    config = quick_config(small, *SETTINGS, "train.epochs=12")
    engine = run.engine_for(config, small)
    fresh = {name: values.clone() for name, values in engine.state().items()}
    carried = continue_from(find_source(before, config), engine, small, tmp_path)
    old = run.load_run_config(before)
    other = run.engine_for(old, Dataset(Path(old.dataset)))
    other.load(before / "checkpoint")
    vectors, ids = load_embeddings(before / "embeddings"), read_ids(before / "embeddings")
    expected = {**other.state(), "entities": vectors.entities, "relations": vectors.relations}
    places = {
        "entit": (small.entity_ids, ids.entities),
        "relat": (small.relations["relation"], ids.relations),
    }
    known = torch.zeros(small.num_entities, dtype=torch.bool)
    for name, values in engine.state().items():
        now, then = places[name[:5]]
        row_of = {each: row for row, each in enumerate(then)}
        for copy in range(len(values) // len(now)):
            for row, each in enumerate(now):
                here, there = row + copy * len(now), row_of.get(each)
                if there is not None:
                    assert torch.equal(values[here], expected[name][there + copy * len(then)])
                    known[row] |= name == "entities"
                elif name != "entities":
                    assert torch.equal(values[here], fresh[name][here])
    assert carried["entities"].kept == int(known.sum()) == len(ids.entities)
    assert carried["entities"].new == int((~known).sum()) > 0
    assert carried["relations"].gone == carried["entities"].gone == 0
    assert ujson.loads((tmp_path / "from.json").read_text())["entities"]["gone"] == 0
    for row in (~known).nonzero()[:, 0].tolist():
        expected_D = _mean_of_queries(engine, known, row)
        found_D = engine.entities.table_ND[row]
        torch.testing.assert_close(
            found_D, fresh["entities"][row] if expected_D is None else expected_D
        )


def _mean_of_queries(engine: TorchEngine, known: torch.Tensor, entity: int) -> torch.Tensor | None:
    """One triplet at a time; relations are reciprocal here."""
    table, relations = engine.entities.table_ND, engine.relations.table_ND
    asked = []
    for head, relation, tail in engine.triplets_N3.tolist():
        if tail == entity and known[head]:
            asked.append(engine.scorer.query_tails(table[head], relations[relation]))
        if head == entity and known[tail]:
            inverse = relations[relation + engine.num_relations]
            asked.append(engine.scorer.query_tails(table[tail], inverse))
    return torch.stack(asked).mean(dim=0) if asked else None


def test_a_continued_run_is_ahead_of_one_from_scratch(
    small: Dataset, before: Path, tmp_path: Path
) -> None:
    """After one epoch; in so small a world a fifth of the entities are much of the graph."""
    settings = (*SETTINGS, "train.epochs=1", "train.validate_epochs=1")
    run.train(quick_config(small, *settings), tmp_path / "fresh")
    config = replace(quick_config(small, *settings), start=str(before))
    run.train(config, tmp_path / "continued")
    fresh, continued = (
        [line.valid_mrr or 0.0 for line in read_log(tmp_path / name)]
        for name in ("fresh", "continued")
    )
    assert continued[0] > 2 * fresh[0]


def test_on_umls_fewer_epochs_reach_the_retrained_model(real_data: Path, tmp_path: Path) -> None:
    words = ["import", str(real_data / "graphs" / "umls"), "--out", str(tmp_path / "umls")]
    assert CliRunner().invoke(main, words).exit_code == 0
    whole = Dataset(tmp_path / "umls")
    kept_E = np.random.default_rng(1).random(whole.num_entities) > 0.1
    old = Dataset(as_tsv(whole, tmp_path / "old", kept_E))
    model = ("model.name=distmult", "model.dim=32", "train.validate_epochs=1")
    settings = (*model, "train.batch=256", "train.chunk=256")
    run.train(quick_config(old, *settings, "train.epochs=10"), tmp_path / "before")
    run.train(quick_config(whole, *settings, "train.epochs=10"), tmp_path / "fresh")
    config = quick_config(whole, *settings, "train.epochs=3")
    run.train(replace(config, start=str(tmp_path / "before")), tmp_path / "grown")
    fresh, grown = (
        max(line.valid_mrr or 0.0 for line in read_log(tmp_path / name))
        for name in ("fresh", "grown")
    )
    assert grown >= fresh


def test_the_command_takes_the_settings_of_the_run_and_resumes_without_it(
    small: Dataset, before: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source #2: a"
    shutil.copytree(before, source)
    words = ["bench", "train", str(small.path), "--out", str(tmp_path / "run")]
    told = [*words, "--from", str(source), "--set", "train.epochs=4"]
    done = CliRunner().invoke(main, [*told, "--json"])
    assert done.exit_code == 0, done.output
    assert "entities: " in done.stderr
    assert " new, 0 gone" in done.stderr
    config = ujson.loads(done.stdout)["config"]
    assert config["model"]["name"] == "complex"
    assert config["start"] == str(source)
    shutil.rmtree(source)
    resumed = CliRunner().invoke(main, [*words, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert "resuming after epoch 4" in resumed.stderr


def test_triplets_that_the_start_was_trained_on_are_counted_and_told(
    small: Dataset, before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The same graph under another split, as strings.
    def strings(dataset: Dataset, part: Part) -> set[tuple[str, str, str]]:
        ids, relations = dataset.entity_ids, dataset.relations["relation"]
        rows = dataset.triplets("transductive", part)
        return {(ids[int(h)], relations[int(r)], ids[int(t)]) for h, r, t in rows}

    words = ["split", str(small.path), "--settings", "transductive,classification", "--seed", "5"]
    done = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    new = Dataset(tmp_path / "new")
    old = Dataset(Path(load_run_config(before).dataset))
    expected = {part: len(strings(new, part) & strings(old, "train")) for part in ("valid", "test")}
    assert expected["test"] > 0
    folder = tmp_path / "run"
    run.train(quick_config(new, *SETTINGS, f"start={before}"), folder)
    assert ujson.loads((folder / "from.json").read_text())["trained_before"] == expected
    told = f"was trained on {expected['test']:,} of this part's triplets"
    assert told in capsys.readouterr().err
    assert told in run.evaluate(folder).protocol.in_words()
    judged = CliRunner().invoke(main, ["bench", "classify", str(folder)])
    assert judged.exit_code == 0, judged.output
    assert told in judged.stderr
    # Where the dataset of the start is not at hand, nobody knows.
    shutil.copytree(before, tmp_path / "moved")
    config = tmp_path / "moved" / "config.yaml"
    config.write_text(config.read_text().replace(str(old.path), "/gone"))
    run.train(quick_config(new, *SETTINGS, f"start={tmp_path / 'moved'}"), tmp_path / "unknown")
    assert trained_before(tmp_path / "unknown", "test") is None
    assert "may have been trained" in run.evaluate(tmp_path / "unknown").protocol.in_words()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.name=distmult", "model.name is complex there, distmult here"),
        ("model.dim=32", "model.dim is 16 there, 32 here"),
        ("model.reciprocal=false", "model.reciprocal is True there, False here"),
    ],
)
def test_vectors_of_another_model_are_refused(
    small: Dataset, before: Path, tmp_path: Path, setting: str, message: str
) -> None:
    words = ["bench", "train", str(small.path), "--out", str(tmp_path / "run")]
    for source in (before, before / "embeddings"):
        overrides = [word for each in (*QUICK, *SETTINGS, setting) for word in ("--set", each)]
        told = [*words, "--model", "complex", "--from", str(source), *overrides]
        done = CliRunner().invoke(main, told)
        assert done.exit_code == 1
        assert message in done.stderr
    assert not (tmp_path / "run").exists()


def test_what_holds_no_vectors_or_no_ids_is_refused(
    small: Dataset, before: Path, tmp_path: Path
) -> None:
    config = quick_config(small, *SETTINGS)
    with pytest.raises(InputError, match=r"no config.yaml"):
        find_source(tmp_path, config)
    shutil.copytree(before, tmp_path / "bare")
    (tmp_path / "bare" / "embeddings" / "entity.parquet").unlink()
    with pytest.raises(InputError, match="no ids of the rows"):
        find_source(tmp_path / "bare", config)
    shutil.rmtree(tmp_path / "bare" / "embeddings")
    source = find_source(tmp_path / "bare", config)
    assert source.vectors == source.state == tmp_path / "bare/checkpoint/state.safetensors"
    shutil.rmtree(tmp_path / "bare" / "checkpoint")
    with pytest.raises(InputError, match="no vectors yet"):
        find_source(tmp_path / "bare", config)


def test_an_artefact_alone_gives_vectors_and_no_state(
    small: Dataset, before: Path, tmp_path: Path
) -> None:
    config = quick_config(small, *SETTINGS)
    engine = run.engine_for(config, small)
    continue_from(find_source(before / "embeddings", config), engine, small, tmp_path)
    assert not engine.state()["entity_squares"].any()


@pytest.mark.parametrize(
    ("optimizer", "state"),
    [("adam", "entity_mean"), ("adagrad", "entity_squares"), ("row_adagrad", "entity_squares")],
)
def test_another_optimizer_starts_its_state_anew(
    optimizer: str,
    state: str,
    small: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = "adagrad" if optimizer == "row_adagrad" else "row_adagrad"
    begun = quick_config(small, *SETTINGS, f"train.optimizer={other}", "train.epochs=1")
    run.train(begun, tmp_path / "before")
    config = quick_config(small, *SETTINGS, f"train.optimizer={optimizer}")
    engine = run.engine_for(config, small)
    continue_from(find_source(tmp_path / "before", config), engine, small, tmp_path)
    assert f"no {state} of this optimizer; it starts anew" in capsys.readouterr().err
    assert not engine.state()[state].any()


def test_another_norm_is_another_model(small: Dataset, tmp_path: Path) -> None:
    run.train(quick_config(small, "model.name=transe", "train.epochs=1"), tmp_path)
    with pytest.raises(ConfigError, match=r"model.p is 2 there, 1 here"):
        find_source(tmp_path, quick_config(small, "model.name=transe", "model.p=1"))
