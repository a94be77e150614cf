"""What a training run can be told.

Imports benchmarks.{losses,optim,regularisers,scorers} and wikidata5m.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.losses import LossName
from benchmarks.optim import OptimizerName
from benchmarks.regularisers import RegulariserName
from benchmarks.scorers import ModelName, get_scorer
from wikidata5m.errors import ConfigError

EngineName = Literal["torch", "graphvite"]

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The scorer and its tables."""

    name: ModelName = "transe"
    """Which scorer."""
    dim: int = 128
    """Floats per entity."""
    gamma: float = 12.0
    """The score of distance zero (TransE, RotatE): a margin, without effect under softmax."""
    p: int = 2
    """TransE's norm, 1 or 2; 2 trains by matrix products, much faster with many negatives."""
    reciprocal: bool = False
    """Learn a second vector per relation for its inverse, and ask head queries by it."""
    init: float = 0.1
    """Vectors start uniform in plus or minus this; RotatE's phases in plus or minus pi."""

    def __post_init__(self) -> None:
        _positive(dim=self.dim, init=self.init)
        if not math.isfinite(self.gamma):
            raise ConfigError(f"model.gamma = {self.gamma}: must be finite")
        if self.p not in (1, 2):
            raise ConfigError(f"model.p = {self.p}: the norm is 1 or 2")
        get_scorer(self.name, p=self.p).relation_width(self.dim)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossConfig:
    """What is minimised."""

    name: LossName = "softmax"
    """self_adversarial (Sun et al. 2019), softmax (cross-entropy against sampled entities) or
    one_vs_all (against all entities)."""
    alpha: float = 1.0
    """self_adversarial: how strongly high-scoring negatives weigh; 1 / GraphVite's temperature."""

    def __post_init__(self) -> None:
        _not_negative(**{"loss.alpha": self.alpha})


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulariserConfig:
    """What large vectors cost: the mean over positives, added to the loss."""

    name: RegulariserName = "n3"
    """n3 (cubed moduli; L3 for real models) or lp (each float's p-th power)."""
    p: float = 3.0
    """The power of lp."""
    entities: float = 0.0
    """Weight of head and tail."""
    relations: float = 0.0
    """Weight of the relation."""

    def __post_init__(self) -> None:
        if not 1 < self.p < math.inf:
            raise ConfigError(f"regulariser.p = {self.p}: must be above 1, to have a slope")
        _not_negative(**{f"regulariser.{x}": getattr(self, x) for x in ("entities", "relations")})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How it is minimised."""

    epochs: int = 30
    """Passes over the training triplets."""
    batch: int = 1024
    """Positives per update."""
    chunk: int = 1024
    """Positives that share one set of negatives."""
    negatives: int = 1024
    """Uniform negatives per chunk."""
    in_batch: bool = False
    """Whether the chunk's own heads and tails are negatives, too, before the uniform ones."""
    filter_negatives: bool = False
    """Whether a negative that makes a training triplet counts as no negative, as in ranking. Takes
    a search for each: worth it on small graphs, where they are many."""
    sides: Literal["both", "alternate"] = "both"
    """both: each negative serves as a wrong head and as a wrong tail; alternate: as a wrong tail in
    one batch, as a wrong head in the next."""
    positives: Literal["uniform", "degree"] = "uniform"
    """uniform: every triplet once per epoch; degree: as many draws with replacement, by GraphVite's
    1 / sqrt(deg(h, r) * deg(t, r))."""
    entity_dropout: float = 0.0
    """Share of the entities' floats that a batch sets to zero."""
    relation_dropout: float = 0.0
    """Share of the relations' floats that a batch sets to zero."""
    optimizer: OptimizerName = "row_adagrad"
    """row_adagrad (one accumulator per row), adagrad (one per float: better on small graphs), sgd
    or adam; each touches the rows of a batch alone."""
    lr: float = 0.2
    """The optimizer's rate for entities."""
    relation_lr: float = 0.2
    """The optimizer's rate for relations."""
    schedule: Literal["constant", "linear", "plateau"] = "linear"
    """linear lowers both rates to 1e-4 of them over the run; plateau when validations stagnate."""
    plateau_factor: float = 0.95
    """plateau: what the rates are multiplied by."""
    plateau_patience: int = 1
    """plateau: validations without improvement that are borne; the next one lowers the rates."""
    validate_epochs: int = 10
    """Epochs between validations; the last epoch is always validated."""
    validate_triplets: int = 1000
    """How many validation triplets a validation ranks: a seeded sample, the same each time."""
    patience: int = 0
    """Stop after so many validations in a row without improvement; 0 never stops early."""
    min_improvement: float = 0.0001
    """By how much a validation MRR must exceed the best one before to count as an improvement."""
    checkpoint_epochs: int = 10
    """Epochs between checkpoints."""
    checkpoint_minutes: float = 15.0
    """A checkpoint is also written at the end of an epoch when the last is so many minutes old."""
    weights: str = ""
    """A TSV file of head, relation, tail, weight by string ids: what training triplets count."""
    tensorboard: bool = False
    """Also write the log for TensorBoard (the extra `tensorboard`)."""
    device: str = "auto"
    """auto takes a GPU where there is one; or cpu, cuda, cuda:N."""
    tables: Literal["auto", "device", "host"] = "auto"
    """Where the tables lie: auto takes host memory where a GPU's is too small for them."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Whether to compile the step; auto does where the run is long enough to repay a minute."""

    def __post_init__(self) -> None:
        _positive(
            epochs=self.epochs,
            batch=self.batch,
            chunk=self.chunk,
            lr=self.lr,
            relation_lr=self.relation_lr,
            checkpoint_epochs=self.checkpoint_epochs,
            validate_epochs=self.validate_epochs,
            checkpoint_minutes=self.checkpoint_minutes,
            validate_triplets=self.validate_triplets,
            plateau_factor=self.plateau_factor,
        )
        _not_negative(
            patience=self.patience,
            min_improvement=self.min_improvement,
            plateau_patience=self.plateau_patience,
        )
        if self.plateau_factor >= 1:
            raise ConfigError(f"train.plateau_factor = {self.plateau_factor}: must be below 1")
        if self.negatives < (0 if self.in_batch else 1):
            raise ConfigError(
                f"train.negatives = {self.negatives}: must be above zero, or zero with "
                "train.in_batch = true"
            )
        for name in ("entity_dropout", "relation_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"train.{name} = {getattr(self, name)}: at least 0, below 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphViteConfig:
    """What GraphVite alone can be told; where 0 lets it choose, its own word is auto."""

    command: str = "graphvite"
    """How it is called: `conda run --no-capture-output -n NAME graphvite` where it has an
    environment of its own."""
    model_file: str = ""
    """A model that GraphVite trained elsewhere, converted in place of training one."""
    gpus: int = 0
    """How many GPUs, the first ones, or 0 for all."""
    cpu_per_gpu: int = 0
    """Threads per GPU, or 0."""
    weight_decay: float = 0.0
    """The pull towards zero of every update."""
    num_partition: int = 0
    """Parts that the entities are cut into, or 0."""
    batch_size: int = 100_000
    """Positives sent to a GPU at once."""
    episode_size: int = 200
    """Batches between exchanges of parts, or 0."""
    sample_batch_size: int = 2000
    """Positives drawn at once."""
    log_frequency: int = 500
    """Batches between two lines of its log."""

    def __post_init__(self) -> None:
        _positive(
            batch_size=self.batch_size,
            sample_batch_size=self.sample_batch_size,
            log_frequency=self.log_frequency,
        )
        _not_negative(
            gpus=self.gpus,
            cpu_per_gpu=self.cpu_per_gpu,
            weight_decay=self.weight_decay,
            num_partition=self.num_partition,
            episode_size=self.episode_size,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One run over one split; saved resolved as RUN/config.yaml."""

    engine: EngineName = "torch"
    """What trains: torch (ours), or a GraphVite installed beside (docs/how-to/graphvite.md)."""
    dataset: str = ""
    """The dataset folder; filled in by the command."""
    dataset_hash: str = ""
    """Its Manifest.dataset_hash, filled in too: the folder may be rebuilt, or moved."""
    weights_hash: str = ""
    """SHA-256 of the file that train.weights names, filled in too."""
    setting: Literal["transductive", "temporal"] = "transductive"
    """Which split to train on: a table has vectors of entities seen in training, and of no others,
    which these two settings ask for alone."""
    start: str = ""
    """A run or embeddings folder whose vectors training starts from; filled in by --from."""
    seed: int = 0
    """Everything random follows from it."""
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    regulariser: RegulariserConfig = field(default_factory=RegulariserConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    graphvite: GraphViteConfig = field(default_factory=GraphViteConfig)
    """Read by engine graphvite alone."""

    def __post_init__(self) -> None:
        if self.model.name == "rotate" and self.regulariser.relations:
            raise ConfigError(
                f"regulariser.relations = {self.regulariser.relations}: RotatE's relations are "
                "turns, which have no size; set it to 0"
            )
        train = self.train
        if self.loss.name != "one_vs_all" and train.batch % train.chunk:
            raise ConfigError(
                f"train.batch = {train.batch} is no multiple of train.chunk = {train.chunk}; "
                "change one of them"
            )
        if self.loss.name == "one_vs_all" and train.in_batch:
            raise ConfigError(
                "train.in_batch = true: with loss.name = one_vs_all every entity is a negative "
                "already; set it to false"
            )
        if self.loss.name == "one_vs_all" and train.filter_negatives:
            raise ConfigError(
                "train.filter_negatives = true: with loss.name = one_vs_all every entity is a "
                "negative, too many to look up; set it to false"
            )
        if not 0 <= self.seed < 1 << 32:
            raise ConfigError(f"seed = {self.seed}: must be at least 0 and below 2^32")


def shipped() -> dict[str, Path]:
    """The configurations that come with the package, by name."""
    return {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}


def find_config(name: str) -> Path:
    """A shipped configuration by name, or a YAML file by path. Raises ConfigError."""
    known = shipped()
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "see `wikidata5m bench list`"
    raise ConfigError(f"unknown configuration {name}; {hint}")


def _not_negative(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ConfigError(f"{name} = {value}: must be zero or above, and finite")


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ConfigError(f"{name} = {value}: must be above zero, and finite")
