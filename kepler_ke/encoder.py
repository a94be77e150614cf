"""The text encoder: a Hugging Face masked language model and the relation vectors beside it.

Imports msgspec, torch, transformers, safetensors, benchmarks.{scorers,tensors},
kepler_ke.{config,dkrl,quiet} and wikidata5m.

Shapes: B texts, T tokens, D vector width, M masked positions, V vocabulary, R relations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from benchmarks.scorers import Scorer, get_scorer
from benchmarks.tensors import telling_of_disk
from kepler_ke.config import Attention, KeplerConfig, ScorerName
from kepler_ke.dkrl import Dkrl
from kepler_ke.quiet import quiet
from wikidata5m.console import log
from wikidata5m.errors import ConfigError, InputError
from wikidata5m.files import read_json, write_json

RELATIONS: Final = "relations.safetensors"
"""What stands beside the language model: relations (R, D), projection, scale; or a whole CNN."""
KEPLER: Final = "kepler.json"
RELATION_STD: Final = 0.02
"""The spread of new relation vectors: that of the weights of a new BERT."""

# Names of heads that work on any selection of positions, so that V logits per token are spared.
_HEADS: Final = ("lm_head", "cls")
_SAMPLE: Final = "A text is to have the same vector beside longer ones."
_SHIFT: Final = 1e-3
"""What rounding does not reach."""
_TYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


class Kepler(nn.Module):
    """An encoder whose pooled output is an entity's vector (Eq. 1), and one vector per relation."""

    def __init__(
        self,
        language_model: PreTrainedModel | Dkrl,
        relations: int,
        config: KeplerConfig,
        seed: int,
    ) -> None:
        """New relation vectors, (relations, D), and a new projection, drawn by `seed`."""
        super().__init__()
        torch.manual_seed(seed)
        self.config = config
        self.language_model = language_model
        width = _width(language_model)
        self.projection = nn.Linear(width, config.projection) if config.projection else None
        self.dim = config.projection or width
        """D: the width of every vector."""
        self.relations_RD = nn.Parameter(
            new_relations(relations, self.dim, seed, config.scorer),
            requires_grad=config.relations == "table" and config.scorer != "cosine",
        )
        self.log_scale = nn.Parameter(
            torch.tensor(-math.log(config.temperature)),
            requires_grad=config.objective == "contrastive",
        )
        """By exp of this the scores of `contrastive` are multiplied: 1 / temperature."""
        # A method, not a module: the same weights must not be registered twice.
        backbone: Any = getattr(language_model, "base_model", language_model)
        self._states: Callable[..., Any] = backbone.forward
        if config.checkpointing:
            # The older name is deprecated where the newer one is there.
            enable = getattr(backbone, "activation_checkpointing_enable", None)
            try:
                (enable or backbone.gradient_checkpointing_enable)({"use_reentrant": False})
            except ValueError as error:
                told = _first_line(error)
                raise ConfigError(f"checkpointing = true: {told}; set it to false") from None
        if config.compile:
            self._states = torch.compile(backbone.forward, dynamic=True)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.relations_RD.device

    def replicated(self) -> list[nn.Parameter]:
        """What is no part of the encoder: the same texts give it the same gradients everywhere."""
        return [x for x in (self.relations_RD, self.log_scale) if x.requires_grad]

    def fresh(self) -> list[nn.Parameter]:
        """What starts from nothing where the encoder was pretrained."""
        projection = list(self.projection.parameters()) if self.projection else []
        return [*self.replicated(), *projection]

    def hidden(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """The last layer's states, (B, T, D); `mask_BT` is true on tokens, false on padding."""
        with self._autocast():
            states: Tensor = self._states(input_ids=ids_BT, attention_mask=mask_BT.long())[0]
        return states

    def encode(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """The texts' vectors, (B, D), fp32."""
        pooled_BD = self._pooled(ids_BT, mask_BT)
        if self.projection is not None:
            pooled_BD = self.projection(pooled_BD)
        return functional.normalize(pooled_BD, dim=-1) if self.config.normalize else pooled_BD

    def _pooled(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        if isinstance(self.language_model, Dkrl):
            with self._autocast():
                vectors_BD: Tensor = self.language_model(ids_BT, mask_BT)
            return vectors_BD.float()
        hidden_BTD = self.hidden(ids_BT, mask_BT).float()
        if self.config.pooling == "first":
            return hidden_BTD[:, 0]
        weight_BT1 = mask_BT.unsqueeze(-1).to(hidden_BTD.dtype)
        return (hidden_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)

    def logits(self, ids_BT: Tensor, mask_BT: Tensor, chosen_BT: Tensor) -> Tensor:
        """What the masked-LM head says at the chosen positions, (M, V), fp32."""
        for name in _HEADS:
            head = getattr(self.language_model, name, None)
            if head is not None:
                states_MD = self.hidden(ids_BT, mask_BT)[chosen_BT]
                with self._autocast():
                    logits_MV: Tensor = head(states_MD)
                return logits_MV.float()
        with self._autocast():
            output = self.language_model(input_ids=ids_BT, attention_mask=mask_BT.long())
        all_BTV: Tensor = output.logits
        return all_BTV[chosen_BT].float()

    def _autocast(self) -> torch.autocast:
        kind = self.config.precision
        return torch.autocast(self.device.type, dtype=_TYPES[kind], enabled=kind != "fp32")


def _width(model: PreTrainedModel | Dkrl) -> int:
    return model.dim if isinstance(model, Dkrl) else int(model.config.hidden_size)


def new_relations(count: int, dim: int, seed: int, scorer: ScorerName = "transe") -> Tensor:
    """Relation vectors as a run starts with them, (R, D): near what leaves a query as it is."""
    noise_RD = RELATION_STD * torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    if scorer == "cosine":
        return torch.ones(count, dim)
    if scorer == "distmult":
        return 1 + noise_RD
    if scorer == "complex":
        noise_RD[:, : dim // 2] += 1
    return noise_RD


def make_scorer(config: KeplerConfig, gamma: float | None = None) -> Scorer:
    """The scorer of the settings; the cosine of unit vectors is DistMult with relations of ones."""
    name = "distmult" if config.scorer == "cosine" else config.scorer
    return get_scorer(name, gamma=config.gamma if gamma is None else gamma, p=config.p)


def load_encoder(
    source: str, *, seed: int = 0, attention: Attention = "sdpa", head: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A masked language model and its tokenizer, from a folder or by name.

    Weights that the source lacks are drawn by `seed` and named on stderr; those of the masked-LM
    head, which a sentence encoder has not, only where no `head` is asked for. Where Transformers
    has no fused attention for the model, sdpa falls back to eager. Raises ConfigError when there is
    no such model.
    """
    if _is_path(source) and not (Path(source) / "config.json").is_file():
        raise ConfigError(
            f"{source}: no config.json there, so it is no model folder; name a folder that "
            "`wikidata5m kepler init` or save_pretrained wrote, or a model's name"
        )
    try:
        with quiet():
            model, missing = _from_pretrained(source, attention, seed)
    except ImportError as error:
        raise ConfigError(
            f"attention = {attention}: cannot be used here ({_first_line(error)}); "
            "set attention=sdpa"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{source}: cannot be loaded ({_first_line(error)}); without internet name a local "
            "folder holding config.json, model.safetensors and tokenizer.json"
        ) from None
    except RuntimeError as error:
        raise ConfigError(
            f"{source}: its weights are damaged, or not of the sizes in its config.json "
            f"({_first_line(error)}); copy both from one model"
        ) from None
    except (ValueError, KeyError, SafetensorError) as error:
        raise ConfigError(
            f"{source}: not an encoder with a masked-LM head ({_first_line(error)}); "
            "name one such as roberta-base"
        ) from None
    tokenizer = load_tokenizer(source)
    if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
        raise ConfigError(f"{source}: its tokenizer has no mask or padding token; name an encoder")
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise ConfigError(
            f"{source}: the tokenizer knows {len(tokenizer):,} tokens, the model {known:,}; "
            "they are not a pair: copy the tokenizer that belongs to the model"
        )
    if missing:
        lacks = f"{source}: lacks {', '.join(missing)}"
        if head and any(name.startswith(_head_names(model)) for name in missing):
            raise ConfigError(
                f"{lacks}: it has no masked-LM head, which mlm_batch asks for; name an encoder "
                "that has one, or pass --set mlm_batch=0, or --set new_head=true to draw one"
            )
        log(f"{lacks}; drawn by seed {seed}")
    return model.float(), tokenizer


def _from_pretrained(source: str, attention: Attention, seed: int) -> tuple[Any, list[str]]:
    """The model and the weights that the source lacks."""
    torch.manual_seed(seed)
    try:
        model, report = AutoModelForMaskedLM.from_pretrained(
            source,
            config=AutoConfig.from_pretrained(source),
            output_loading_info=True,
            attn_implementation=attention,
        )
    except ValueError as error:
        if attention != "sdpa" or "scaled_dot_product_attention" not in str(error):
            raise
        log(f"{source}: Transformers has no fused attention for it; attention = eager")
        return _from_pretrained(source, "eager", seed)
    return model, sorted(report["missing_keys"])


def load_tokenizer(source: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, or by name. Raises ConfigError when there is none."""
    try:
        with quiet():
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{source}: its tokenizer cannot be loaded ({_first_line(error)}); without internet "
            "name a local folder that holds tokenizer.json"
        ) from None
    # Without a tokenizer's files Transformers makes an empty one.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise ConfigError(
            f"{source}: its tokenizer knows no words; copy tokenizer.json, or the vocabulary, "
            "that belongs to the model into that folder"
        )
    return tokenizer


def _head_names(model: PreTrainedModel) -> tuple[str, ...]:
    """What the names of all weights outside the encoder proper start with."""
    proper = model.base_model_prefix
    return tuple(f"{name}." for name, _ in model.named_children() if name != proper)


def token_limit(model: PreTrainedModel) -> int:
    """How many tokens of a text the model takes."""
    positions = int(getattr(model.config, "max_position_embeddings", 0)) or 1 << 20
    # Models that count positions from the padding token's id + 1 (fairseq's habit) pad those too.
    pads = (
        getattr(module, "padding_idx", None)
        for name, module in model.named_modules()
        if name.endswith("position_embeddings")
    )
    return positions - max((pad + 1 for pad in pads if pad is not None), default=0)


def check_tokens(model: PreTrainedModel, tokens: int, source: str) -> None:
    """Raise ConfigError when texts of `tokens` tokens are too long for the model."""
    if tokens > token_limit(model):
        raise ConfigError(
            f"tokens = {tokens}: {source} takes at most {token_limit(model)}; "
            f"pass --set tokens={token_limit(model)}"
        )


def padding_shift(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> float:
    """How far padding moves a text's states, as a share of the largest: 0 where the mask hides it.

    FNet takes no mask, Funnel shortens texts, ConvBERT's convolutions reach behind the end.
    """
    least = min(8, token_limit(model))
    ids_1T = tokenizer(_SAMPLE, truncation=True, max_length=least, return_tensors="pt").input_ids
    behind = min(2 * least, token_limit(model)) - ids_1T.shape[1]
    padded_1T = functional.pad(ids_1T, (0, behind), value=int(tokenizer.pad_token_id))
    mask_1T = functional.pad(torch.ones_like(ids_1T), (0, behind))
    was_training = model.training
    model.train(mode=False)  # `eval` has no types
    with torch.no_grad(), quiet():
        alone = model.base_model(input_ids=ids_1T, attention_mask=torch.ones_like(ids_1T))[0]
        padded = model.base_model(input_ids=padded_1T, attention_mask=mask_1T)[0]
    model.train(was_training)
    moved = (padded[:, : ids_1T.shape[1]] - alone).abs().max() / alone.abs().max()
    return float(moved)


def build_kepler(
    source: str, relations: int, config: KeplerConfig, seed: int
) -> tuple[Kepler, PreTrainedTokenizerBase]:
    """The model that a run starts from: `source` with all that is new drawn by `seed`.

    Raises ConfigError when there is no such encoder or it does not fit the settings.
    """
    head = config.mlm_batch > 0 and not config.new_head
    language_model, tokenizer = load_encoder(
        source, seed=seed, attention=config.attention, head=head
    )
    if config.architecture == "transformer":
        check_tokens(language_model, config.tokens, source)
        # The fused kernel of flash-attn leaves padding out, and runs on a GPU alone.
        if config.attention != "flash_attention_2":
            moved = padding_shift(language_model, tokenizer)
            if moved > _SHIFT:
                log(
                    f"{source}: padding moves a text's vector by {moved:.1%}, so it hangs on the "
                    "texts it is encoded with; choose an encoder that heeds its attention mask"
                )
        model = Kepler(language_model, relations, config, seed)
    else:
        model = Kepler(_new_dkrl(language_model, tokenizer, config, seed), relations, config, seed)
    make_scorer(config).relation_width(model.dim)
    return model, tokenizer


def _new_dkrl(
    language_model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    config: KeplerConfig,
    seed: int,
) -> Dkrl:
    torch.manual_seed(seed)
    embeddings: Any = language_model.get_input_embeddings()
    words_VW: Tensor = embeddings.weight.detach()
    vocabulary, width = words_VW.shape
    model = Dkrl(vocabulary, width, config.cnn_dim, int(tokenizer.pad_token_id))
    if config.word_vectors == "encoder":
        with torch.no_grad():
            model.words.weight.copy_(words_VW)
    return model


def save_kepler(folder: Path, model: Kepler, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write a folder that AutoModel, AutoModelForMaskedLM, AutoTokenizer and load_kepler read.

    Beside the usual files: relations.safetensors (what else was learned) and kepler.json (all
    settings). DKRL's is no transformer: its folder holds no config.json, and load_kepler alone
    reads it.
    """
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()  # else the folder would cut every user's texts to our length
    beside = dict(model.state_dict())
    sizes: dict[str, int] = {}
    with quiet(), telling_of_disk(folder):
        if isinstance(model.language_model, Dkrl):
            words = model.language_model.words
            sizes = {
                "vocabulary": words.num_embeddings,
                "word_width": words.embedding_dim,
                "padding": int(words.padding_idx or 0),
            }
        else:
            model.language_model.save_pretrained(folder)
            beside = {k: x for k, x in beside.items() if not k.startswith("language_model.")}
        tokenizer.save_pretrained(folder)
        tensors = {name: x.detach().cpu().contiguous() for name, x in beside.items()}
        save_file(tensors, folder / RELATIONS)
    write_json(folder / KEPLER, {"settings": asdict(model.config), "cnn": sizes})


def load_kepler(folder: Path, *, training: bool = False) -> tuple[Kepler, PreTrainedTokenizerBase]:
    """What save_kepler wrote. Raises InputError or ConfigError when the folder is incomplete.

    How it was run is not what it is: only for `training` are attention, checkpointing and compile
    as they were set, so that what was trained on a GPU is read anywhere.
    """
    meta: dict[str, Any] = read_json(folder / KEPLER)
    try:
        config = msgspec.convert(meta["settings"], KeplerConfig)
        if not training:
            config = replace(config, attention="sdpa", checkpointing=False, compile=False)
        beside = load_file(folder / RELATIONS)
        language_model: PreTrainedModel | Dkrl
        tokenizer: PreTrainedTokenizerBase
        if sizes := meta["cnn"]:
            tokenizer = load_tokenizer(str(folder))
            language_model = Dkrl(
                sizes["vocabulary"], sizes["word_width"], config.cnn_dim, sizes["padding"]
            )
        else:
            language_model, tokenizer = load_encoder(str(folder), attention=config.attention)
        model = Kepler(language_model, len(beside["relations_RD"]), config, seed=0)
        left_out = model.load_state_dict(beside, strict=False)
    except (OSError, KeyError, SafetensorError, RuntimeError, msgspec.ValidationError) as error:
        problem = f"incomplete model ({str(error).splitlines()[0]})"
        raise InputError(folder, problem, fix="train again") from None
    missing = [x for x in left_out.missing_keys if sizes or not x.startswith("language_model.")]
    if missing:
        raise InputError(folder, f"incomplete model (no {missing[0]})", fix="train again")
    return model, tokenizer


def _is_path(source: str) -> bool:
    return source.startswith((".", "/", "~")) or source.count("/") > 1 or Path(source).is_dir()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
