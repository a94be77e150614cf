"""GraphVite's pickles read and its vectors converted, against plain readers of its layout."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.config import ModelConfig
from benchmarks.engines.graphvite.convert import convert
from benchmarks.engines.graphvite.unpickle import read_model
from benchmarks.scorers import SCORERS, ModelName
from tests.benchmarks.graphvite_files import DIM, MARGIN, EasyDict, model_of, save, score
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError, InputError

MODELS = sorted(SCORERS)


def shuffled(dataset: Dataset, seed: int = 0) -> EasyDict:
    """A model of all entities and relations, in an order that is not the dataset's."""
    rng = np.random.default_rng(seed)
    names = [
        [str(name) for name in rng.permutation(frame[kind].to_numpy())]
        for kind, frame in (("entity", dataset.entities), ("relation", dataset.relations))
    ]
    return model_of(names[0], names[1], seed=seed)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("protocol", [4, 5])
def test_converted_vectors_score_as_graphvite_scores(
    name: ModelName, protocol: int, small: Dataset, tmp_path: Path
) -> None:
    model = shuffled(small)
    path = save(model, tmp_path / "model.pkl", protocol)
    config = ModelConfig(name=name, dim=DIM, gamma=MARGIN.get(name, 0.0), p=1)
    entities, relations, matched = convert(read_model(path), small, config, path, seed=0)
    assert all(how.without_vector == how.foreign == 0 for how in matched.values())
    scorer = SCORERS[name](gamma=config.gamma, p=1)
    h, r, t = small.triplets("transductive", "test").T.astype(np.int64)
    ours = scorer.score_triplets(entities[h], relations[r], entities[t])
    graph, solver = model["graph"], model["solver"]
    ids, names = small.entities["entity"], small.relations["relation"]
    for i, value in enumerate(ours.tolist()):
        head, tail = (
            solver["entity_embeddings"][graph["entity2id"][ids[int(x[i])]]] for x in (h, t)
        )
        relation = solver["relation_embeddings"][graph["relation2id"][names[int(r[i])]]]
        assert value == pytest.approx(score(name, head, relation, tail), abs=2e-5)


def test_the_unused_half_of_a_phase_vector_may_hold_anything(
    small: Dataset, tmp_path: Path
) -> None:
    model = shuffled(small)
    model["solver"]["relation_embeddings"][:, DIM // 2 :] = np.nan
    path = save(model, tmp_path / "model.pkl")
    config = ModelConfig(name="rotate", dim=DIM)
    _, relations, _ = convert(read_model(path), small, config, path, seed=0)
    assert relations.shape == (small.num_relations, DIM // 2)
    with pytest.raises(InputError, match="not finite"):
        convert(read_model(path), small, ModelConfig(name="simple", dim=DIM), path, seed=0)


def test_names_that_do_not_meet_are_counted_and_drawn_anew(small: Dataset, tmp_path: Path) -> None:
    ids = small.entities["entity"].to_list()
    model = model_of([*reversed(ids[3:]), "Q-foreign"], small.relations["relation"].to_list())
    path = save(model, tmp_path / "model.pkl")
    config = ModelConfig(name="transe", dim=DIM, gamma=8, p=1)
    entities, _, matched = convert(read_model(path), small, config, path, seed=7)
    assert (matched["entities"].without_vector, matched["entities"].foreign) == (3, 1)
    assert (matched["relations"].without_vector, matched["relations"].foreign) == (0, 0)
    held = model["solver"]["entity_embeddings"]
    assert np.array_equal(entities[3:].numpy(), held[:-1][::-1])
    drawn = entities[:3]
    assert bool((drawn.abs() <= 8 / DIM).all())
    assert drawn.unique().numel() == drawn.numel()
    again, _, _ = convert(read_model(path), small, config, path, seed=7)
    assert torch.equal(again, entities)


def test_a_model_of_another_dataset_is_refused(small: Dataset, tmp_path: Path) -> None:
    path = save(model_of(["a", "b"], ["r"]), tmp_path / "model.pkl")
    config = ModelConfig(name="transe", dim=DIM, p=1)
    with pytest.raises(DatasetError, match="no entities in common"):
        convert(read_model(path), small, config, path, seed=0)


def test_vectors_that_a_model_cannot_have_are_refused(small: Dataset, tmp_path: Path) -> None:
    ids, relations = small.entities["entity"].to_list(), small.relations["relation"].to_list()
    path = save(model_of(ids, relations, dim=6), tmp_path / "model.pkl")
    with pytest.raises(InputError, match="vectors of 6 floats, which quate cannot have"):
        convert(read_model(path), small, ModelConfig(name="quate", dim=DIM), path, seed=0)


@given(
    dtype=st.sampled_from(["<f4", ">f4", "<f8", ">f8"]),
    protocol=st.sampled_from([4, 5]),
    fortran=st.booleans(),
    rows=st.integers(1, 3),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arrays_come_back_as_numpy_reads_them(
    dtype: str, protocol: int, fortran: bool, rows: int, tmp_path: Path
) -> None:
    model = model_of([f"e{i}" for i in range(rows)], ["r"], dim=5)
    for name, table in model["solver"].items():
        model["solver"][name] = np.array(table, dtype=dtype, order="F" if fortran else "C")
    found = read_model(save(model, tmp_path / "model.pkl", protocol))
    assert np.array_equal(found.entities_ED, model["solver"]["entity_embeddings"])
    assert np.array_equal(found.relations_RD, model["solver"]["relation_embeddings"])
    assert found.entities == model["graph"]["id2entity"]


_PurePython: Any = pickle._Pickler


class _Python2(_PurePython):  # type: ignore[misc]
    """Bytes as Python 2 wrote them: text without an encoding."""

    dispatch: ClassVar = dict(_PurePython.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def test_a_model_saved_under_python_2_is_read(tmp_path: Path) -> None:
    model = model_of(["a", "b"], ["r"])
    path = tmp_path / "model.pkl"
    plain = {"graph": dict(model["graph"]), "solver": dict(model["solver"])}
    with path.open("wb") as stream:
        _Python2(stream, protocol=2).dump(plain)
    found = read_model(path)
    assert np.array_equal(found.entities_ED, model["solver"]["entity_embeddings"])


class _Runs:
    """What pickle calls for it is up to its author."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (_Runs(os.system, "touch PLACE"), "posix.system"),
        (_Runs(eval, "open('PLACE', 'w')"), "builtins.eval"),
        (_Runs(getattr, "a", "upper"), "builtins.getattr"),
        (_Runs(np.load, "PLACE"), "numpy.load"),
        (collections.OrderedDict(a=1), "collections.OrderedDict"),
        (np.float64(1), "scalar"),
        (np.array([object()], dtype=object), "builtins.object"),
    ],
)
def test_a_hostile_pickle_is_refused_by_name_and_runs_nothing(
    value: Any, named: str, tmp_path: Path
) -> None:
    place = tmp_path / "touched"
    if isinstance(value, _Runs):
        value = _Runs(
            value.function, *(str(a).replace("PLACE", str(place)) for a in value.arguments)
        )
    model = model_of(["a"], ["r"])
    model["solver"]["extra"] = value
    with pytest.raises(InputError, match="reading stopped") as refused:
        read_model(save(model, tmp_path / "model.pkl"))
    assert named in str(refused.value)
    assert not place.exists()


@pytest.mark.parametrize(
    "program",
    [
        # Attributes set on a stand-in, arguments it does not take, an array without its state.
        b"\x80\x04ceasydict\nEasyDict\n}\x8c\x0b__setitem__\x8c\x01ab.",
        b"\x80\x04cnumpy\nndarray\n(K\x01K\x02K\x03K\x04K\x05K\x06tR.",
        b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n)R.",
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\x00\x00.",
        b"\x80\x04K\x01.",
        b"}.",
        b"",
        b"not a pickle at all",
    ],
)
def test_a_damaged_or_malformed_pickle_is_one_clear_error(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(program)
    with pytest.raises(InputError, match=r"model\.pkl"):
        read_model(path)


@given(data=st.data())
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_cut_or_changed_pickle_is_never_a_traceback(data: st.DataObject, tmp_path: Path) -> None:
    whole = bytearray(save(model_of(["a", "b"], ["r"], dim=3), tmp_path / "whole.pkl").read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[at:]
    else:
        whole[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "model.pkl"
    path.write_bytes(whole)
    try:
        found = read_model(path)
    except InputError:
        return
    assert found.entities_ED.shape[0] == len(found.entities)


def changed(model: EasyDict, part: str, key: str, value: Any) -> EasyDict:
    if value is None:
        del model[part][key]
    else:
        model[part][key] = value
    return model


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("graph", "id2entity", None, "holds no id2entity"),
        ("graph", "id2entity", ["b", "a"], "disagree"),
        ("graph", "id2entity", ["a", 3], "no name"),
        ("graph", "entity2id", {"a": 0}, "disagree"),
        ("solver", "entity_embeddings", None, "holds no entity_embeddings"),
        ("solver", "entity_embeddings", [[0.0]], "holds no entity_embeddings"),
        ("solver", "entity_embeddings", np.zeros((3, DIM), np.float32), "for 2 names"),
        ("solver", "entity_embeddings", np.zeros(2, np.float32), "has shape"),
        ("solver", "entity_embeddings", np.zeros((2, DIM), np.int32), "floats are expected"),
        ("solver", "entity_embeddings", np.zeros((2, 8), np.float32), "8 floats for entities"),
    ],
)
def test_a_model_that_lacks_or_contradicts_itself_is_refused(
    part: str, key: str, value: Any, message: str, tmp_path: Path
) -> None:
    model = changed(model_of(["a", "b"], ["r"]), part, key, value)
    with pytest.raises(InputError, match=message):
        read_model(save(model, tmp_path / "model.pkl"))


def test_hyperparameters_are_told_where_they_were_saved(tmp_path: Path) -> None:
    model = model_of(["a"], ["r"])
    model["solver"]["model"], model["solver"]["margin"] = "RotatE", 9.0
    assert read_model(save(model, tmp_path / "model.pkl")).told == {
        "model": "RotatE",
        "margin": 9.0,
    }
