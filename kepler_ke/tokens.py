"""Token ids of many texts, tokenised once into memory-mapped files, and put together as asked.

Imports numpy, torch, transformers, kepler_ke.config, kepler_ke.quiet and wikidata5m.

    FOLDER/ids.bin    the ids of all texts end to end, without special tokens (uint16 or uint32)
    FOLDER/start.npy  text i is ids[start[i] : start[i + 1]]
    FOLDER/meta.json  how many texts there are, the type of an id, and what the writer wants to say

What an encoder reads is named by a key: an entity's text, a relation's, or an entity's followed by
a relation's (Eq. 5). Shapes: N texts, M or B keys of a batch, T tokens, E entities, R relations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from kepler_ke.config import KeplerConfig
from kepler_ke.quiet import quiet
from wikidata5m.console import log, progress
from wikidata5m.corpus import Corpus, is_corpus
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError, InputError
from wikidata5m.files import read_json, sha256, write_json
from wikidata5m.kept import damaged, kept_folder, writing

Indices = npt.NDArray[np.int64]

META: Final = "meta.json"
NONE: Final = -1
"""In place of an entity or a relation in a key: the text has no such piece."""
INVERSE: Final = "inverse of: "
"""What an inverse relation's text starts with."""
_STEP: Final = 4096
_PART: Final = 1 << 16
"""Characters of a text that are tokenised at once."""
_SMALL: Final = 1 << 16


class Tokens(Protocol):
    """The token ids of N texts, without special tokens."""

    def __len__(self) -> int:
        """N."""

    def lengths(self, rows: Indices) -> Indices:
        """Tokens of each text."""

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        """The ids of one text."""


class OneText:
    """The token ids of a single text that is in no file: row 0."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = np.array(ids, dtype=np.int64)

    def __len__(self) -> int:
        return 1

    def lengths(self, rows: Indices) -> Indices:
        """See Tokens."""
        return np.full(len(rows), len(self.ids), dtype=np.int64)

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        return self.ids


class TokenFile:
    """The token ids of N texts, read from disk as they are asked for.

    Raises KeptError on a folder that is damaged.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self.meta: dict[str, Any] = read_json(folder / META)
            self.start: Indices = np.load(folder / "start.npy", mmap_mode="r")
            kind: np.dtype[Any] = np.dtype(str(self.meta["dtype"]))
            total = int(self.start[-1])
            # An empty file cannot be mapped.
            self.ids: npt.NDArray[Any] = (
                np.memmap(folder / "ids.bin", dtype=kind, mode="r", shape=(total,))
                if total
                else np.zeros(0, dtype=kind)
            )
        except (InputError, KeyError, OSError, ValueError, EOFError) as error:
            raise damaged(folder, error) from None

    def __len__(self) -> int:
        return len(self.start) - 1

    def lengths(self, rows: Indices) -> Indices:
        """Tokens of each text."""
        return np.asarray(self.start[rows + 1] - self.start[rows])

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        return self.ids[self.start[row] : self.start[row + 1]]


def write_tokens(
    folder: Path, texts: Iterable[Sequence[int]], vocabulary: int, meta: Mapping[str, object]
) -> None:
    """Write the token ids of `texts` into `folder`; `meta` is read when all are written."""
    kind: np.dtype[Any] = np.dtype("uint16" if vocabulary <= _SMALL else "uint32")
    starts = [0]
    with writing(folder), (folder / "ids.bin").open("wb") as stream:
        for ids in texts:
            stream.write(np.asarray(ids, dtype=kind).tobytes())
            starts.append(starts[-1] + len(ids))
    with writing(folder):
        np.save(folder / "start.npy", np.array(starts, dtype=np.int64))
        write_json(folder / META, {"dtype": kind.name, **meta})


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The special tokens around a text's own, and how many there may be in all."""

    first: int
    between: int
    padding: int
    tokens: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, tokens: int) -> Layout:
        """Raises ConfigError when the tokenizer does not put one token before and one after."""
        first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
        plain = tokenizer("a word", add_special_tokens=False)["input_ids"]
        if (
            first is None
            or last is None
            or tokenizer("a word")["input_ids"] != [first, *plain, last]
        ):
            raise ConfigError(
                "the encoder's tokenizer does not write <s> text </s>; name an encoder of the BERT "
                "or RoBERTa kind"
            )
        return cls(first=first, between=last, padding=int(tokenizer.pad_token_id), tokens=tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Every text of one graph that an encoder may be asked to read, by its key."""

    entities: Tokens
    """Row i is entity i of the dataset."""
    relations: tuple[npt.NDArray[np.int64], ...]
    """(2 R) the relations' texts, then those of their inverses."""
    layout: Layout
    labels_only: int = 0
    """How many of all entities have no description and stand for their label."""
    sizes: Indices = field(init=False)
    """(1 + 2 R) tokens of no relation, then of each."""

    def __post_init__(self) -> None:
        """Measure the relations once: lengths are asked for several times a batch."""
        object.__setattr__(self, "sizes", np.array([0, *map(len, self.relations)]))

    def keys(
        self,
        entity: npt.NDArray[np.integer] | int,
        relation: npt.NDArray[np.integer] | int = NONE,
    ) -> Indices:
        """The key of an entity's text, with a relation's behind it, or a relation's alone."""
        width = len(self.relations) + 1
        keys: Indices = (np.asarray(entity, dtype=np.int64) + 1) * width
        return np.asarray(keys + np.asarray(relation, dtype=np.int64) + 1)

    def pieces(self, keys: Indices) -> tuple[Indices, Indices]:
        """The entity and the relation of each key; NONE where it has no such piece."""
        entity, relation = np.divmod(keys, len(self.relations) + 1)
        return entity - 1, relation - 1

    def lengths(self, keys: Indices) -> Indices:
        """Tokens of each text, the special ones included."""
        entity_B, relation_B = self._cut(keys)
        return entity_B + relation_B + 2 + ((entity_B > 0) & (relation_B > 0))

    def batch(self, keys: Indices) -> tuple[Tensor, Tensor]:
        """Token ids (B, T) padded to the longest of these texts, and which of them are tokens."""
        length_B = self.lengths(keys)
        mask_BT = np.arange(length_B.max(initial=0)) < length_B[:, None]
        ids_BT = np.full(mask_BT.shape, self.layout.padding, dtype=np.int64)
        for row, ids in enumerate(self._read(keys)):
            ids_BT[row, : len(ids)] = ids
        return torch.from_numpy(ids_BT), torch.from_numpy(mask_BT)

    def buckets(self, keys: Indices, size: int) -> Iterator[tuple[Indices, Tensor, Tensor]]:
        """The texts by length, `size` at a time: (places in `keys`, ids, mask); little padding."""
        order = np.argsort(-self.lengths(keys), kind="stable")
        for start in range(0, len(order), size):
            places = order[start : start + size]
            yield places, *self.batch(keys[places])

    def _cut(self, keys: Indices) -> tuple[Indices, Indices]:
        """How many tokens of each piece fit: a relation's may take half when both are there."""
        entity_B, relation_B = self.pieces(keys)
        have_B = self.entities.lengths(np.maximum(entity_B, 0)) * (entity_B != NONE)
        said_B = self.sizes[relation_B + 1]
        room = self.layout.tokens - 2
        both_B = (have_B > 0) & (said_B > 0)
        said_B = np.minimum(said_B, np.where(both_B, (room - 1) // 2, room))
        return np.minimum(have_B, room - np.where(both_B, said_B + 1, 0)), said_B

    def _read(self, keys: Indices) -> Iterator[npt.NDArray[np.int64]]:
        """<s> entity </s>, <s> relation </s>, or <s> entity </s> relation </s>."""
        first, between = np.array([self.layout.first]), np.array([self.layout.between])
        pieces = (x.tolist() for x in (*self.pieces(keys), *self._cut(keys)))
        for entity, relation, have, said in zip(*pieces, strict=True):
            parts = [first]
            if have:
                parts += [self.entities[entity][:have].astype(np.int64), between]
            if said:
                parts += [self.relations[relation][:said], between]
            yield np.concatenate(parts if len(parts) > 1 else [first, between])


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedTexts:
    """The texts of the masked-language-model loss: some rows of a token file."""

    tokens: Tokens
    rows: Indices
    """(N,) which texts may be drawn; all of them belong to training."""
    layout: Layout

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, places: Indices) -> tuple[Tensor, Tensor]:
        """As Texts.batch, of the texts at these places of `rows`."""
        texts = Texts(entities=self.tokens, relations=(), layout=self.layout)
        return texts.batch(texts.keys(self.rows[places]))


def graph_texts(
    tokenizer: PreTrainedTokenizerBase, dataset: Dataset, config: KeplerConfig
) -> Texts:
    """The texts of a dataset, tokenised once for all runs with this tokenizer and layout.

    Raises DatasetError on entities without description where the settings refuse them, ConfigError
    on a tokenizer of another kind.
    """
    layout = Layout.of(tokenizer, config.tokens)
    entities, labels_only = entity_tokens(tokenizer, dataset, config)
    if labels_only:
        log(f"{labels_only:,} of {len(entities):,} entities have no description: label used")
    return Texts(
        entities=entities,
        labels_only=labels_only,
        relations=tuple(
            np.array(tokenizer(text, add_special_tokens=False)["input_ids"], dtype=np.int64)
            for text in relation_texts(dataset, config)
        ),
        layout=layout,
    )


def entity_tokens(
    tokenizer: PreTrainedTokenizerBase, dataset: Dataset, config: KeplerConfig
) -> tuple[TokenFile, int]:
    """The entities' tokens, and how many have no description. Raises DatasetError: graph_texts."""
    said = (fingerprint(tokenizer), dataset.manifest.dataset_hash, config.text, config.tokens)
    write = partial(_write_entities, tokenizer, dataset, config)
    found = TokenFile(kept_folder("tokens", _key(*said), dataset.path, write))
    labels_only = int(found.meta["labels_only"])
    if labels_only and config.missing_text == "refuse":
        raise DatasetError(
            f"{dataset.path}: {labels_only:,} of {len(found):,} entities have no description; "
            "add texts, or pass --set missing_text=label to read their labels"
        )
    return found, labels_only


def relation_texts(dataset: Dataset, config: KeplerConfig) -> list[str]:
    """What each relation is told as, (R), and then each inverse, (R).

    A relation without a description is told by its label, and without both by its id.
    """
    rows = dataset.relations.select("relation", "label", "description").iter_rows()
    told = [
        (description if config.relation_text == "description" else "") or label or name
        for name, label, description in rows
    ]
    return [*told, *(INVERSE + text for text in told)]


def entity_text(label: str, description: str, config: KeplerConfig) -> str:
    """What an entity is told as, by the setting `text`."""
    if not description.strip():
        return label
    if config.text == "description" or description.startswith(label):
        return description
    return f"{label}: {description}"


def corpus_tokens(
    tokenizer: PreTrainedTokenizerBase, path: Path, digest: str, tokens: int
) -> TokenFile:
    """A corpus for the masked-language-model loss, each text cut into pieces of `tokens` tokens.

    A long text, such as a book, is tokenised in parts, for a tokenizer takes 180 bytes a character
    meanwhile. `path` is a folder that `wikidata5m corpus` wrote, or one of *.txt files;
    `digest` is its `corpus_hash`. Tokenised once.
    Raises DatasetError when it holds no text, InputError on a file that is not UTF-8.
    """
    size = tokens - 2

    def pieces() -> Iterator[list[int]]:
        corpus = Corpus(path) if is_corpus(path) else None
        if corpus:
            total = corpus.manifest.counts["characters"]
        else:
            total = sum(file.stat().st_size for file in _text_files(path))
        parts = (part for text in corpus or _read_files(path) for part in _parts(text))
        done = 0
        with progress("tokenize", total, "characters" if corpus else "bytes") as update:
            while step := list(islice(parts, _STEP // 16)):
                for ids in _ids(tokenizer, step):
                    yield from (ids[start : start + size] for start in range(0, len(ids), size))
                done += sum(len(part if corpus else part.encode()) for part in step)
                update(done)

    def write(folder: Path) -> None:
        write_tokens(folder, pieces(), len(tokenizer), {})

    key = _key(fingerprint(tokenizer), digest, tokens, _PART)
    found = TokenFile(kept_folder("tokens", key, path, write))
    if not len(found):
        raise DatasetError(
            f"{path}: holds no text; name a folder that `wikidata5m corpus` wrote, or one of "
            "*.txt files"
        )
    return found


def _parts(text: str) -> Iterator[str]:
    """The text whole, or, where it is long, cut behind blank lines, else lines, else words."""
    start = 0
    while len(text) - start > _PART:
        end = start + _PART
        ends = (text.rfind(mark, start, end) + len(mark) for mark in ("\n\n", "\n", " "))
        end = next((each for each in ends if each > start + 2), end)
        yield text[start:end]
        start = end
    yield text[start:]


def corpus_hash(path: Path) -> str:
    """What tells a corpus from another: its texts and their order, wherever it lies."""
    if is_corpus(path):
        files = sorted(Corpus(path).manifest.files.items())
        told = repr([(name, file.sha256) for name, file in files])
    else:
        told = repr([sha256(file) for file in _text_files(path)])
    return hashlib.sha256(told.encode()).hexdigest()


def _text_files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*.txt") if file.is_file())


def _read_files(path: Path) -> Iterator[str]:
    for file in _text_files(path):
        try:
            yield file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                file, "not UTF-8", fix="write it as UTF-8", where=f"byte {error.start:,}"
            ) from None
        except OSError as error:
            raise InputError(file, error.strerror or "unreadable", fix="check the file") from None


def fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of what decides a text's tokens."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        files = ("_file", "_path")
        settings = tokenizer.init_kwargs.items()
        how = sorted((name, repr(x)) for name, x in settings if not name.endswith(files))
        told = repr((type(tokenizer).__name__, how, sorted(tokenizer.get_vocab().items())))
    else:
        backend.no_truncation()
        backend.no_padding()
        told = backend.to_str()
    return hashlib.sha256(told.encode()).hexdigest()


def _write_entities(
    tokenizer: PreTrainedTokenizerBase, dataset: Dataset, config: KeplerConfig, folder: Path
) -> None:
    texts, labels = dataset.texts, dataset.entity_labels
    meta: dict[str, Any] = {"labels_only": 0}

    def tokens() -> Iterator[list[int]]:
        with progress("tokenize", len(texts), "texts") as update:
            for first in range(0, len(texts), _STEP):
                rows = range(first, min(first + _STEP, len(texts)))
                told = texts.take(rows)
                meta["labels_only"] += sum(not text.strip() for text in told)
                step = [entity_text(labels[i], t, config) for i, t in zip(rows, told, strict=True)]
                yield from (ids[: config.tokens] for ids in _ids(tokenizer, step))
                update(rows.stop)

    write_tokens(folder, tokens(), len(tokenizer), meta)


def _ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    with quiet():  # that a text is longer than the model takes is what cutting is for
        encoded = tokenizer(texts, add_special_tokens=False, return_attention_mask=False)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def _key(*said: object) -> str:
    """Of all that these tokens depend on."""
    return hashlib.sha256(repr(said).encode()).hexdigest()[:24]
