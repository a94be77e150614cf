"""The settings of a KEPLER run, and the presets that ship. Imports yaml and wikidata5m."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import yaml

from wikidata5m.config import load_config
from wikidata5m.errors import ConfigError
from wikidata5m.files import atomic_path

Objective = Literal["kepler", "contrastive", "none"]
Architecture = Literal["transformer", "cnn"]
ScorerName = Literal["transe", "distmult", "complex", "cosine"]
RelationSource = Literal["table", "text"]
TextLayout = Literal["description", "name_first"]
RelationText = Literal["description", "label"]
MissingText = Literal["label", "refuse"]
Pooling = Literal["first", "mean"]
NegativeSource = Literal["graph", "batch"]
Batching = Literal["triplets", "subgraphs"]
WordVectors = Literal["encoder", "random"]
MlmText = Literal["corpus", "descriptions"]
Attention = Literal["sdpa", "eager", "flash_attention_2"]
Precision = Literal["fp32", "bf16", "fp16"]

PRESETS: Final = Path(__file__).parent / "presets"
FORMS: Final = PRESETS / "forms"
SMALL: Final = "small"
"""The form that is ours, for two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeplerConfig:
    """Everything that decides a run besides dataset, encoder and seed; defaults are the paper's."""

    # What is trained
    objective: Objective = "kepler"
    """The knowledge loss: the paper's (Eq. 2), ours over the whole batch, or none (MLM alone)."""
    scorer: ScorerName = "transe"
    """How two vectors and a relation make a score: Eq. 3, or what `contrastive` may use besides.
    cosine ignores relation vectors, so it wants `conditioned`."""
    gamma: float = 9.0
    """The margin of Eq. 2, a distance; in the paper 4 for NLP, 9 for KE, 1 on WordNet."""
    p: int = 1
    """The norm of Eq. 3: 1 in the paper (the released code trains with 2)."""
    relations: RelationSource = "table"
    """A relation's vector: a learned one (Eq. 1), or the encoding of its description (Eq. 4)."""
    conditioned: bool = False
    """Whether the entity that a query starts from is encoded with the relation's text (Eq. 5)."""
    inverse: bool = False
    """Whether each triplet is trained in the inverse relation as well, and head queries ask it."""
    second_gamma: float = 1.0
    """The margin for the second graph, where `--second` names one (Eq. 7)."""

    # Negatives
    negatives: int = 1
    """Random heads, and as many random tails, that each triplet is compared with; n of Eq. 2 is
    both sides together. `contrastive` compares with the whole batch instead."""
    negative_source: NegativeSource = "graph"
    """Where negatives come from: any training entity (each costs an encoding), or the entities
    that the batch encodes anyway (free)."""
    memory: int = 0
    """`contrastive`: how many encodings of earlier batches are negatives too."""
    temperature: float = 0.05
    """`contrastive`: scores are divided by this before the softmax; it is learned from here."""

    # The encoder and its texts
    architecture: Architecture = "transformer"
    """transformer is the encoder itself; cnn is DKRL's, over word vectors."""
    word_vectors: WordVectors = "encoder"
    """Where the CNN's word vectors start: the encoder's input embeddings, or at random."""
    cnn_dim: int = 768
    """The CNN's width."""
    pooling: Pooling = "first"
    """An entity's vector: the first token's last hidden state (Eq. 1), or the mean over tokens.
    DKRL's CNN pools in its own way."""
    projection: int = 0
    """The width of a linear layer after pooling; 0 for none."""
    normalize: bool = False
    """Whether vectors are scaled to length 1."""
    tokens: int = 512
    """A text is cut to this many tokens, the special ones included."""
    text: TextLayout = "description"
    """An entity's text: its description, or its name and then the description."""
    relation_text: RelationText = "description"
    """A relation's text where it has one to read: its description, or its label alone."""
    missing_text: MissingText = "label"
    """An entity without a description is read by its label, and counted; or training is refused."""

    # Masked language model
    mlm_batch: int = 8
    """Texts of a pass for the masked-language-model loss (Eq. 6); 0 leaves that loss out."""
    mlm_share: float = 0.15
    """The share of tokens to predict; of these 80% are masked, 10% replaced, 10% kept."""
    mlm_weight: float = 1.0
    """The weight of that loss beside the knowledge loss: 1 in Eq. 6."""
    new_head: bool = False
    """Whether an encoder without a masked-LM head is given one at random where that loss is asked
    for; otherwise it is refused."""
    mlm_text: MlmText = "corpus"
    """What it reads: the texts that `--corpus` names, or the training entities' descriptions."""

    # Batches
    batch: int = 16
    """Triplets per forward pass; memory grows with it and with `tokens`."""
    accumulate: int = 768
    """Forward passes per update; batch x accumulate is the effective batch."""
    batching: Batching = "triplets"
    """A pass is random triplets, or a connected subgraph's, whose texts serve several triplets."""
    epochs: float = 30
    """Passes over the training triplets, also a fraction of one; 0 leaves the encoder as it is."""

    # Optimizer
    lr: float = 6e-4
    """The peak learning rate of Adam (AdamW: weight decay is decoupled)."""
    relation_lr: float = 1.0
    """The rate of relation vectors, projection and temperature, as a multiple."""
    beta1: float = 0.9
    """Adam's decay of the first moment."""
    beta2: float = 0.98
    """Adam's decay of the second moment."""
    eps: float = 1e-6
    """Adam's epsilon."""
    weight_decay: float = 0.01
    """Decay of every weight per unit of learning rate."""
    warmup: float = 0.08
    """The share of all updates in which the learning rate grows linearly to its peak."""
    decay_power: float = 1.0
    """After the warm-up the rate falls as (share of updates left) ** decay_power."""

    # Running
    precision: Precision = "fp32"
    """bf16 and fp16 run the encoder under autocast; weights, loss and optimizer stay fp32."""
    attention: Attention = "sdpa"
    """The kernel: sdpa and eager pad to the longest of a bucket; flash_attention_2 leaves padding
    out, and wants a GPU, half precision and the package flash-attn."""
    checkpointing: bool = False
    """Whether activations are computed again in the backward pass: less memory, a third slower."""
    compile: bool = False
    """Whether torch.compile fuses the encoder; the first updates are slow, and it wants a C++
    compiler."""
    log_steps: int = 100
    """Updates between two lines of log.jsonl."""
    validate_steps: int = 0
    """Updates between two rankings of a sample of valid triplets; 0: only after the last. The
    weights of the best ranking are kept."""
    validate_triplets: int = 500
    """The size of that sample, drawn once by the seed; 0 ranks none and keeps the last weights,
    which spares encoding every candidate."""
    checkpoint_steps: int = 1000
    """Updates between two checkpoints; 0 writes none."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        at_least = {
            "negatives": 1, "tokens": 8, "batch": 1, "accumulate": 1, "epochs": 0, "mlm_batch": 0,
            "log_steps": 1, "validate_steps": 0, "validate_triplets": 0, "checkpoint_steps": 0,
            "memory": 0, "projection": 0, "cnn_dim": 1,
        }  # fmt: skip
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be at least {least}")
        for name in ("lr", "eps", "relation_lr", "decay_power", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be above 0, and finite")
        for name in ("gamma", "second_gamma", "mlm_weight", "weight_decay", "epochs"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigError(f"{name} = {value}: must be 0 or more, and finite")
        for name in ("mlm_share", "beta1", "beta2", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be in [0, 1)")
        if self.p not in (1, 2):
            raise ConfigError(f"p = {self.p}: the distance knows p = 1 and p = 2; set one of them")
        if self.mlm_batch and not self.mlm_share:
            raise ConfigError("mlm_share = 0: nothing to predict; set mlm_batch=0 to leave MLM out")
        self._check_pairs()

    def _check_pairs(self) -> None:
        """Refuse settings that do not go together."""
        if self.scorer != "transe" and self.objective == "kepler":
            raise ConfigError(
                f"scorer = {self.scorer}: Eq. 3 is transe; set objective=contrastive for others"
            )
        if self.scorer == "cosine" and not self.conditioned:
            raise ConfigError(
                "scorer = cosine: sees the relation only in the query's text; set conditioned=true"
            )
        if self.scorer == "cosine" and not (self.normalize and self.relations == "table"):
            raise ConfigError(
                "scorer = cosine: is of unit vectors, without relation vectors; set normalize=true "
                "and relations=table"
            )
        if self.memory and self.objective != "contrastive":
            raise ConfigError("memory: only objective=contrastive has one; set memory=0")
        if self.architecture == "cnn" and self.mlm_batch:
            raise ConfigError("architecture = cnn: has no masked-LM head; set mlm_batch=0")
        if self.architecture == "cnn" and (self.checkpointing or self.compile):
            raise ConfigError("architecture = cnn: leave checkpointing and compile off")
        if self.attention == "flash_attention_2" and self.precision == "fp32":
            raise ConfigError("attention = flash_attention_2: wants precision=bf16 or fp16")
        if self.objective == "none" and not self.mlm_batch and self.epochs:
            raise ConfigError("objective = none and mlm_batch = 0: nothing to train; set epochs=0")


def presets() -> list[str]:
    """The names of the shipped presets."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def forms() -> list[str]:
    """The forms that a preset may carry behind its name."""
    return sorted(path.stem for path in FORMS.glob("*.yaml"))


def resolve_config(
    preset: str, file: Path | None = None, overrides: Iterable[str] = ()
) -> KeplerConfig:
    """The preset, then the settings of `file`, then `overrides` ("lr=1e-3").

    A preset may carry a form: kepler-wiki-nlp is kepler-wiki with the settings of forms/nlp.yaml.
    Raises ConfigError on an unknown preset (with the closest), key or value.
    """
    files = [*_preset_files(preset), *([file] if file else [])]
    return load_config(KeplerConfig, files, overrides)


def _preset_files(preset: str) -> list[Path]:
    if preset in presets():
        return [PRESETS / f"{preset}.yaml"]
    base, _, form = preset.rpartition("-")
    if base in presets() and form in forms():
        file = yaml.safe_load((PRESETS / f"{base}.yaml").read_text(encoding="utf-8"))
        own = file.keys() & {"gamma", "epochs"}
        if form != SMALL and own:
            raise ConfigError(
                f"{preset}: {base} has {' and '.join(sorted(own))} of its own; name {base} alone"
            )
        return [PRESETS / f"{base}.yaml", FORMS / f"{form}.yaml"]
    close = difflib.get_close_matches(preset, presets(), n=1)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(presets())}"
    raise ConfigError(f"unknown preset {preset}; {hint}")


def save_config(path: Path, config: KeplerConfig) -> None:
    """Write the resolved settings as YAML that --config takes again."""
    with atomic_path(path) as temporary:
        temporary.write_text(
            yaml.safe_dump(dataclasses.asdict(config), sort_keys=False), encoding="utf-8"
        )
