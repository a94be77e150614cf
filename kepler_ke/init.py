"""A small, randomly initialised encoder for graphs without a pretrained one, and for the demo.

Imports tokenizers, torch, transformers, benchmarks.tensors and kepler_ke.quiet.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from benchmarks.tensors import telling_of_disk
from kepler_ke.quiet import quiet

Size = Literal["tiny", "small"]

SIZES: Final[dict[Size, tuple[int, int]]] = {"tiny": (2, 128), "small": (4, 256)}
"""Layers and hidden width."""
TOKENS: Final = 256
SPECIAL: Final = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def init_encoder(
    folder: Path,
    texts: Iterable[str],
    *,
    size: Size = "tiny",
    vocabulary: int = 4000,
    seed: int = 0,
) -> PreTrainedTokenizerBase:
    """Train a byte-level BPE tokenizer on `texts`; write it with a RoBERTa of random weights.

    `vocabulary` is an upper bound; few texts yield fewer tokens. Returns the tokenizer.
    """
    tokenizer = train_tokenizer(texts, vocabulary)
    layers, width = SIZES[size]
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=4,
        intermediate_size=2 * width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=TOKENS + 2,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(seed)
    with quiet(), telling_of_disk(folder):
        RobertaForMaskedLM(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return tokenizer


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerBase:
    """RoBERTa's kind of tokenizer, of at most `vocabulary` tokens (at least 261: bytes, specials).

    A text starts as if after a space, so that a name is the same tokens at its start and inside.
    """
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, raw.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    names = ("bos", "pad", "eos", "unk", "mask")
    roles = {f"{name}_token": token for name, token in zip(names, SPECIAL, strict=True)}
    make: Any = PreTrainedTokenizerFast  # transformers leaves it untyped
    tokenizer: PreTrainedTokenizerBase = make(
        tokenizer_object=raw,
        **roles,
        cls_token=SPECIAL[0],
        sep_token=SPECIAL[2],
        model_max_length=TOKENS,
    )
    return tokenizer
