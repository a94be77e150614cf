"""What a trained encoder is used for: answers from a text, folders for other libraries."""

from __future__ import annotations

import argparse
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import ujson
from click.testing import CliRunner, Result
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    RobertaConfig,
    RobertaForMaskedLM,
)

from kepler_ke.evaluate import load_judge
from kepler_ke.fairseq import RELATIONS
from kepler_ke.quiet import quiet
from kepler_ke.runs import read_run
from kepler_ke.train import train
from tests.kepler_ke.conftest import SHORT
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset


def _call(*args: object) -> Result:
    return CliRunner().invoke(main, ["kepler", *map(str, args)])


@pytest.fixture(scope="module")
def ours(dataset: Dataset, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A contrastive run: conditioned queries, inverse relations, mean pooling, projection."""
    folder = tmp_path_factory.mktemp("ours") / "run"
    config = dataclasses.replace(
        SHORT, objective="contrastive", scorer="cosine", conditioned=True, inverse=True,
        normalize=True, pooling="mean", projection=32, mlm_batch=0, epochs=1,
    )  # fmt: skip
    train(dataset, str(encoder), folder, config, preset="contrastive")
    return folder


@pytest.mark.parametrize("role", ["head", "tail"])
@pytest.mark.parametrize("which", ["run", "ours"])
def test_answers_are_the_entities_that_score_best_by_the_models_own_score(
    which: str, role: str, dataset: Dataset, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(which)
    text = dataset.texts[20]
    asked = _call(
        *("predict", folder, "--text", text, "--relation", "Country"),
        *("--as", role, "--top", 3, "--json"),
    )
    assert asked.exit_code == 0, asked.output
    answers = ujson.loads(asked.stdout)["answers"]
    judge = load_judge(folder / "model", dataset, read_run(folder))
    entities = np.arange(dataset.num_entities)
    heads = "inverse" if which == "ours" else "plain"
    predictor = judge.predictor(judge.encode(entities), entities, heads)  # type: ignore[arg-type]
    relation = np.array([dataset.relation_index("P17")])
    ask = predictor.score_tails if role == "head" else predictor.score_heads
    pair = (np.array([20]), relation) if role == "head" else (relation, np.array([20]))
    best = torch.topk(ask(*pair, entities)[0], 3)
    assert [a["entity"] for a in answers] == [dataset.entity_ids[i] for i in best.indices.tolist()]
    assert [a["score"] for a in answers] == pytest.approx(best.values.tolist(), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", " ", "--relation", "P17"], "--text is empty"),
        (["--text", "a", "--relation", "P18"], "no relation 'P18'; close: P1"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_line(
    run: Path, arguments: list[str], message: str
) -> None:
    refused = _call("predict", run, *arguments)
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_the_exported_folder_gives_our_vectors_in_transformers(
    run: Path, dataset: Dataset, tmp_path: Path
) -> None:
    assert _call("export", run, "--to", "hf", "--out", tmp_path / "hf").exit_code == 0
    with quiet():
        plain = AutoModel.from_pretrained(tmp_path / "hf").eval()
        masked = AutoModelForMaskedLM.from_pretrained(tmp_path / "hf").eval()
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    judge = load_judge(run / "model", dataset, read_run(run))
    limits = {"truncation": True, "max_length": SHORT.tokens, "return_tensors": "pt"}
    batch = tokenizer(dataset.texts[3:6], padding=True, **limits)
    with torch.no_grad():
        theirs = plain(**batch).last_hidden_state[:, 0]
        logits = masked(**batch).logits
    torch.testing.assert_close(judge.encode(np.arange(3, 6)), theirs, atol=1e-5, rtol=1e-4)
    assert logits.shape[-1] == judge.model.language_model.config.vocab_size  # type: ignore[union-attr]
    card = (tmp_path / "hf" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: transformers")
    assert "vectors = states[:, 0]" in card
    assert "gamma - ||h + r - t||, norm 1, gamma 12" in card


def test_the_card_says_where_a_relation_gets_its_vector(
    run: Path, ours: Path, dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    config = dataclasses.replace(SHORT, relations="text", epochs=0.1)
    train(dataset, str(encoder), tmp_path / "texts", config)
    for folder, told in (
        (run, "in the order of the dataset's relations."),
        (ours, "Relations have no vectors"),
        (tmp_path / "texts", "A relation's vector is that of its description"),
    ):
        out = tmp_path / f"card-{folder.name}"
        made = _call("export", folder, "--to", "sentence-transformers", "--out", out, "--overwrite")
        assert made.exit_code == 0, made.output
        assert told in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("which", ["run", "ours"])
def test_the_exported_folder_gives_our_vectors_in_sentence_transformers(
    which: str, dataset: Dataset, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    library = pytest.importorskip("sentence_transformers")
    folder: Path = request.getfixturevalue(which)
    out = tmp_path / "st"
    made = _call("export", folder, "--to", "sentence-transformers", "--out", out)
    assert made.exit_code == 0, made.output
    with quiet():
        model = library.SentenceTransformer(str(out), device="cpu")
        theirs = model.encode(dataset.texts[3:9], convert_to_tensor=True, show_progress_bar=False)
    judge = load_judge(folder / "model", dataset, read_run(folder))
    torch.testing.assert_close(judge.encode(np.arange(3, 9)), theirs, atol=1e-5, rtol=1e-4)
    assert "SentenceTransformer" in (out / "README.md").read_text(encoding="utf-8")


def test_a_projection_is_not_lost_in_silence(ours: Path, tmp_path: Path) -> None:
    refused = _call("export", ours, "--to", "hf", "--out", tmp_path / "hf")
    assert refused.exit_code == 1
    assert "pass --to sentence-transformers" in refused.stderr
    assert not (tmp_path / "hf").exists()


# A checkpoint as fairseq lays it out


def _fairseq(model: RobertaForMaskedLM, *, packed: bool, root: str) -> dict[str, Any]:
    """The state of a Transformers RoBERTa under fairseq's names."""
    layer = {
        "attention.output.dense": "self_attn.out_proj",
        "attention.output.LayerNorm": "self_attn_layer_norm",
        "intermediate.dense": "fc1",
        "output.dense": "fc2",
        "output.LayerNorm": "final_layer_norm",
        "attention.self.query": "self_attn.q_proj",
        "attention.self.key": "self_attn.k_proj",
        "attention.self.value": "self_attn.v_proj",
    }
    embeddings = {
        "word_embeddings": "embed_tokens",
        "position_embeddings": "embed_positions",
        "LayerNorm": "emb_layer_norm",
    }
    state: dict[str, Any] = {}
    inner = f"{root}.sentence_encoder"
    for name, x in model.state_dict().items():
        stem, _, kind = name.rpartition(".")
        if name.startswith("roberta.encoder.layer."):
            number, _, part = stem.removeprefix("roberta.encoder.layer.").partition(".")
            state[f"{inner}.layers.{number}.{layer[part]}.{kind}"] = x
        elif name.startswith("roberta.embeddings."):
            table = stem.removeprefix("roberta.embeddings.")
            if table in embeddings:
                state[f"{inner}.{embeddings[table]}.{kind}"] = x
        elif name in {"lm_head.bias", "lm_head.decoder.weight"}:
            state[f"{root}.lm_head.{kind}"] = x
        elif name != "lm_head.decoder.bias":
            state[f"{root}.{name}"] = x
    if packed:
        for number in map(str, range(model.config.num_hidden_layers)):
            place = f"{inner}.layers.{number}.self_attn"
            for kind in ("weight", "bias"):
                thirds = [state.pop(f"{place}.{role}_proj.{kind}") for role in "qkv"]
                state[f"{place}.in_proj_{kind}"] = torch.cat(thirds)
    state["ke_heads.wikiData.relation_emb.weight"] = torch.arange(12.0).reshape(3, 4)
    state["ke_heads.wikiData.gamma"] = torch.tensor([4.0])
    return state


@pytest.fixture(scope="module")
def roberta(encoder: Path) -> RobertaForMaskedLM:
    words = len(AutoTokenizer.from_pretrained(encoder))
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=words, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=66, type_vocab_size=1, layer_norm_eps=1e-5,
    )  # fmt: skip
    model: RobertaForMaskedLM = RobertaForMaskedLM(config).eval()
    with torch.no_grad():
        for name, x in model.named_parameters():
            x.zero_() if "token_type" in name else x.normal_(std=0.2)
    return model


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("root", ["decoder", "encoder"])
def test_a_fairseq_checkpoint_gives_the_same_logits_in_transformers(
    packed: bool, root: str, roberta: RobertaForMaskedLM, encoder: Path, tmp_path: Path
) -> None:
    saved = {
        "args": argparse.Namespace(arch="roberta_base", encoder_attention_heads=4, gamma=4),
        "model": _fairseq(roberta, packed=packed, root=root),
        "extra_state": {"epoch": 10, "val_loss": 1.5},
    }
    torch.save(saved, tmp_path / "KEPLER.pt")
    out = tmp_path / "out"
    made = _call("convert", tmp_path / "KEPLER.pt", "--tokenizer", encoder, "--out", out)
    assert made.exit_code == 0, made.output
    assert "2 layers x 32" in made.stdout
    with quiet():
        ours = AutoModelForMaskedLM.from_pretrained(out).eval()
    ids = torch.tensor([[0, 300, 301, 302, 2]])
    with torch.no_grad():
        torch.testing.assert_close(ours(ids).logits, roberta(ids).logits, atol=1e-5, rtol=1e-4)
    relations = load_file(out / RELATIONS)
    assert relations["wikiData"].tolist() == torch.arange(12.0).reshape(3, 4).tolist()


class Dangerous:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize(
    "kind",
    ["code", "damaged", "no model", "other model", "other shape", "no tokenizer", "missing"],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(
    kind: str,
    roberta: RobertaForMaskedLM,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "KEPLER.pt"
    state = _fairseq(roberta, packed=False, root="decoder")
    if kind == "code":
        torch.save({"model": state, "args": Dangerous()}, file, pickle_module=pickle)
    elif kind == "damaged":
        file.write_bytes(b"PK\x03\x04 cut short")
    elif kind == "no model":
        torch.save({"weights": state}, file)
    elif kind == "other model":
        torch.save(
            {"model": state | {"decoder.sentence_encoder.extra.weight": torch.ones(1)}}, file
        )
    elif kind == "other shape":
        wrong = {"decoder.sentence_encoder.layers.0.fc2.bias": torch.ones(3)}
        torch.save({"model": state | wrong}, file)
    elif kind == "no tokenizer":
        torch.save({"model": state}, file)
    words = tmp_path / "none" if kind == "no tokenizer" else encoder
    refused = _call("convert", file, "--tokenizer", words, "--out", tmp_path / "out")
    assert refused.exit_code == 1
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()
