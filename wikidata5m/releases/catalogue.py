"""What was released: files, addresses, sizes, hashes; and the counts by which to know a version.

Imports download, errors and schema. docs/how-to/releases.md names the source of every figure; no
test reaches these addresses.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from wikidata5m.download import Checksum, RemoteFile
from wikidata5m.errors import ConfigError
from wikidata5m.schema import PARTS, Part, Setting

Kind = Literal["transductive", "inductive", "text", "alias", "raw"]
Version = Literal["v3", "v3-libkge", "v1-libkge"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
VERSIONS: Final[tuple[Version, ...]] = get_args(Version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One released file: a .tar.gz of `members`, or a .gz when there are none."""

    name: str
    urls: tuple[str, ...]
    members: tuple[str, ...] = ()
    bytes: int | None = None
    sha256: str = ""

    def remote(self, mirrors: tuple[str, ...] = ()) -> RemoteFile:
        """What to fetch; `mirrors` are folders that stand in for the published addresses."""
        own = tuple(f"{mirror.rstrip('/')}/{self.name}" for mirror in mirrors)
        checksum = Checksum(algorithm="sha256", value=self.sha256) if self.sha256 else None
        return RemoteFile(
            name=self.name, urls=own or self.urls, bytes=self.bytes, checksum=checksum
        )


def split_members(setting: Setting) -> dict[Part, str]:
    """The files of one split, as the project named them."""
    return {part: f"wikidata5m_{setting}_{part}.txt" for part in PARTS}


LIBKGE_MEMBERS: Final[dict[Part, str]] = {part: f"{part}.txt" for part in PARTS}
ENTITY_NAMES: Final = "wikidata5m_entity.txt"
RELATION_NAMES: Final = "wikidata5m_relation.txt"

_HUGGING_FACE: Final = (
    "https://huggingface.co/datasets/intfloat/wikidata5m/resolve/"
    "6b2b09672129e280c0c9da97ab58154e9d535e6b"
)
_MANNHEIM: Final = "https://web.informatik.uni-mannheim.de/pi1/kge-datasets"


def _dropbox(key: str, name: str) -> str:
    return f"https://www.dropbox.com/s/{key}/{name}?dl=1"


def _zenodo(record: int, name: str) -> str:
    return f"https://zenodo.org/records/{record}/files/{name}?download=1"


def _v3(
    name: str,
    dropbox: str,
    *,
    zenodo: int | None = None,
    hugging_face: bool = True,
    members: tuple[str, ...] = (),
    size: int | None = None,
    sha256: str = "",
) -> Archive:
    """A file of the final release; the address whose revision is pinned comes first."""
    urls = (
        *([f"{_HUGGING_FACE}/{name}"] if hugging_face else []),
        *([_zenodo(zenodo, name)] if zenodo else []),
        _dropbox(dropbox, name),
    )
    return Archive(name=name, urls=urls, members=members, bytes=size, sha256=sha256)


def _libkge(name: str) -> Archive:
    return Archive(name=name, urls=(f"{_MANNHEIM}/{name}",), members=tuple(LIBKGE_MEMBERS.values()))


ARCHIVES: Final[dict[Version, dict[Kind, Archive]]] = {
    "v3": {
        "transductive": _v3(
            "wikidata5m_transductive.tar.gz",
            "6sbhm0rwo4l73jq",
            zenodo=5546383,
            members=tuple(split_members("transductive").values()),
            size=168_258_214,
            sha256="383160990b41c0905fc03f4a8afbb9b12be1ca3591e026bde6cdc94a59542597",
        ),
        "inductive": _v3(
            "wikidata5m_inductive.tar.gz",
            "csed3cgal3m7rzo",
            zenodo=5546387,
            members=tuple(split_members("inductive").values()),
            size=167_247_416,
            sha256="955081232cc2de859710bfe3a147f7d8314524010fe5f8c420bb74fdfee4f42a",
        ),
        "text": _v3("wikidata5m_text.txt.gz", "7jp4ib8zo3i6m10"),
        "alias": _v3(
            "wikidata5m_alias.tar.gz",
            "lnbhc8yuhit4wm5",
            members=(ENTITY_NAMES, RELATION_NAMES),
            size=197_449_751,
            sha256="0330f580c9f7a57cbad949ac380835fdd2a2e14d96cc0f13fc435401d6b463a8",
        ),
        "raw": _v3("wikidata5m_all_triplet.txt.gz", "563omb11cxaqr83", hugging_face=False),
    },
    "v3-libkge": {"transductive": _libkge("wikidata5m_v3.tar.gz")},
    "v1-libkge": {"transductive": _libkge("wikidata5m.tar.gz")},
}


def archive(kind: Kind, version: Version) -> Archive:
    """The released file. Raises ConfigError when this version has none of the kind."""
    files = ARCHIVES[version]
    if kind not in files:
        raise ConfigError(
            f"version {version} has no {kind} file, only {', '.join(files)}; "
            f"take --version {VERSIONS[0]}"
        )
    return files[kind]


NAMES: Final[dict[str, Version]] = {
    "wikidata5m": "v3",
    "transductive": "v3",
    "inductive": "v3",
    **{f"wikidata5m-{version}": version for version in VERSIONS},
}
"""What `wikidata5m.load` takes for the name of a release; the v3 dataset holds both splits."""


def named(name: str) -> Version:
    """The version that a release's name means. Raises ConfigError with the closest name."""
    if name in NAMES:
        return NAMES[name]
    close = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"releases: {', '.join(NAMES)}"
    raise ConfigError(f"{name!r}: neither a folder nor a release; {hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A version in circulation, by the counts that were published."""

    name: str
    setting: Setting
    triplets: Mapping[str, int]
    """By part. Empty where only rough totals are known."""
    entities: dict[int, str]
    """Published numbers of entities of all parts, and who published each; {} where unknown."""
    relations: int
    part_entities: Mapping[str, int] = field(default_factory=dict)
    part_relations: Mapping[str, int] = field(default_factory=dict)
    about: tuple[int, int] | None = None
    """Roughly so many entities and triplets, within 3%."""

    @property
    def total(self) -> int:
        return sum(self.triplets.values())


EDITIONS: Final = (
    Edition(
        name="v3",
        setting="transductive",
        triplets={"train": 20_614_279, "valid": 5_163, "test": 5_133},
        entities={4_594_485: "the paper"},
        relations=822,
        part_entities={"train": 4_594_149},
    ),
    Edition(
        name="v3",
        setting="inductive",
        triplets={"train": 20_496_514, "valid": 6_699, "test": 6_894},
        entities={4_594_458: "the paper"},
        relations=822,
        part_entities={"train": 4_579_609, "valid": 7_374, "test": 7_475},
        part_relations={"train": 822, "valid": 199, "test": 201},
    ),
    Edition(
        name="v1 (also called v2)",
        setting="transductive",
        triplets={"train": 21_343_681, "valid": 5_357, "test": 5_321},
        entities={4_818_679: "arXiv", 4_818_298: "Dist-KGE's configuration"},
        relations=828,
    ),
    Edition(
        name="GraphVite's temporary version",
        setting="transductive",
        triplets={},
        entities={},
        relations=828,
        about=(5_000_000, 21_000_000),
    ),
)
"""The table of docs/how-to/releases.md."""
