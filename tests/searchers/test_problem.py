from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgenas.errors import InfeasibleError, InputError
from edgenas.searchers.neighbours import neighbours
from edgenas.searchers.problem import Problem, objectives_from_text
from edgenas.space import Architecture, MBConvSpace

MakeProblem = Callable[[float], Problem]


@pytest.fixture(scope="module")
def everything(tiny_space: MBConvSpace) -> list[Architecture]:
    """All 400 networks."""
    return sorted({tiny_space.architecture(c) for c in product(*tiny_space.variables)}, key=lambda a: a.id)


def test_latency_is_what_is_predicted(make_problem: MakeProblem, everything: list[Architecture]) -> None:
    problem = make_problem(0.5)
    for architecture in everything[::20]:
        assert problem.latency_ms(architecture) == problem.predictor.predict(architecture).predicted


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_limit_that_something_keeps_is_fine(make_problem: MakeProblem, share: float) -> None:
    make_problem(share).check()


def test_a_limit_that_nothing_keeps_names_the_fastest_possible_latency(
    make_problem: MakeProblem, everything: list[Architecture]
) -> None:
    problem = replace(make_problem(0), max_latency_ms=0.01)
    fastest_ms = min(map(problem.latency_ms, everything))
    with pytest.raises(
        InfeasibleError,
        match=(
            r"nothing in space mbconv-8px-\w{8} is predicted within 0\.01 ms on board: the fastest possible network"
            rf" takes {fastest_ms:.4g} ms \({fastest_ms / 2:.3g} to {fastest_ms * 2:.3g} ms, datasheet estimate\);"
            r" raise --max-latency to at least [\d.]+ms, or lower --width or --resolution"
        ),
    ) as caught:
        problem.check()
    assert caught.value.fastest_ms == fastest_ms
    assert (caught.value.limit_ms, caught.value.exit_code) == (0.01, 1)


def test_the_limit_suggested_is_one_that_can_be_kept(make_problem: MakeProblem) -> None:
    problem = replace(make_problem(0), max_latency_ms=0.01)
    with pytest.raises(InfeasibleError, match="raise --max-latency") as caught:
        problem.check()
    suggested_ms = float(caught.value.hint.removeprefix("raise --max-latency to at least ").split("ms")[0])
    replace(problem, max_latency_ms=suggested_ms).check()
    assert suggested_ms <= 1.02 * caught.value.fastest_ms


def test_a_limit_just_below_the_fastest_is_refused(make_problem: MakeProblem) -> None:
    problem = make_problem(0)
    with pytest.raises(InfeasibleError, match="nothing in space"):
        replace(problem, max_latency_ms=np.nextafter(problem.max_latency_ms, 0)).check()


@given(share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_samples_keep_the_limit_and_are_in_the_space(
    make_problem: MakeProblem, share: float, seed: int
) -> None:
    problem = make_problem(share)
    architecture = problem.sample(np.random.default_rng(seed))
    assert problem.latency_ms(architecture) <= problem.max_latency_ms
    assert problem.space.architecture(architecture.choices) == architecture


@given(share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_repaired_vectors_keep_the_limit_and_change_only_what_is_too_slow(
    make_problem: MakeProblem, share: float, seed: int
) -> None:
    problem = make_problem(share)
    rng = np.random.default_rng(seed)
    vectors = rng.integers(problem.sizes, size=(30, len(problem.sizes)))
    canonical = problem.space.canonical_vectors(vectors)
    towards = np.broadcast_to(problem.space.encode(problem.predictor.fastest()), vectors.shape)
    for found in (problem.repaired_vectors(vectors, rng), problem.repaired_vectors(vectors, rng, towards)):
        assert problem.feasible(found).all()
        assert (problem.space.canonical_vectors(found) == found).all()
        kept = problem.feasible(canonical)
        assert (found[kept] == canonical[kept]).all()


@given(share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_what_another_outdoes_is_never_proposed(make_problem: MakeProblem, share: float, seed: int) -> None:
    problem = make_problem(share)
    fastest = problem.space.encode(problem.predictor.fastest())

    def outdone(vectors: NDArray[np.int64]) -> NDArray[np.bool_]:
        return ((vectors - fastest).sum(axis=1) % 2 == 1) & (vectors != fastest).any(axis=1)

    problem = replace(problem, outdone=outdone)
    rng = np.random.default_rng(seed)
    vectors = rng.integers(problem.sizes, size=(30, len(problem.sizes)))
    sampled = problem.sample_vectors(30, rng)
    repaired = problem.repaired_vectors(vectors, rng)
    near = [each for vector in sampled[:3] for each in neighbours(problem, problem.space.decode(vector))]
    encoded = [problem.space.encode(each) for each in near]
    for found in (sampled, repaired, np.array(encoded, np.int64).reshape(-1, len(fastest))):
        assert problem.within_limit(found).all()
        assert not outdone(found).any()
    canonical = problem.space.canonical_vectors(vectors)
    assert (problem.feasible(canonical) == problem.within_limit(canonical) & ~outdone(canonical)).all()
    architecture = problem.space.decode(canonical[0])
    assert problem.is_feasible(architecture) == problem.feasible(canonical)[0]
    assert problem.is_feasible(problem.repaired(architecture, rng))


def test_a_repair_takes_over_no_more_than_it_must(make_problem: MakeProblem) -> None:
    problem = make_problem(0.9)
    rng = np.random.default_rng(0)
    slowest = problem.space.encode(problem.predictor.slowest())
    found = problem.repaired_vectors(np.tile(slowest, (50, 1)), rng)
    changed = (found != slowest).sum(axis=1)
    assert changed.min() == 1
    assert changed.mean() < len(slowest) - 1


OBJECTIVES = ("accuracy", "latency", "params", "macs", "peak-memory")


def test_costs_are_those_of_each_architecture(
    make_problem: MakeProblem, everything: list[Architecture]
) -> None:
    problem = replace(make_problem(1.0), objectives=OBJECTIVES)
    space = problem.space
    costs = problem.costs_of(everything[::20])
    assert costs[:, 0].tolist() == [problem.latency_ms(a) for a in everything[::20]]
    assert costs[:, 1].tolist() == [space.parameters(a) for a in everything[::20]]
    assert costs[:, 2].tolist() == [space.macs(a) for a in everything[::20]]
    assert problem.costs_of([]).shape == (0, 4)


def test_nothing_is_worse_than_the_corner(make_problem: MakeProblem, everything: list[Architecture]) -> None:
    problem = replace(make_problem(1.0), objectives=OBJECTIVES)
    assert problem.corner.tolist() == [1.0, *problem.costs_of(everything).max(axis=0)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("accuracy,latency", ("accuracy", "latency")),
        (" latency , accuracy ", ("accuracy", "latency")),
        ("peak-memory,latency,params,accuracy", ("accuracy", "latency", "params", "peak-memory")),
    ],
)
def test_objectives_are_read_in_one_order(text: str, found: tuple[str, ...]) -> None:
    assert objectives_from_text(text) == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("accuracy,latncy", r"unknown objective 'latncy'; did you mean 'latency'\?"),
        ("", r"unknown objective ''"),
        (
            "accuracy,latency,macs,macs",
            r"--objective accuracy,latency,macs,macs: macs is repeated; list each name once",
        ),
        ("accuracy,macs", r"--objective accuracy,macs: latency is missing; give accuracy,latency,macs$"),
        ("latency", r"--objective latency: accuracy is missing; give accuracy,latency$"),
    ],
)
def test_wrong_objectives_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        objectives_from_text(text)


def test_samples_reach_most_of_what_keeps_the_limit(
    make_problem: MakeProblem, everything: list[Architecture]
) -> None:
    problem = make_problem(0.2)
    feasible = {a for a in everything if problem.latency_ms(a) <= problem.max_latency_ms}
    rng = np.random.default_rng(0)
    found = {problem.sample(rng) for _ in range(50 * len(feasible))}
    assert 10 < len(feasible) < 200
    assert len(found & feasible) > 0.9 * len(feasible)


def test_under_the_tightest_limit_samples_are_the_fastest(make_problem: MakeProblem) -> None:
    problem = make_problem(0)
    rng = np.random.default_rng(0)
    assert {problem.sample(rng) for _ in range(20)} == {problem.predictor.fastest()}


def test_samples_under_a_limit_that_half_keep_are_as_good_as_drawn_from_those(
    make_problem: MakeProblem, everything: list[Architecture]
) -> None:
    """Drawing again, not repair, does nearly all of it: repair would crowd the fast end."""
    problem = make_problem(0.5)
    rng = np.random.default_rng(0)
    drawn = problem.costs(problem.sample_vectors(400, rng))[:, 0]
    kept = [
        a
        for a in (problem.space.sample(rng) for _ in range(2000))
        if problem.latency_ms(a) <= problem.max_latency_ms
    ]
    expected = np.array([problem.latency_ms(architecture) for architecture in kept])
    assert np.median(drawn) == pytest.approx(np.median(expected), rel=0.05)
