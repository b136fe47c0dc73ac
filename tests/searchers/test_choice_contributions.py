from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edgenas.device import find_device
from edgenas.latency.predictor import LatencyPredictor, predictor_from_device
from edgenas.searchers import choice_contributions as module
from edgenas.searchers.choice_contributions import MIN_EVALUATIONS, Contribution, contributions, layer_names
from edgenas.space import (
    Architecture,
    ArchitectureSpace,
    SearchSpace,
    mbconv,
    nasbench_macro,
    space_from_config,
)
from edgenas.space.nasbench201 import NASBench201Space


class Flat:
    """A predictor to which every network takes a millisecond, however it is encoded."""

    name = "flat"

    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.ones(len(vectors))

    def fastest(self) -> Architecture:
        raise NotImplementedError

    def slowest(self) -> Architecture:
        raise NotImplementedError

    def text(self, architecture: Architecture) -> str:
        raise NotImplementedError


def drawn(space: ArchitectureSpace, count: int) -> list[Architecture]:
    rng = np.random.default_rng(0)
    found: dict[Architecture, None] = {}
    while len(found) < count:
        found[space.sample(rng)] = None
    return list(found)


def truth(space: ArchitectureSpace, architecture: Architecture) -> float:
    """An accuracy to which each layer adds something of its own: the later a choice is listed, the more."""
    vector = space.encode(architecture)
    return 0.5 + sum(0.01 * (1 + i % 3) * int(choice) for i, choice in enumerate(vector))


def others(space: ArchitectureSpace, architecture: Architecture, layer: int) -> Sequence[Architecture]:
    """The architecture with each other choice in that layer."""
    mine = architecture.choices
    return [
        space.architecture((*mine[:layer], choice, *mine[layer + 1 :]))
        for choice in space.variables[layer]
        if choice != mine[layer]
    ]


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return nasbench_macro()


@pytest.fixture(scope="module")
def predictor(space: SearchSpace) -> LatencyPredictor:
    return predictor_from_device(space, find_device("cpu"))


@pytest.fixture(scope="module")
def evaluated(space: SearchSpace) -> dict[Architecture, float]:
    return {architecture: truth(space, architecture) for architecture in drawn(space, 120)}


@pytest.fixture(scope="module")
def best(evaluated: dict[Architecture, float]) -> list[Architecture]:
    return sorted(evaluated, key=lambda architecture: -evaluated[architecture])[:3]


@pytest.fixture(scope="module")
def found(
    space: SearchSpace,
    predictor: LatencyPredictor,
    evaluated: dict[Architecture, float],
    best: list[Architecture],
) -> tuple[tuple[Contribution, ...], ...]:
    return contributions(space, predictor, evaluated, best)


def test_there_is_a_row_for_each_layer_of_each_architecture(
    space: SearchSpace, best: list[Architecture], found: tuple[tuple[Contribution, ...], ...]
) -> None:
    assert [tuple(row.choice for row in rows) for rows in found] == [each.choices for each in best]
    assert all(tuple(row.layer for row in rows) == layer_names(space) for rows in found)


def test_latencies_are_those_of_the_predictor(
    space: SearchSpace,
    predictor: LatencyPredictor,
    best: list[Architecture],
    found: tuple[tuple[Contribution, ...], ...],
) -> None:
    for architecture, rows in zip(best, found, strict=True):
        mine_ms = predictor.predict(architecture).predicted
        for layer, row in enumerate(rows):
            average_ms = np.mean(
                [predictor.predict(each).predicted for each in others(space, architecture, layer)]
            )
            assert row.latency_ms == pytest.approx(mine_ms - average_ms)


def test_accuracies_are_near_the_truth_and_their_signs_right_where_certain(
    space: SearchSpace, best: list[Architecture], found: tuple[tuple[Contribution, ...], ...]
) -> None:
    rows = [row for each in found for row in each]
    true = [
        truth(space, architecture)
        - np.mean([truth(space, each) for each in others(space, architecture, layer)])
        for architecture in best
        for layer in range(len(space.variables))
    ]
    assert np.corrcoef(true, [row.accuracy for row in rows])[0, 1] > 0.9
    certain = [(row, value) for row, value in zip(rows, true, strict=True) if row.certain]
    assert len(certain) > len(rows) / 2
    assert all(row.accuracy * value >= 0 for row, value in certain)


def test_it_takes_some_evaluations_of_different_accuracy(
    space: SearchSpace,
    predictor: LatencyPredictor,
    evaluated: dict[Architecture, float],
    best: list[Architecture],
) -> None:
    some = list(evaluated.items())[:MIN_EVALUATIONS]
    assert contributions(space, predictor, dict(some), best)
    assert contributions(space, predictor, dict(some[1:]), best) == ()
    assert contributions(space, predictor, dict.fromkeys(evaluated, 0.5), best) == ()
    assert contributions(space, predictor, evaluated, []) == ()


def test_of_too_many_evaluations_the_nearest_are_learnt_from(
    space: SearchSpace,
    predictor: LatencyPredictor,
    evaluated: dict[Architecture, float],
    best: list[Architecture],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unlike(architecture: Architecture) -> int:
        return sum(a != b for a, b in zip(architecture.choices, best[0].choices, strict=True))

    monkeypatch.setattr(module, "FITTED_TO", 20)
    nearest = sorted(evaluated, key=unlike)[:20]
    expected = contributions(space, predictor, {each: evaluated[each] for each in nearest}, best[:1])
    assert contributions(space, predictor, evaluated, best[:1]) == expected


def test_a_choice_that_makes_no_difference_earns_nothing_for_sure() -> None:
    space = NASBench201Space()
    evaluated = {each: 0.5 + 0.001 * i for i, each in enumerate(drawn(space, 20))}
    (rows,) = contributions(space, Flat(), evaluated, [space.architecture(["none"] * 6)])
    last = rows[-1]  # what node 2 passes on, which gets nothing
    assert last.accuracy == pytest.approx(0, abs=1e-9)
    assert last.accuracy_sd == last.latency_ms == 0
    assert rows[3].accuracy_sd > 0


def test_layers_without_a_choice_are_left_out() -> None:
    space = space_from_config({**mbconv(16, 10).config(), "kernels": [3], "expansions": [3]})
    evaluated = {each: truth(space, each) for each in drawn(space, 20)}
    (rows,) = contributions(space, Flat(), evaluated, [next(iter(evaluated))])
    assert {row.layer.split()[-1] for row in rows} == {"2", "3"}


def test_layers_are_named_by_their_stages_where_a_space_shows_them(space: SearchSpace) -> None:
    assert layer_names(space)[:4] == (
        "stage 1 layer 1",
        "stage 1 layer 2",
        "stage 2 layer 1",
        "stage 2 layer 2",
    )
    assert layer_names(mbconv(16, 10))[-1] == "stage 3 layer 3"
    assert layer_names(NASBench201Space()) == tuple(f"layer {number}" for number in range(1, 7))
