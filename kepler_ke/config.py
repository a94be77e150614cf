"""The settings of a KEPLER run, and the presets that ship. Imports yaml and wikidata5m."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import yaml

from wikidata5m.config import load_config
from wikidata5m.errors import ConfigError
from wikidata5m.files import atomic_path

Pooling = Literal["first", "mean"]
NegativeSource = Literal["graph", "batch"]
Precision = Literal["fp32", "bf16"]

PRESETS: Final = Path(__file__).parent / "presets"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeplerConfig:
    """Everything that decides a run besides dataset, encoder and seed; defaults are the paper's."""

    gamma: float = 4.0
    """The margin of Eq. 2, a distance; in the paper 4 for NLP, 9 for KE, 1 on WordNet."""
    p: int = 1
    """The norm of Eq. 3: 1 in the paper (the released code trains with 2)."""
    negatives: int = 1
    """Random heads, and as many random tails, that each triplet is compared with; n of Eq. 2 is
    both sides together."""
    negative_source: NegativeSource = "graph"
    """Where negatives come from: any training entity (each costs an encoding), or the entities
    that the batch encodes anyway (free)."""
    pooling: Pooling = "first"
    """An entity's vector: the first token's last hidden state (Eq. 1), or the mean over tokens."""
    tokens: int = 512
    """A description is cut to this many tokens, the special ones included."""
    mlm_batch: int = 8
    """Texts per step for the masked-language-model loss (Eq. 6); 0 leaves that loss out."""
    mlm_share: float = 0.15
    """The share of tokens to predict; of these 80% are masked, 10% replaced, 10% kept."""
    batch: int = 8
    """Triplets per forward pass; memory grows with it and with `tokens`."""
    accumulate: int = 1
    """Forward passes per update; batch x accumulate is the effective batch."""
    epochs: int = 10
    """Passes over the training triplets."""
    lr: float = 6e-4
    """The peak learning rate of Adam (AdamW: weight decay is decoupled)."""
    relation_lr: float = 1.0
    """The relation vectors' learning rate as a multiple of `lr`; they start from nothing while a
    pretrained encoder does not."""
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
    precision: Precision = "fp32"
    """bf16 runs the encoder under autocast; weights, loss and optimizer stay fp32."""
    log_steps: int = 100
    """Updates between two lines of log.jsonl."""
    validate_steps: int = 0
    """Updates between two rankings of a sample of valid triplets; 0: only after the last."""
    validate_triplets: int = 500
    """The size of that sample, drawn once by the seed."""
    checkpoint_steps: int = 1000
    """Updates between two checkpoints; 0 writes none."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        at_least = {
            "negatives": 1, "tokens": 3, "batch": 1, "accumulate": 1, "epochs": 1, "mlm_batch": 0,
            "log_steps": 1, "validate_steps": 0, "validate_triplets": 1, "checkpoint_steps": 0,
        }  # fmt: skip
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be at least {least}")
        for name in ("lr", "eps", "relation_lr", "decay_power"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be above 0")
        for name in ("mlm_share", "beta1", "beta2", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be in [0, 1)")
        if self.p not in (1, 2):
            raise ConfigError(f"p = {self.p}: the distance knows p = 1 and p = 2; set one of them")
        if self.mlm_batch and not self.mlm_share:
            raise ConfigError("mlm_share = 0: nothing to predict; set mlm_batch=0 to leave MLM out")


def presets() -> list[str]:
    """The names of the shipped presets."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def resolve_config(
    preset: str, file: Path | None = None, overrides: Iterable[str] = ()
) -> KeplerConfig:
    """The preset, then the settings of `file`, then `overrides` ("lr=1e-3").

    Raises ConfigError on an unknown preset (with the closest), key or value.
    """
    path = PRESETS / f"{preset}.yaml"
    if preset not in presets():
        close = difflib.get_close_matches(preset, presets(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(presets())}"
        raise ConfigError(f"unknown preset {preset}; {hint}")
    return load_config(KeplerConfig, [path, file] if file else path, overrides)


def save_config(path: Path, config: KeplerConfig) -> None:
    """Write the resolved settings as YAML that --config takes again."""
    with atomic_path(path) as temporary:
        temporary.write_text(
            yaml.safe_dump(dataclasses.asdict(config), sort_keys=False), encoding="utf-8"
        )
