"""The text encoder: a Hugging Face masked language model and the relation vectors beside it.

Imports torch, transformers, safetensors, benchmarks.scorers, kepler_ke.config and wikidata5m.

Shapes: B texts, T tokens, D hidden width, M masked positions, V vocabulary, R relations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as _untyped_logging

from benchmarks.scorers import TransE
from kepler_ke.config import KeplerConfig, Pooling, Precision
from wikidata5m.console import log
from wikidata5m.errors import ConfigError, InputError
from wikidata5m.files import read_json, write_json

RELATIONS: Final = "relations.safetensors"
KEPLER: Final = "kepler.json"
RELATION_STD: Final = 0.02
"""The spread of new relation vectors: that of the weights of a new BERT."""

_logging: Any = _untyped_logging

# Models that count positions from the padding token's id + 1 (fairseq's habit).
_OFFSET_POSITIONS: Final = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")
# Names of heads that work on any selection of positions, so that V logits per token are spared.
_HEADS: Final = ("lm_head", "cls")


class Kepler(nn.Module):
    """An encoder whose pooled output is an entity's vector (Eq. 1), and one vector per relation."""

    def __init__(
        self, language_model: PreTrainedModel, relations_RD: Tensor, *, pooling: Pooling = "first"
    ) -> None:
        super().__init__()
        self.language_model = language_model
        self.relations_RD = nn.Parameter(relations_RD)
        self.pooling = pooling
        self.precision: Precision = "fp32"

    @property
    def dim(self) -> int:
        """D: the width of every vector."""
        return self.relations_RD.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.relations_RD.device

    def hidden(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """The last layer's states, (B, T, D); `mask_BT` is true on tokens, false on padding."""
        backbone = self.language_model.base_model
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            states: Tensor = backbone(input_ids=ids_BT, attention_mask=mask_BT.long())[0]
        return states

    def encode(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """The texts' vectors, (B, D), fp32."""
        hidden_BTD = self.hidden(ids_BT, mask_BT).float()
        if self.pooling == "first":
            return hidden_BTD[:, 0]
        weight_BT1 = mask_BT.unsqueeze(-1).to(hidden_BTD.dtype)
        return (hidden_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)

    def logits(self, ids_BT: Tensor, mask_BT: Tensor, chosen_BT: Tensor) -> Tensor:
        """What the masked-LM head says at the chosen positions, (M, V), fp32."""
        for name in _HEADS:
            head = getattr(self.language_model, name, None)
            if head is not None:
                states_MD = self.hidden(ids_BT, mask_BT)[chosen_BT]
                with torch.autocast(
                    self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
                ):
                    logits_MV: Tensor = head(states_MD)
                return logits_MV.float()
        output = self.language_model(input_ids=ids_BT, attention_mask=mask_BT.long())
        all_BTV: Tensor = output.logits
        return all_BTV[chosen_BT].float()


def new_relations(count: int, dim: int, seed: int) -> Tensor:
    """Relation vectors as a run starts with them, (R, D)."""
    return RELATION_STD * torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def load_encoder(source: str, *, seed: int = 0) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A masked language model and its tokenizer, from a folder or by name.

    Weights that the source lacks (a sentence encoder has no masked-LM head) are drawn by `seed` and
    named on stderr. Raises ConfigError when there is no such model, or none with such a head.
    """
    if _is_path(source) and not (Path(source) / "config.json").is_file():
        raise ConfigError(
            f"{source}: no config.json there, so it is no model folder; name a folder that "
            "`wikidata5m kepler init` or save_pretrained wrote, or a model's name"
        )
    torch.manual_seed(seed)
    try:
        with quiet():
            config = AutoConfig.from_pretrained(source)
            model, report = AutoModelForMaskedLM.from_pretrained(
                source, config=config, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(source)
    except OSError as error:
        raise ConfigError(
            f"{source}: cannot be loaded ({_first_line(error)}); without internet name a local "
            "folder holding config.json, model.safetensors and tokenizer.json"
        ) from None
    except (ValueError, KeyError, SafetensorError) as error:
        raise ConfigError(
            f"{source}: not an encoder with a masked-LM head ({_first_line(error)}); "
            "name one such as roberta-base"
        ) from None
    if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
        raise ConfigError(f"{source}: its tokenizer has no mask or padding token; name an encoder")
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise ConfigError(
            f"{source}: the tokenizer knows {len(tokenizer):,} tokens, the model {known:,}; "
            "they are not a pair: copy the tokenizer that belongs to the model"
        )
    if report["missing_keys"]:
        log(f"{source}: lacks {', '.join(sorted(report['missing_keys']))}; drawn by seed {seed}")
    return model.float(), tokenizer


def token_limit(model: PreTrainedModel) -> int:
    """How many tokens of a text the model takes."""
    config: Any = model.config
    positions = int(getattr(config, "max_position_embeddings", 0)) or 1 << 20
    offset = config.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS else 0
    return positions - offset


def check_tokens(model: PreTrainedModel, tokens: int, source: str) -> None:
    """Raise ConfigError when texts of `tokens` tokens are too long for the model."""
    if tokens > token_limit(model):
        raise ConfigError(
            f"tokens = {tokens}: {source} takes at most {token_limit(model)}; "
            f"pass --set tokens={token_limit(model)}"
        )


def save_kepler(
    folder: Path, model: Kepler, tokenizer: PreTrainedTokenizerBase, config: KeplerConfig
) -> None:
    """Write a folder that AutoModel, AutoModelForMaskedLM, AutoTokenizer and load_kepler read.

    Beside the usual files: relations.safetensors (R, D), kepler.json (gamma, p, pooling, tokens).
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()  # else the folder would cut every user's texts to our length
    with quiet():
        model.language_model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    save_file({"relations": model.relations_RD.detach().cpu().contiguous()}, folder / RELATIONS)
    names = ("gamma", "p", "pooling", "tokens")
    write_json(folder / KEPLER, {name: getattr(config, name) for name in names})


def load_kepler(folder: Path) -> tuple[Kepler, PreTrainedTokenizerBase, TransE, int]:
    """What save_kepler wrote: model, tokenizer, scorer, and how many tokens of a text count.

    Raises InputError or ConfigError when the folder is incomplete.
    """
    meta: dict[str, Any] = read_json(folder / KEPLER)
    language_model, tokenizer = load_encoder(str(folder))
    try:
        relations_RD = load_file(folder / RELATIONS)["relations"]
        scorer = TransE(gamma=meta["gamma"], p=meta["p"])
        model = Kepler(language_model, relations_RD, pooling=meta["pooling"])
        return model, tokenizer, scorer, int(meta["tokens"])
    except (OSError, KeyError, SafetensorError) as error:
        raise InputError(folder, f"incomplete model ({error})", fix="train again") from None


def _is_path(source: str) -> bool:
    return source.startswith((".", "/", "~")) or source.count("/") > 1 or Path(source).is_dir()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars and loading tables off stderr: we say what matters."""
    before = _logging.get_verbosity()
    bars = _logging.is_progress_bar_enabled()
    _logging.set_verbosity_error()
    _logging.disable_progress_bar()
    try:
        yield
    finally:
        _logging.set_verbosity(before)
        if bars:
            _logging.enable_progress_bar()
