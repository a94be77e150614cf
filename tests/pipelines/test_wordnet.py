"""WordNet's files as a dataset: a tiny one made here, and the real one against nltk where it is."""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import ujson
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.wordnet.cli import DEBIAN
from pipelines.wordnet.make import WordNetConfig, make_wordnet
from pipelines.wordnet.read import WordNet, read_wordnet
from pipelines.wordnet.relations import RELATIONS
from pipelines.wordnet.tables import Graph, make_graph
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import InputError
from wikidata5m.verify import verify

LICENCE = "  1 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  \n"

NOUNS = {
    "00000100": '03 n 01 entity 0 001 ~ 00000200 n 0000 | that which is; "every entity"  ',
    "00000200": (
        "05 n 02 dog 0 domestic_dog 0 003 @ 00000100 n 0000 #m 00000300 n 0000 "
        "+ 00000100 v 0101 | a member of the genus Canis"
    ),
    "00000300": "14 n 01 pack 0 002 %m 00000200 n 0000 -c 00000200 n 0000 | hunting animals",
    "00000400": "05 n 01 Dog 1 001 @i 00000200 n 0000 | a constellation",
}
VERBS = {
    "00000100": (
        "38 v 02 chase 0 dog 0 003 + 00000200 n 0101 + 00000200 n 0102 + 00000200 n 0201 "
        "01 + 08 00 | go after"
    )
}
ADJECTIVES = {
    "00000100": "00 a 01 doggy(a) 0 002 & 00000200 a 0000 \\ 00000200 n 0101 | like a dog",
    "00000200": "00 s 01 canine 0 001 & 00000100 a 0000 |  ",
}
INDEX = {
    "noun": {
        "entity": ["00000100"],
        "dog": ["00000200", "00000400"],
        "domestic_dog": ["00000200"],
        "pack": ["00000300"],
    },
    "verb": {"chase": ["00000100"], "dog": ["00000100"]},
    "adj": {"doggy": ["00000100"], "canine": ["00000200"]},
    "adv": {},
}


def write(folder: Path, **lines: dict[str, str]) -> Path:
    """The tiny WordNet; `lines` replaces what a data file holds, by its ending."""
    folder.mkdir()
    data = {"noun": NOUNS, "verb": VERBS, "adj": ADJECTIVES, "adv": {}} | lines
    for ending, synsets in data.items():
        text = "".join(f"{offset} {rest}\n" for offset, rest in synsets.items())
        (folder / f"data.{ending}").write_text(LICENCE + text)
        words = "".join(
            f"{word} n {len(offsets)} 1 @ {len(offsets)} 0 {' '.join(offsets)}  \n"
            for word, offsets in INDEX[ending].items()
        )
        (folder / f"index.{ending}").write_text(LICENCE + words)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write(tmp_path / "wordnet")


def triplets(wordnet: WordNet, *, lemmas: bool) -> set[tuple[str, str, str]]:
    return named(make_graph(wordnet, lemmas=lemmas))


def named(graph: Graph) -> set[tuple[str, str, str]]:
    ids, names = graph.entities["entity"], graph.relations["relation"]
    return {(ids[int(h)], names[int(r)], ids[int(t)]) for h, r, t in graph.triplets}


def test_synsets_are_named_by_their_first_words_sense(tiny: Path) -> None:
    wordnet = read_wordnet(tiny)
    assert wordnet.version == "3.0"
    assert [synset.name for synset in wordnet.synsets.values()] == [
        *("entity.n.01", "dog.n.01", "pack.n.01", "dog.n.02"),
        *("chase.v.01", "doggy.a.01", "canine.s.01"),
    ]
    assert wordnet.synsets["a", 100].words == ("doggy",)
    assert wordnet.synsets["n", 100].gloss == 'that which is; "every entity"'


def test_words_are_nodes_and_inverses_one_statement(tiny: Path) -> None:
    of_words = {
        (synset.name, "lemma", f"{synset.name}.{word}")
        for synset in read_wordnet(tiny).synsets.values()
        for word in synset.words
    }
    assert triplets(read_wordnet(tiny), lemmas=True) == of_words | {
        ("dog.n.01", "hypernym", "entity.n.01"),
        ("dog.n.02", "instance_hypernym", "dog.n.01"),
        ("dog.n.01", "member_holonym", "pack.n.01"),
        # Stated by pack's pointer alone, and turned round.
        ("dog.n.01", "domain_topic", "pack.n.01"),
        ("dog.n.01.dog", "derivationally_related_form", "chase.v.01.chase"),
        ("chase.v.01.chase", "derivationally_related_form", "dog.n.01.dog"),
        ("chase.v.01.chase", "derivationally_related_form", "dog.n.01.domestic_dog"),
        ("chase.v.01.dog", "derivationally_related_form", "dog.n.01.dog"),
        ("doggy.a.01", "similar_to", "canine.s.01"),
        ("canine.s.01", "similar_to", "doggy.a.01"),
        ("doggy.a.01.doggy", "pertainym", "dog.n.01.dog"),
    }
    graph = make_graph(read_wordnet(tiny), lemmas=True)
    assert graph.drops == {"duplicate_statement": 0, "inverse_statement": 2}
    assert graph.counts == {"synsets": 7, "lemmas": 9, "pointers": 13}


def test_without_words_what_is_said_of_them_joins_their_synsets(tiny: Path) -> None:
    assert triplets(read_wordnet(tiny), lemmas=False) == {
        ("dog.n.01", "hypernym", "entity.n.01"),
        ("dog.n.02", "instance_hypernym", "dog.n.01"),
        ("dog.n.01", "member_holonym", "pack.n.01"),
        ("dog.n.01", "domain_topic", "pack.n.01"),
        ("dog.n.01", "derivationally_related_form", "chase.v.01"),
        ("chase.v.01", "derivationally_related_form", "dog.n.01"),
        ("doggy.a.01", "similar_to", "canine.s.01"),
        ("canine.s.01", "similar_to", "doggy.a.01"),
        ("doggy.a.01", "pertainym", "dog.n.01"),
    }
    drops = make_graph(read_wordnet(tiny), lemmas=False).drops
    assert drops == {"duplicate_statement": 2, "inverse_statement": 2}


def run(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_a_dataset_has_names_texts_types_and_splits(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    shown = run("wordnet", "--wordnet", tiny, "--out", out).stdout
    assert "inverse_statement" in shown
    dataset = Dataset(out)
    assert verify(dataset) == []
    rows = {row["entity"]: row for row in dataset.entities.to_dicts()}
    assert dataset.entities["entity"].is_sorted()
    dog, word = rows["dog.n.01"], rows["dog.n.01.domestic_dog"]
    assert (dog["label"], dog["aliases"]) == ("dog", ["dog", "domestic dog"])
    assert (dog["types"], word["types"]) == (["synset", "n"], ["lemma", "n"])
    assert word["label"] == "domestic dog"
    texts = pl.read_parquet(out / "descriptions" / "*.parquet")
    text = {dataset.entities["entity"][row["index"]]: row["text"] for row in texts.to_dicts()}
    assert text["entity.n.01"] == 'entity: that which is; "every entity"'
    assert text["dog.n.01.domestic_dog"] == "domestic dog: a member of the genus Canis"
    # A satellite without a gloss, and its word.
    assert dataset.manifest.departures["entity_without_text"] == 2
    assert dataset.relations.filter(pl.col("relation") == "member_holonym").to_dicts() == [
        {
            "relation": "member_holonym",
            "label": "member holonym",
            "description": "the group or class that the head is a member of",
            "aliases": ["member holonym"],
        }
    ]
    assert dataset.manifest.config["wordnet"] == "3.0"
    assert len(dataset.manifest.sources) == 8


def test_the_same_seed_gives_the_same_dataset(tiny: Path, tmp_path: Path) -> None:
    config = WordNetConfig(lemmas=False, seed=3)
    hashes = [make_wordnet(tiny, tmp_path / n, config).dataset_hash for n in ("a", "b")]
    assert hashes[0] == hashes[1]


def test_files_may_lie_in_a_folder_dict(tiny: Path, tmp_path: Path) -> None:
    shutil.move(tiny, tmp_path / "WordNet-3.0" / "dict")
    assert len(read_wordnet(tmp_path / "WordNet-3.0").synsets) == 7


def test_json_and_no_lemmas(tiny: Path, tmp_path: Path) -> None:
    words = ["wordnet", "--wordnet", tiny, "--out", tmp_path / "data", "--no-lemmas", "--json"]
    assert ujson.loads(run(*words).stdout)["counts"]["entities"] == 7


@pytest.mark.parametrize("name", ["data.verb", "index.adv"])
def test_a_missing_file_is_named_with_the_package_that_has_it(
    name: str, tiny: Path, tmp_path: Path
) -> None:
    (tiny / name).unlink()
    refused = run("wordnet", "--wordnet", tiny, "--out", tmp_path / "data", code=1)
    assert f"{name}: no such file; run apt-get install wordnet-base" in refused.stderr
    assert not (tmp_path / "data" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("03 n 01 entity 0 001 ~ 00000200 n 0000", "line 2: no line of a synset"),
        ("03 n 01 entity 0 002 ~ 00000200 n 0000 | cut", "line 2: no line of a synset"),
        ("03 n 02 entity 0 000 | words missing", "line 2: no line of a synset"),
        ("03 n 00 000 | no word", "line 2: no line of a synset"),
        ("03 v 01 entity 0 000 | no noun", "line 2: no line of a synset"),
        ("03 n 01 entity 0 001 ~ x n 0000 | letters", "line 2: no line of a synset"),
        ("03 n 02 entity 0 entity 1 000 | ", "a word stands twice"),
        ("03 n 01 being 0 000 | ", "being has no sense 00000100 in index.noun"),
        ("03 n 01 entity 0 001 ? 00000200 n 0000 | ", "unknown pointer ?"),
        ("03 n 01 entity 0 001 ~ 00000999 n 0000 | ", "word 0 of synset 00000999 n, which there"),
        ("03 n 01 entity 0 001 + 00000200 n 0103 | ", "word 3 of synset 00000200 n, which there"),
    ],
)
def test_a_damaged_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "wordnet", noun=NOUNS | {"00000100": line})
    with pytest.raises(InputError) as refused:
        read_wordnet(folder)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("index.noun", "dog n 2 1 @ 2 0 00000200  \n", "1 senses of dog, 2 announced"),
        ("index.noun", "dog n two\n", "no line of a word's senses"),
        ("data.noun", "00000100 03 n 01 entity 0 000 | a\n" * 2, "a second synset 00000100"),
        ("data.noun", "\xff", "not UTF-8"),
    ],
)
def test_a_damaged_file_is_named(name: str, text: str, message: str, tiny: Path) -> None:
    (tiny / name).write_bytes(text.encode("latin1"))
    with pytest.raises(InputError, match=message):
        read_wordnet(tiny)


@given(data=st.data())
@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_cut_or_changed_files_are_never_a_traceback(data: st.DataObject, tiny: Path) -> None:
    path = tiny / data.draw(st.sampled_from(["data.noun", "data.verb", "index.noun", "index.adj"]))
    whole = path.read_bytes()
    changed = bytearray(whole)
    at = data.draw(st.integers(len(LICENCE), len(whole) - 1))
    if data.draw(st.booleans()):
        del changed[at:]
    else:
        changed[at] = data.draw(st.integers(0, 255))
    path.write_bytes(changed)
    try:
        with contextlib.suppress(InputError):
            make_graph(read_wordnet(tiny), lemmas=True)
    finally:
        path.write_bytes(whole)


def test_a_wordnet_without_relations_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "wordnet", noun={}, verb={}, adj={})
    refused = run("wordnet", "--wordnet", folder, "--no-lemmas", "--out", tmp_path / "d", code=1)
    assert "states no relation" in refused.stderr


def test_finished_work_is_not_overwritten_unasked(tiny: Path, tmp_path: Path) -> None:
    words = ["wordnet", "--wordnet", tiny, "--out", tmp_path / "data"]
    run(*words)
    assert "pass --overwrite" in run(*words, code=1).stderr
    run(*words, "--overwrite")
    assert (
        "would delete"
        in run("wordnet", "--wordnet", tiny, "--out", tiny, "--overwrite", code=1).stderr
    )
    assert (tiny / "data.noun").is_file()


real = pytest.mark.skipif(
    not (DEBIAN / "data.noun").is_file(), reason="Debian's package wordnet-base is not installed"
)


@pytest.fixture(scope="module")
def debian() -> WordNet:
    return read_wordnet(DEBIAN)


@pytest.fixture(scope="module")
def whole(debian: WordNet) -> Graph:
    return make_graph(debian, lemmas=True)


@real
def test_wordnet_3_is_whole(debian: WordNet, whole: Graph) -> None:
    assert debian.version == "3.0"
    assert len(debian.synsets) == 117_659
    assert whole.counts == {"synsets": 117_659, "lemmas": 206_978, "pointers": 377_592}
    assert whole.entities["entity"].n_unique() == whole.entities.height == 324_637
    assert whole.descriptions.height == whole.entities.height
    # Every inverse pointer repeats what the forward one states.
    assert whole.drops == {"duplicate_statement": 9, "inverse_statement": 129_243}
    assert len(whole.triplets) + 9 + 129_243 == 377_592 + 206_978


@pytest.fixture(scope="module")
def nltk_reader(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """nltk's reader over a copy: it wants a file that Debian leaves out, in a folder it knows."""
    nltk = pytest.importorskip("nltk")
    from nltk.corpus.reader import WordNetCorpusReader

    class Reader(WordNetCorpusReader):  # type: ignore[misc]
        def map_wn(self, version: str = "wordnet") -> None:
            return None

    folder = tmp_path_factory.mktemp("nltk") / "wordnet"
    folder.mkdir()
    for path in DEBIAN.glob("*.*"):
        shutil.copy(path, folder)
    names = "".join(f"{i:02} lexicographer.{i} 1\n" for i in range(45))
    (folder / "lexnames").write_text(names)
    nltk.data.path.append(str(folder.parent))
    with pytest.warns(UserWarning, match="multilingual"):
        return Reader(str(folder), None)


@real
def test_a_sample_is_as_nltk_reads_it(debian: WordNet, whole: Graph, nltk_reader: Any) -> None:
    stated: dict[str, set[tuple[str, str]]] = {}
    for head, relation, tail in named(whole):
        stated.setdefault(head, set()).add((relation, tail))
    for pos, offset in random.Random(0).sample(list(debian.synsets), 1000):
        synset = debian.synsets[pos, offset]
        theirs = nltk_reader.synset_from_pos_and_offset(pos, offset)
        # nltk 3.10 numbers satellites apart; WordNet's own sense is that among all adjectives.
        if synset.kind != "s":
            assert synset.name == theirs.name()
        assert synset.words == tuple(theirs.lemma_names())
        assert synset.kind == theirs.pos()
        # nltk cuts examples out of the gloss and leaves what stands between them.
        assert synset.gloss.startswith(" ".join(theirs.definition().partition(";")[0].split()))
        assert all(" ".join(example.split()) in synset.gloss for example in theirs.examples())
        nodes = [theirs, *theirs.lemmas()]
        names = [synset.name, *(f"{synset.name}.{lemma.name()}" for lemma in theirs.lemmas())]
        for node, name in zip(nodes, names, strict=True):
            assert stated.get(name, set()) == related(node, debian)


def related(node: Any, wordnet: WordNet) -> set[tuple[str, str]]:
    """What nltk says of a synset or lemma by the relations that are kept, in our names."""
    found = {
        (relation, name_of(other, wordnet))
        for symbol, (relation, _) in RELATIONS.items()
        for other in node._related(symbol)
    }
    if hasattr(node, "lemmas"):
        found |= {("lemma", name_of(lemma, wordnet)) for lemma in node.lemmas()}
    return found


def name_of(node: Any, wordnet: WordNet) -> str:
    synset = node if hasattr(node, "lemmas") else node.synset()
    pos = "a" if synset.pos() == "s" else synset.pos()
    name = wordnet.synsets[pos, synset.offset()].name
    return name if synset is node else f"{name}.{node.name()}"
