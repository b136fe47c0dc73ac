from collections.abc import Callable

import numpy as np
import pytest
from typing_extensions import override

from edgenas.searchers.loop import search
from edgenas.searchers.nsga2 import NSGA2Searcher
from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.searchers.surrogate import surrogate_searcher as module
from edgenas.searchers.surrogate.surrogate_searcher import INITIAL_BATCH, MAX_FITTED, SurrogateSearcher
from edgenas.space import Architecture
from edgenas.testing.searcher_conformance import SearcherConformance, made_up_error, make_problem

Dominated = Callable[[Callable[[Problem, int], Searcher], int, int], float]


class TestSurrogate(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return SurrogateSearcher(problem, seed)


@pytest.mark.parametrize("seed", range(3))
def test_what_it_learns_puts_it_ahead_of_evolution_and_chance(seed: int, dominated: Dominated) -> None:
    found = dominated(SurrogateSearcher, seed, 60)
    assert found > dominated(NSGA2Searcher, seed, 120)
    assert found > dominated(RandomSearcher, seed, 240)


def test_nothing_is_asked_twice_or_above_the_limit() -> None:
    problem = make_problem(0.6)
    asked = _asked(problem, rounds=25)
    assert len({architecture.id for architecture in asked}) == len(asked)
    assert all(problem.latency_ms(architecture) <= problem.max_latency_ms for architecture in asked)


def test_the_first_look_is_spread_over_latencies() -> None:
    problem = make_problem(1.0)
    latencies = [problem.latency_ms(one) for one in SurrogateSearcher(problem, 0).ask()]
    assert len(latencies) == INITIAL_BATCH
    assert latencies == sorted(latencies)
    assert latencies[0] == problem.latency_ms(problem.predictor.fastest())
    assert latencies[-1] == problem.latency_ms(problem.predictor.slowest())


@pytest.mark.parametrize("error", [1.0, 0.3])
def test_where_outcomes_do_not_differ_evolution_goes_on(error: float) -> None:
    problem = make_problem(1.0)
    asked = _asked(problem, rounds=6, error=lambda _: error)
    assert len({architecture.id for architecture in asked}) == len(asked) == 6 * INITIAL_BATCH


def test_batches_grow_with_what_is_known() -> None:
    problem = make_problem(1.0)
    searcher = SurrogateSearcher(problem, 0)
    known, sizes = 0, []
    while known < 200:
        asked = searcher.ask()
        searcher.tell([_outcome(problem, one, made_up_error(problem, one)) for one in asked])
        sizes.append((known, len(asked)))
        known += len(asked)
    assert all(size == max(1, known // 20) for known, size in sizes[1:])


def test_chance_draws_follow_where_nothing_improves(monkeypatch: pytest.MonkeyPatch) -> None:
    """One good architecture, all others alike: a model has nothing to go by."""
    problem = make_problem(1.0)
    fastest = problem.predictor.fastest()
    monkeypatch.setattr(module, "RANDOM_SHARE_STEP", 1.0)
    monkeypatch.setattr(module, "MAX_RANDOM_SHARE", 1.0)
    searcher = SurrogateSearcher(problem, 0)
    drawn: list[int] = []
    sample = searcher._candidates.random
    monkeypatch.setattr(searcher._candidates, "random", lambda count: drawn.append(count) or sample(count))
    for _ in range(5):
        asked = searcher.ask()
        searcher.tell([_outcome(problem, one, 0.1 if one == fastest else 0.9) for one in asked])
    assert drawn == [0, 1, 1, 1]


def test_a_model_is_learnt_from_a_bounded_number_the_front_among_them() -> None:
    problem = make_problem(1.0)
    searcher = SurrogateSearcher(problem, 0)
    count = 3 * MAX_FITTED
    rng = np.random.default_rng(0)
    points = rng.random((count, 2))
    points[7] = 0.0
    known = searcher._representative(points, MAX_FITTED)
    assert len(known) == len(set(known.tolist())) == MAX_FITTED
    assert 7 in known


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 60)
    problem = make_problem(1.0)
    searcher = SurrogateSearcher(problem, 0)
    best: float = 1.0
    for _ in range(60):
        asked = searcher.ask()
        errors = [made_up_error(problem, one) for one in asked]
        best = min(best, *errors)
        searcher.tell([_outcome(problem, one, each) for one, each in zip(asked, errors, strict=True)])
        assert len(searcher._points) == len(searcher._vectors) <= 60 + module.LARGEST_BATCH
        assert searcher._points[:, 0].min() == best


def test_three_objectives_gain_on_chance() -> None:
    """Hypervolume over error, latency and memory at equal evaluations, over several seeds."""
    from edgenas.searchers.front import hypervolume

    problem = make_problem(1.0, objectives=("accuracy", "latency", "peak-memory"))

    def reached(make: Callable[[Problem, int], Searcher], seed: int) -> float:
        found = search(
            problem,
            make(problem, seed),
            lambda one, _: 1 - made_up_error(problem, one),
            60,
            {},
            lambda _: None,
        )
        errors = [1 - (one.accuracy or 0) for one in found]
        points = np.column_stack([errors, problem.costs_of([one.architecture for one in found])])
        return hypervolume(points, problem.corner)

    gains = [reached(SurrogateSearcher, seed) - reached(RandomSearcher, seed) for seed in range(4)]
    assert np.mean(gains) > 0


def _asked(
    problem: Problem, rounds: int, error: Callable[[Architecture], float] | None = None
) -> list[Architecture]:
    searcher = SurrogateSearcher(problem, 0)
    found: list[Architecture] = []
    for _ in range(rounds):
        asked = searcher.ask()
        found += asked
        errors = [error(one) if error else made_up_error(problem, one) for one in asked]
        searcher.tell([_outcome(problem, one, each) for one, each in zip(asked, errors, strict=True)])
    return found


def _outcome(problem: Problem, architecture: Architecture, error: float) -> Outcome:
    latency_ms = problem.latency_ms(architecture)
    return Outcome(architecture, error, latency_ms, latency_ms - problem.max_latency_ms)
