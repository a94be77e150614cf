"""`wikidata5m kepler`, as a user meets it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import ujson
from click.testing import CliRunner, Result
from safetensors import SafetensorError

from benchmarks.embeddings import load_embeddings, read_ids
from kepler_ke.runs import read_log, read_run
from wikidata5m import schema
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.files import alone, write_parquet
from wikidata5m.schema import Part
from wikidata5m.writer import as_table

FAST = ["--preset", "demo", "--set", "epochs=1", "--set", "batch=64", "--set", "tokens=16"]


def _call(*args: object) -> Result:
    return CliRunner().invoke(main, ["kepler", *map(str, args)])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("A text of some words. " * 20)
    return folder


def test_init_train_evaluate_encode_and_table(dataset: Dataset, tmp_path: Path) -> None:
    enc, run = tmp_path / "encoder", tmp_path / "run"
    made = _call("init", dataset.path, "--out", enc, "--vocab", 500, "--json")
    assert made.exit_code == 0, made.output
    assert ujson.loads(made.stdout)["tokens"] <= 500
    trained = _call("train", dataset.path, "--encoder", enc, "--out", run, *FAST, "--json")
    assert trained.exit_code == 0, trained.output
    assert ujson.loads(trained.stdout)["epoch"] == 1
    ranked = _call("evaluate", run)
    assert ranked.exit_code == 0, ranked.output
    assert "untrained encoder" in ranked.stdout
    alone = _call("evaluate", run, "--part", "valid", "--no-untrained")
    assert alone.exit_code == 0, alone.output
    assert "untrained encoder" not in alone.stdout
    drawn = _call("evaluate", run, "--sample-seed", 3)
    assert (drawn.exit_code, "draws what --sample asks for" in drawn.stderr) == (2, True)
    assert "the entities of test, unseen" in ranked.stdout
    kept = {folder.name for folder in (run / "embeddings").iterdir()}
    assert kept == {"inductive-test", "inductive-test-untrained", "inductive-valid"}
    encoded = _call("encode", run, "--out", tmp_path / "vectors")
    assert encoded.exit_code == 0, encoded.output
    vectors = load_embeddings(tmp_path / "vectors", dataset_hash=dataset.manifest.dataset_hash)
    assert vectors.entities.shape == (dataset.num_entities, 128)
    table = CliRunner().invoke(main, ["bench", "table", str(run)])
    assert table.exit_code == 0, table.output
    assert "inductive test" in table.stdout


def test_init_reads_no_text_of_entities_kept_unseen(dataset: Dataset, tmp_path: Path) -> None:
    sizes = ["split.unseen_entities=6", "split.shots=1", "split.least_queries=1"]
    changes = [word for size in sizes for word in ("--set", size)]
    out = tmp_path / "semi"
    arguments = ["split", str(dataset.path), "--out", str(out), "--settings", "semi_inductive"]
    made = CliRunner().invoke(main, [*arguments, *changes])
    assert made.exit_code == 0, made.output
    semi = Dataset(out)
    known = np.unique(semi.triplets("semi_inductive", "train")[:, [0, 2]])
    told = _call("init", out, "--out", tmp_path / "encoder", "--vocab", 500, "--json")
    assert told.exit_code == 0, told.output
    assert ujson.loads(told.stdout)["texts"] == len(known) < semi.num_entities
    told = _call("init", out, "--out", tmp_path / "encoder", "--vocab", 500, "--overwrite")
    assert "--setting semi_inductive" in told.stdout


def test_what_init_names_next_can_be_run(dataset: Dataset, tmp_path: Path) -> None:
    made = _call("init", dataset.path, "--out", tmp_path / "encoder", "--vocab", 500)
    told = made.stdout.partition("next: wikidata5m kepler ")[2].split()
    told[told.index("RUN")] = str(tmp_path / "run")
    trained = _call(*told, *FAST)
    assert trained.exit_code == 0, trained.output


def test_a_filled_output_folder_is_refused_before_anything_is_done(
    dataset: Dataset, encoder: Path, run: Path
) -> None:
    refused = _call("train", dataset.path, "--encoder", encoder, "--out", run, *FAST)
    assert refused.exit_code == 1
    assert "pass --overwrite" in refused.stderr


def test_resume_with_other_settings_is_one_line(dataset: Dataset, encoder: Path, run: Path) -> None:
    refused = _call("train", dataset.path, "--encoder", encoder, "--out", run, *FAST, "--resume")
    assert refused.exit_code == 1
    assert "started with other values of" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_resume_alone_goes_on_with_the_settings_of_the_run(
    dataset: Dataset, encoder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    told: list[object] = ["--setting", "transductive", "--seed", 3, "--corpus", corpus]
    told += ["--set", "mlm_text=corpus", "--set", "epochs=0.2"]
    with monkeypatch.context() as patch:
        patch.setattr("kepler_ke.train.update", _die)
        died = _call("train", dataset.path, "--encoder", encoder, "--out", run, *FAST, *told)
        assert isinstance(died.exception, KeyboardInterrupt | SystemExit)
    before = (run / "run.json").read_bytes(), (run / "config.yaml").read_bytes()
    resumed = _call("train", dataset.path, "--out", run, "--resume", "--json")
    assert resumed.exit_code == 0, resumed.output
    assert ujson.loads(resumed.stdout)["epoch"] == pytest.approx(0.2, abs=0.05)
    assert ((run / "run.json").read_bytes(), (run / "config.yaml").read_bytes()) == before
    assert read_run(run).seed == 3


def _die(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def read_corpus(dataset: Dataset, encoder: Path, corpus: Path, tmp_path: Path) -> Path:
    """A run that has read `corpus`."""
    run = tmp_path / "run"
    told = ["--corpus", corpus, "--set", "mlm_text=corpus", "--set", "epochs=0.1"]
    made = _call("train", dataset.path, "--encoder", encoder, "--out", run, *FAST, *told)
    assert made.exit_code == 0, made.output
    return run


def test_resume_with_another_corpus_is_refused(
    dataset: Dataset, corpus: Path, read_corpus: Path
) -> None:
    (corpus / "a.txt").write_text("Other words. " * 20)
    refused = _call("train", dataset.path, "--out", read_corpus, "--resume")
    assert refused.exit_code == 1
    assert "started with other values of corpus_hash" in refused.stderr


def test_resume_finds_a_corpus_that_has_moved(
    dataset: Dataset, corpus: Path, read_corpus: Path, tmp_path: Path
) -> None:
    moved = corpus.rename(tmp_path / "moved")
    resume = ["train", dataset.path, "--out", read_corpus, "--resume"]
    refused = _call(*resume)
    assert refused.exit_code == 1
    assert "check --corpus" in refused.stderr
    again = _call(*resume, "--corpus", moved)
    assert again.exit_code == 0, again.output
    assert read_run(read_corpus).corpus == str(moved)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Missing option '--encoder'"),
        (["--resume", "--seed", 0], "--resume alone"),
        (["--resume", "--preset", "kepler-ke"], "--resume alone"),
    ],
)
def test_training_without_an_encoder_is_refused_but_for_resume_alone(
    dataset: Dataset, tmp_path: Path, words: list[object], told: str
) -> None:
    refused = _call("train", dataset.path, "--out", tmp_path / "r", *words)
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert not (tmp_path / "r").exists()


def test_resume_alone_in_a_folder_without_a_run_is_one_line(
    dataset: Dataset, tmp_path: Path
) -> None:
    refused = _call("train", dataset.path, "--out", tmp_path / "r", "--resume")
    assert refused.exit_code == 1
    assert "no run.json" in refused.stderr
    assert not (tmp_path / "r").exists()


def test_a_missing_encoder_is_one_line_that_names_the_fix(dataset: Dataset, tmp_path: Path) -> None:
    refused = _call("train", dataset.path, "--encoder", "./none", "--out", tmp_path / "r", *FAST)
    assert refused.exit_code == 1
    assert "kepler init" in refused.stderr


def test_a_dataset_without_the_split_is_refused(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in ("entities.parquet", "relations.parquet"):
        (bare / file).write_bytes((dataset.path / file).read_bytes())
    manifest = ujson.loads((dataset.path / "manifest.json").read_bytes())
    manifest["files"] = {
        name: file for name, file in manifest["files"].items() if not name.startswith("inductive/")
    }
    (bare / "manifest.json").write_text(ujson.dumps(manifest))
    refused = _call("train", bare, "--encoder", encoder, "--out", tmp_path / "r", *FAST)
    assert refused.exit_code == 1
    assert "has no inductive split" in refused.stderr
    assert not (tmp_path / "r").exists()


def _contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "mistake",
    [
        ["--encoder", "./nope"],
        ["--set", "tokens=300"],
        ["--set", "tokns=300"],
        ["--config", "./nope.yaml"],
        ["--encoder", "{run}/model"],
        ["--encoder", "{wordless}"],
        ["--set", "weight_decay=-1"],
        ["--set", "mlm_text=corpus", "--corpus", "{empty}"],
        ["--set", "mlm_text=corpus", "--corpus", "{latin}"],
        ["--preset", "kepler-w+w-small"],
    ],
)
def test_a_finished_run_survives_overwrite_with_a_mistake(
    dataset: Dataset, encoder: Path, run: Path, tmp_path: Path, mistake: list[str]
) -> None:
    old, wordless = tmp_path / "old", tmp_path / "wordless"
    shutil.copytree(run, old)
    before = _contents(old)
    shutil.copytree(encoder, wordless, ignore=shutil.ignore_patterns("tokenizer*"))
    for name, text in {"empty": b"", "latin": "é".encode("latin-1")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_bytes(text)
    given = [word.format(run=old, **_named(tmp_path)) for word in mistake]
    usual = ["--encoder", encoder, "--out", old, "--overwrite"]
    refused = _call("train", dataset.path, *usual, *FAST, *given)
    assert refused.exit_code == 1
    assert len(refused.stderr.strip().splitlines()) == 1
    assert _contents(old) == before


def _named(folder: Path) -> dict[str, Path]:
    return {each.name: each for each in folder.iterdir()}


def test_a_start_that_failed_leaves_nothing_in_the_way_of_the_next(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    out = ["--out", tmp_path / "r", "--resume"]
    assert _call("train", dataset.path, "--encoder", "./none", *out, *FAST).exit_code == 1
    again = _call("train", dataset.path, "--encoder", encoder, *out, *FAST)
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize("holds", ["dataset", "run"])
def test_an_output_folder_that_holds_an_input_is_refused(
    dataset: Dataset, encoder: Path, run: Path, tmp_path: Path, holds: str
) -> None:
    shutil.copytree(dataset.path, tmp_path / "dataset")
    shutil.copytree(run, tmp_path / "run")
    before = _contents(tmp_path)
    over = ["--out", tmp_path / holds, "--overwrite"]
    data = ["--dataset", tmp_path / "dataset"]
    calls: list[list[object]] = [["encode", tmp_path / "run", *data, *over]]
    if holds == "dataset":
        calls += [
            ["init", tmp_path / "dataset", *over],
            ["train", tmp_path / "dataset", "--encoder", encoder, *over, *FAST],
        ]
    for call in calls:
        refused = _call(*call)
        assert refused.exit_code == 1
        assert "which --overwrite would delete" in refused.stderr
    assert _contents(tmp_path) == before


def test_vectors_survive_overwrite_by_a_run_that_cannot_encode(
    dataset: Dataset, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "model" / "relations.safetensors").unlink()
    (tmp_path / "vectors").mkdir()
    (tmp_path / "vectors" / "old").touch()
    refused = _call("encode", tmp_path / "run", "--out", tmp_path / "vectors", "--overwrite")
    assert "incomplete model" in refused.stderr
    assert (tmp_path / "vectors" / "old").exists()


def test_vectors_of_another_model_are_not_gone_on_with(run: Path, tmp_path: Path) -> None:
    vectors = tmp_path / "vectors"
    assert _call("encode", run, "--out", vectors).exit_code == 0
    assert len(read_ids(vectors).entities) == len(load_embeddings(vectors).entities)
    shutil.copytree(run, tmp_path / "other")
    shutil.copytree(run / "start", tmp_path / "other" / "model", dirs_exist_ok=True)
    before = (vectors / "embeddings.safetensors").read_bytes()
    refused = _call("encode", tmp_path / "other", "--out", vectors, "--resume")
    assert "holds the vectors of another model" in refused.stderr
    assert (vectors / "embeddings.safetensors").read_bytes() == before
    assert _call("encode", run, "--out", vectors, "--resume").exit_code == 0


def test_one_process_trains_in_a_run(dataset: Dataset, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    half = tmp_path / "run" / "checkpoint" / ".half.tmp"
    half.parent.mkdir(exist_ok=True)
    half.touch()
    with alone(tmp_path / "run" / "start"):
        refused = _call("train", dataset.path, "--out", tmp_path / "run", "--resume")
    assert "another process is at work in it" in refused.stderr
    assert half.exists()


def test_a_run_repeated_by_its_config_keeps_the_name_of_its_preset(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    words = ["train", dataset.path, "--encoder", encoder, "--set", "epochs=0.1"]
    small = ["--preset", "contrastive-small", "--set", "batch=8", "--set", "tokens=16"]
    assert _call(*words, *small, "--out", tmp_path / "a").exit_code == 0
    again = _call(*words, "--config", tmp_path / "a" / "config.yaml", "--out", tmp_path / "b")
    assert again.exit_code == 0, again.output
    assert read_run(tmp_path / "b").preset == "contrastive-small"


def test_heads_that_are_too_many_to_rank_are_told_before_training(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kepler_ke.predictor.EXACT", 10)
    words = ["train", dataset.path, "--encoder", encoder, "--preset", "kepler-cond-small"]
    words += ["--set", "mlm_batch=0", "--set", "epochs=0.02", "--out", tmp_path / "run"]
    told = _call(*words)
    assert told.exit_code == 0, told.output
    assert "note: ranking heads exactly would encode" in told.stderr
    refused = _call("evaluate", tmp_path / "run")
    assert "train with --set inverse=true" in refused.stderr


def test_a_model_is_not_exported_over_the_folder_it_is_called_from(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = _call("export", run, "--to", "hf", "--out", ".")
    assert refused.exit_code == 1
    assert "the command runs in it" in refused.stderr


@pytest.mark.parametrize("command", ["init", "export"])
def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    command: str, dataset: Dataset, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "kept").write_text("old")

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", full)
    words: list[object] = [dataset.path] if command == "init" else [run, "--to", "hf"]
    refused = _call(command, *words, "--out", out, "--overwrite")
    assert refused.exit_code == 1
    assert "the disk is full" in refused.stderr
    assert [x.name for x in out.iterdir()] == ["kept"]


def test_a_run_is_ranked_in_its_own_setting_only(run: Path) -> None:
    refused = _call("evaluate", run, "--setting", "transductive")
    assert refused.exit_code == 2
    assert "No such option" in refused.stderr


def test_a_dataset_without_valid_triplets_trains_and_says_that_none_were_ranked(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    bare, run = tmp_path / "bare", tmp_path / "run"
    shutil.copytree(dataset.path, bare)
    _empty(bare, "valid")
    trained = _call("train", bare, "--encoder", encoder, "--out", run, *FAST)
    assert trained.exit_code == 0, trained.output
    assert "no valid triplets ranked" in trained.stdout
    assert all("valid_mrr" not in line for line in read_log(run))
    assert _call("evaluate", run).exit_code == 0
    refused = _call("evaluate", run, "--part", "valid")
    assert refused.exit_code == 1
    assert "inductive valid has no triplets to rank" in refused.stderr


def test_nothing_is_validated_where_no_triplets_are_asked_for(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    run, none = tmp_path / "run", ["--set", "validate_triplets=0", "--set", "validate_steps=1"]
    trained = _call("train", dataset.path, "--encoder", encoder, "--out", run, *FAST, *none)
    assert "no valid triplets ranked" in trained.stdout
    assert all("valid_mrr" not in line for line in read_log(run))
    assert (run / "model").is_dir()


def test_a_dataset_without_train_triplets_is_refused(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    shutil.copytree(dataset.path, tmp_path / "bare")
    _empty(tmp_path / "bare", "train")
    out = tmp_path / "run"
    refused = _call("train", tmp_path / "bare", "--encoder", encoder, "--out", out, *FAST)
    assert refused.exit_code == 1
    assert "inductive train is empty" in refused.stderr


def _empty(dataset: Path, part: Part) -> None:
    none = as_table(np.zeros((0, 3), dtype=np.int32))
    write_parquet(none, schema.TRIPLET_SCHEMA, dataset / schema.split_file("inductive", part))
