"""Every searcher searches the image size as it does any other choice."""

import numpy as np
import pytest

from edgenas.device import Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.latency.resolution_predictor import by_resolution
from edgenas.searchers.choice_contributions import contributions, layer_names
from edgenas.searchers.loop import search
from edgenas.searchers.problem import Problem
from edgenas.searchers.registry import SEARCHERS, searcher_for
from edgenas.space import Architecture, MBConvSpace, ResolutionSpace

SIZES = (8, 12, 16)


@pytest.fixture(scope="module")
def problem(tiny_space: MBConvSpace, board: Device) -> Problem:
    """Three sizes of the 400 networks, limited to the faster half of the range."""
    space = ResolutionSpace(tiny_space, SIZES)
    predictor = by_resolution(space, lambda each: predictor_from_device(each, board))
    ends = [predictor.predict(end).predicted for end in (predictor.fastest(), predictor.slowest())]
    return Problem(space, predictor, sum(ends) / 2, ("accuracy", "latency", "macs"))


def accuracy(problem: Problem, architecture: Architecture) -> float:
    """It grows with the size, and with the width of the network."""
    assert isinstance(problem.space, ResolutionSpace)
    size, parameters = problem.space.resolution_of(architecture), problem.space.parameters(architecture)
    return 0.3 + 0.02 * size + min(parameters, 20_000) / 1e5


@pytest.mark.parametrize("name", SEARCHERS)
def test_it_finds_networks_of_several_sizes(name: str, problem: Problem) -> None:
    space = problem.space
    assert isinstance(space, ResolutionSpace)
    found = search(
        problem,
        searcher_for(name, SEARCHERS)(problem, 0),
        lambda architecture, _: accuracy(problem, architecture),
        40,
        {},
        lambda _: None,
    )
    assert len({each.architecture for each in found}) == 40
    assert all(each.latency_ms <= problem.max_latency_ms for each in found)
    assert {space.resolution_of(each.architecture) for each in found} == set(SIZES)


def test_the_hint_of_a_limit_out_of_reach_names_the_resolution(problem: Problem) -> None:
    from dataclasses import replace

    from edgenas.errors import InfeasibleError

    with pytest.raises(InfeasibleError, match="--resolution"):
        replace(problem, max_latency_ms=1e-9).check()


def test_the_size_is_explained_like_a_layer(problem: Problem) -> None:
    space, rng = problem.space, np.random.default_rng(0)
    assert layer_names(space) == (
        "image size", "stage 1 layer 1", "stage 1 layer 2", "stage 2 layer 1", "stage 2 layer 2"
    )  # fmt: skip
    drawn = {space.sample(rng) for _ in range(60)}
    evaluated = {architecture: accuracy(problem, architecture) for architecture in drawn}
    large = space.architecture(("r16", *["k3e2"] * 4))
    (explained,) = contributions(space, problem.predictor, evaluated, [large])
    size = explained[0]
    assert (size.layer, size.choice) == ("image size", "r16")
    assert size.accuracy > 0.05 and size.latency_ms > 0
