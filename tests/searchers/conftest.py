"""A problem where choices earn accuracy of their own, and how much of it a searcher dominates."""

from collections.abc import Callable

import numpy as np
import pytest

from edgenas.device import Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.front import hypervolume
from edgenas.searchers.loop import search
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Searcher
from edgenas.space import Architecture, mbconv

Make = Callable[[Problem, int], Searcher]


@pytest.fixture(scope="session")
def additive_problem(board: Device) -> Problem:
    """The space of the digits, half a million networks, limited to the faster half of its range."""
    predictor = predictor_from_device(mbconv(16, 10), board)
    ends = (predictor.fastest(), predictor.slowest())
    return Problem(predictor.space, predictor, sum(predictor.predict(end).predicted for end in ends) / 2)


@pytest.fixture(scope="session")
def additive_error(additive_problem: Problem) -> Callable[[Architecture], float]:
    """The mean of what each choice harms, drawn once: 0..1, known to be learnable, not tied to latency."""
    rng = np.random.default_rng(0)
    harms = [
        dict(zip(known, rng.random(len(known)), strict=True)) for known in additive_problem.space.variables
    ]

    def error(architecture: Architecture) -> float:
        return float(np.mean([harm[one] for harm, one in zip(harms, architecture.choices, strict=True)]))

    return error


@pytest.fixture(scope="session")
def dominated(
    additive_problem: Problem, additive_error: Callable[[Architecture], float]
) -> Callable[[Make, int, int], float]:
    """`dominated(make, seed, evaluations)`: the hypervolume that a searcher reaches on `additive_problem`."""

    def hypervolume_of(make: Make, seed: int, evaluations: int) -> float:
        problem = additive_problem
        found = search(
            problem,
            make(problem, seed),
            lambda architecture, _: 1 - additive_error(architecture),
            evaluations,
            {},
            lambda _: None,
        )
        assert len(found) == evaluations
        points = np.array([[1 - (one.accuracy or 0), one.latency_ms] for one in found])
        return hypervolume(points, np.array([1.0, problem.max_latency_ms]))

    return hypervolume_of
