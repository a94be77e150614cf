"""Unpacking: what is expected comes out; what a stranger may have put in does not."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wikidata5m.errors import InputError
from wikidata5m.unpack import Limits, member_names, open_gzip, unpack

GOOD = {"a.txt": b"one\n" * 1000, "b.txt": b"two\n"}


def tar(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for info, body in entries:
            info.size = len(body) if info.isreg() else 0
            packed.addfile(info, io.BytesIO(body))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def good(prefix: str = "") -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(entry(f"{prefix}{name}"), body) for name, body in GOOD.items()]


def zipped(path: Path, *names: str | zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            packed.writestr(name, GOOD.get(Path(str(name)).name, b"x"))
    return path


def written(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("prefix", ["", "./", "wikidata5m/deep/"])
def test_only_the_expected_members_come_out(tmp_path: Path, prefix: str) -> None:
    folder, extra = (entry("folder/", tarfile.DIRTYPE), b""), (entry("._a.txt"), b"junk")
    archive = tar(tmp_path / "x.tar.gz", folder, *good(prefix), extra)
    found = unpack(archive, tmp_path / "out", list(GOOD))
    assert found == {name: tmp_path / "out" / name for name in GOOD}
    assert written(tmp_path / "out") == GOOD
    assert len(member_names(archive)) == 3


def test_a_zip_comes_out_alike(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", "dir/", "dir/a.txt", "dir/b.txt", "other")
    unpack(archive, tmp_path / "out", list(GOOD))
    assert written(tmp_path / "out") == GOOD


@pytest.mark.parametrize(
    "hostile",
    [
        entry("../x"),
        entry("/etc/x"),
        entry("deep/../../x"),
        entry("C:\\x"),
        entry("..\\x"),
        entry("link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("a.txt", tarfile.SYMTYPE, "/etc/passwd"),
        entry("a.txt", tarfile.LNKTYPE, "b.txt"),
        entry("null", tarfile.CHRTYPE),
        entry("disk", tarfile.BLKTYPE),
        entry("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type!r}",
)
def test_a_hostile_tar_is_refused_and_writes_nothing_outside(
    tmp_path: Path, hostile: tarfile.TarInfo
) -> None:
    inside = tmp_path / "in" / "out"
    for n, entries in enumerate([[(hostile, b"")], [*good(), (hostile, b"")]]):
        archive = tar(tmp_path / f"{n}.tar.gz", *entries)
        with pytest.raises(InputError, match=r"refused: .*; do not use this file") as caught:
            unpack(archive, inside, list(GOOD))
        assert repr(hostile.name) in str(caught.value)
    assert [p.name for p in (tmp_path / "in").iterdir() if p != inside] == []
    assert set(written(tmp_path / "in")) <= set(GOOD)
    assert not any(p.is_symlink() for p in inside.rglob("*"))


def test_a_hostile_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    names: list[str | zipfile.ZipInfo] = ["../a.txt", "/a.txt", link]
    for n, name in enumerate(names):
        with pytest.raises(InputError, match="refused"):
            unpack(zipped(tmp_path / f"{n}.zip", name), tmp_path / "out", ["a.txt"])
    assert not (tmp_path / "a.txt").exists()


def zeros_in_tar(path: Path) -> None:
    """10 GB of zeros told in the header; the data itself is not even there."""
    info = entry("a.txt")
    info.size = 10_000_000_000
    path.write_bytes(gzip.compress(info.tobuf() + bytes(1 << 20)))


def zeros_in_zip(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("a.txt", "w") as stream,
    ):
        stream.write(bytes(3 << 20))


@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_zeros_are_refused_by_their_told_size(tmp_path: Path, name: str) -> None:
    make: dict[str, Callable[[Path], None]] = {"x.tar.gz": zeros_in_tar, "x.zip": zeros_in_zip}
    make[name](tmp_path / name)
    with pytest.raises(InputError, match=r"unpacks to .* and more, and 1,000,000 are believable"):
        unpack(tmp_path / name, tmp_path / "out", ["a.txt"], limits=Limits(floor=1_000_000))
    assert written(tmp_path).keys() == {name}


def test_zeros_of_an_unexpected_member_are_refused_by_the_default_limits(tmp_path: Path) -> None:
    zeros_in_tar(tmp_path / "x.tar.gz")
    with pytest.raises(InputError, match="10,000,000,000 bytes and more"):
        unpack(tmp_path / "x.tar.gz", tmp_path / "out", ["b.txt"])


def test_zeros_in_a_gz_are_refused_once_too_many_came(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes(8 << 20)))
    with open_gzip(path, Limits(floor=1 << 20)) as stream:
        for _ in range(4):
            assert len(stream.read(1 << 18)) == 1 << 18
        with pytest.raises(InputError, match="unpacks to more than 1,048,576 bytes"):
            stream.read(1 << 18)


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    folders = [(entry(f"d{n}/", tarfile.DIRTYPE), b"") for n in range(30)]
    archive = tar(tmp_path / "x.tar.gz", *folders, *good())
    with pytest.raises(InputError, match="more than 20 members"):
        unpack(archive, tmp_path / "out", list(GOOD), limits=Limits(members=20))


def test_a_missing_or_repeated_member_is_named(tmp_path: Path) -> None:
    archive = tar(tmp_path / "x.tar.gz", *good())
    with pytest.raises(InputError, match=r"lacks c.txt \(it holds: a.txt, b.txt\)"):
        unpack(archive, tmp_path / "out", ["c.txt"])
    archive = tar(tmp_path / "y.tar.gz", *good(), *good("again/"))
    with pytest.raises(InputError, match=r"'again/a\.txt': refused: the second member"):
        unpack(archive, tmp_path / "out", list(GOOD))


def test_damage_is_told_as_such(tmp_path: Path) -> None:
    whole = tar(tmp_path / "x.tar.gz", *good()).read_bytes()
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # the checksum behind the last member
    for n, content in enumerate([whole[:-30], whole[: len(whole) // 2], bytes(flipped), b"<html>"]):
        path = tmp_path / f"{n}.tar.gz"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"cut or damaged .*; download it again"):
            unpack(path, tmp_path / "out", list(GOOD))
    path = tmp_path / "y.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match="cut or damaged"):
        unpack(path, tmp_path / "out", list(GOOD))
