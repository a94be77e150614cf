"""A KEPLER or RoBERTa checkpoint of fairseq as a folder that Transformers reads.

Imports torch, transformers, safetensors, benchmarks.tensors, kepler_ke.{encoder,quiet} and
wikidata5m.

Only tensors and plain values are unpickled (torch's weights-only loading, with argparse.Namespace,
which holds numbers and strings, allowed besides): a file that would run code is refused.

The layout: `decoder.sentence_encoder.*` is the encoder (`encoder.sentence_encoder.*` in later
versions), `decoder.lm_head.*` the masked-LM head, `ke_heads.NAME.relation_emb.weight` the relation
vectors, in the order of their first occurrence in the triplets KEPLER was trained on.
"""

from __future__ import annotations

import argparse
import pickle
import shutil
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import RobertaConfig, RobertaForMaskedLM

from benchmarks.tensors import telling_of_disk
from kepler_ke.encoder import load_tokenizer
from kepler_ke.quiet import quiet
from wikidata5m.errors import InputError
from wikidata5m.files import atomic_path, claim_output

RELATIONS: Final = "ke_relations.safetensors"
_ROOTS: Final = ("decoder.", "encoder.")
_EMBEDDINGS: Final = {
    "embed_tokens": "word_embeddings",
    "embed_positions": "position_embeddings",
    "emb_layer_norm": "LayerNorm",
    "layernorm_embedding": "LayerNorm",
}
_LAYER: Final = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
_HEAD: Final = {
    "dense.weight": "dense.weight",
    "dense.bias": "dense.bias",
    "layer_norm.weight": "layer_norm.weight",
    "layer_norm.bias": "layer_norm.bias",
    "weight": "decoder.weight",
    "bias": "bias",
}


def convert_checkpoint(
    checkpoint: Path, tokenizer: str, out: Path, *, overwrite: bool = False
) -> dict[str, Any]:
    """Write `out` for AutoModelForMaskedLM; relation vectors go beside it. Returns what was found.

    `tokenizer` is RoBERTa's, by name or as a folder: fairseq's dictionary numbers tokens alike.
    Raises InputError when the file is not in that layout or would run code, ConfigError without
    that tokenizer.
    """
    weights, heads, attention_heads = read_checkpoint(checkpoint)
    found = _rename(weights, checkpoint)
    config = _config(found, attention_heads, checkpoint)
    try:
        model = RobertaForMaskedLM(config)
        missing, unknown = model.load_state_dict(found, strict=False)
    except (RuntimeError, ValueError) as error:
        told = " ".join(str(error).split())[:200]
        raise InputError(
            checkpoint, f"not RoBERTa's weights ({told})", fix="name a fairseq KEPLER checkpoint"
        ) from None
    missing = [name for name in missing if name != "lm_head.decoder.bias"]
    if missing or unknown:
        told = ", ".join([*missing, *unknown][:3])
        raise InputError(
            checkpoint, f"not RoBERTa's weights ({told})", fix="name a fairseq KEPLER checkpoint"
        )
    words = load_tokenizer(tokenizer)
    if len(words) > config.vocab_size:
        raise InputError(
            checkpoint,
            f"has {config.vocab_size:,} token vectors, the tokenizer {len(words):,} tokens",
            fix="name roberta-base, or the tokenizer it was trained with, by --tokenizer",
        )
    claim_output(out, overwrite=overwrite, inputs=[checkpoint], keep=True, whole=True)
    with atomic_path(out) as temporary, quiet(), telling_of_disk(out):
        model.save_pretrained(temporary)
        words.save_pretrained(temporary)
        if heads:
            save_file(heads, temporary / RELATIONS)
        shutil.rmtree(out)
    return {
        "layers": config.num_hidden_layers,
        "dim": config.hidden_size,
        "tokens": config.vocab_size,
        "relations": {name: len(x) for name, x in heads.items()},
    }


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], int | None]:
    """The model's tensors, each KE head's relation vectors (R, D), the number of attention heads.

    The last is None where the file does not say it.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(path, error.strerror or "unreadable", fix="check the path") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        told = str(error).splitlines()[0] if str(error) else "damaged"
        raise InputError(
            path,
            f"holds more than tensors and plain values, or is damaged ({told})",
            fix="download it again from its publisher; what runs code is not loaded",
        ) from None
    weights = loaded.get("model") if isinstance(loaded, dict) else None
    if not isinstance(weights, dict) or not all(torch.is_tensor(x) for x in weights.values()):
        raise InputError(path, "holds no `model` of tensors", fix="name a fairseq checkpoint")
    end = ".relation_emb.weight"
    heads = {
        name.removeprefix("ke_heads.").removesuffix(end): x.float().contiguous()
        for name, x in weights.items()
        if name.startswith("ke_heads.") and name.endswith(end)
    }
    return weights, heads, getattr(loaded.get("args"), "encoder_attention_heads", None)


def _rename(weights: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, x in weights.items():
        root = next((r for r in _ROOTS if name.startswith(r)), "")
        inner = name.removeprefix(root)
        if root and inner.startswith("sentence_encoder."):
            found |= dict(_encoder(inner.removeprefix("sentence_encoder."), x.float()))
        elif root and inner.startswith("lm_head."):
            found[f"lm_head.{_HEAD.get(inner.removeprefix('lm_head.'), inner)}"] = x.float()
    if "roberta.embeddings.word_embeddings.weight" not in found:
        raise InputError(
            path, "has no decoder.sentence_encoder.embed_tokens", fix="name a fairseq checkpoint"
        )
    # The head's output is the word vectors' transpose, and was stored once or twice.
    found.setdefault("lm_head.decoder.weight", found["roberta.embeddings.word_embeddings.weight"])
    return found


def _encoder(name: str, x: Tensor) -> list[tuple[str, Tensor]]:
    first, _, rest = name.partition(".")
    if first in _EMBEDDINGS:
        return [(f"roberta.embeddings.{_EMBEDDINGS[first]}.{rest}", x)]
    if first != "layers":
        return [] if first == "version" else [(name, x)]
    number, _, part = rest.partition(".")
    layer = f"roberta.encoder.layer.{number}"
    if part.startswith("self_attn.in_proj_"):
        # Older fairseq holds query, key and value in one tensor.
        kind = part.removeprefix("self_attn.in_proj_")
        thirds = zip(("query", "key", "value"), x.chunk(3), strict=True)
        return [(f"{layer}.attention.self.{role}.{kind}", third) for role, third in thirds]
    stem, _, kind = part.rpartition(".")
    return [(f"{layer}.{_LAYER.get(stem, stem)}.{kind}", x)]


def _config(found: dict[str, Tensor], attention_heads: int | None, path: Path) -> RobertaConfig:
    """The sizes that the tensors have; attention heads are 64 wide in every published RoBERTa."""
    words_VD = found["roberta.embeddings.word_embeddings.weight"]
    layers = {name.split(".")[3] for name in found if name.startswith("roberta.encoder.layer.")}
    inner = found.get("roberta.encoder.layer.0.intermediate.dense.weight")
    positions = found.get("roberta.embeddings.position_embeddings.weight")
    if inner is None or positions is None:
        raise InputError(path, "lacks layers or positions", fix="name a fairseq checkpoint")
    found["roberta.embeddings.token_type_embeddings.weight"] = torch.zeros(1, words_VD.shape[1])
    return RobertaConfig(
        vocab_size=words_VD.shape[0],
        hidden_size=words_VD.shape[1],
        num_hidden_layers=len(layers),
        num_attention_heads=attention_heads or max(1, words_VD.shape[1] // 64),
        intermediate_size=inner.shape[0],
        max_position_embeddings=positions.shape[0],
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
