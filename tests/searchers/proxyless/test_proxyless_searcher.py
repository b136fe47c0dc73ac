"""What is proposed of a distribution, whatever it has learnt."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from typing_extensions import override

from edgenas.latency.predictor import LatencyPredictor
from edgenas.searchers.loop import search
from edgenas.searchers.problem import Problem
from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.searchers.proxyless.proxyless_searcher import MIN_UTILISATION, ORDER, SWEEP, ProxylessSearcher
from edgenas.searchers.searcher import Searcher
from edgenas.testing.searcher_conformance import SearcherConformance


def learnt(problem: Problem, seed: int = 0, targets: int = 3, scale: float = 2.0) -> Distribution:
    """As after a training that found out something at random."""
    assert isinstance(problem.predictor, LatencyPredictor)
    distribution = Distribution(problem.predictor, problem.max_latency_ms, targets)
    generator = torch.Generator().manual_seed(seed)
    distribution.shared.normal_(0, scale, generator=generator)
    distribution.own.normal_(0, scale, generator=generator)
    return distribution


def ends_ms(problem: Problem) -> tuple[float, float]:
    """Of the fastest and of the slowest network."""
    fastest, slowest = problem.predictor.fastest(), problem.predictor.slowest()
    return problem.latency_ms(fastest), problem.latency_ms(slowest)


class TestProxyless(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return ProxylessSearcher(problem, seed, learnt(problem))


class TestProxylessThatLearntNothing(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return ProxylessSearcher(problem, seed, learnt(problem, scale=0.0, targets=1))


class TestProxylessThatIsCertain(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return ProxylessSearcher(problem, seed, learnt(problem, scale=1e3))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_what_is_best_for_a_limit_uses_it_and_keeps_it(
    additive_problem: Problem, seed: int, share: float
) -> None:
    problem = additive_problem
    fastest_ms, slowest_ms = ends_ms(problem)
    limit_ms = fastest_ms + share * (slowest_ms - fastest_ms)
    best = ProxylessSearcher(problem, 0, learnt(problem, seed)).best(limit_ms)
    assert MIN_UTILISATION * limit_ms <= problem.latency_ms(best) <= limit_ms


@pytest.mark.parametrize("room", [1.0, 1.5])
def test_a_distribution_that_is_certain_of_the_slowest_network_asks_for_it(
    make_problem: Callable[[float], Problem], room: float
) -> None:
    problem = make_problem(1.0)
    slowest = problem.predictor.slowest()
    problem = replace(problem, max_latency_ms=room * problem.latency_ms(slowest))
    distribution = learnt(problem, scale=0.0)
    for i, choice in enumerate(problem.space.encode(slowest)):
        distribution.shared[i, int(choice)] = 50.0
    searcher = ProxylessSearcher(problem, 0, distribution)
    assert searcher.best(problem.max_latency_ms) == searcher.ask()[0] == slowest


def test_without_a_share_to_use_the_best_is_the_most_probable_within_the_limit(
    additive_problem: Problem,
) -> None:
    distribution = learnt(additive_problem, scale=0.0)
    fastest = additive_problem.predictor.fastest()
    for i, choice in enumerate(additive_problem.space.encode(fastest)):
        distribution.shared[i, int(choice)] = 50.0
    searcher = ProxylessSearcher(additive_problem, 0, distribution)
    assert searcher.best(additive_problem.max_latency_ms, utilisation=0.0) == fastest
    assert searcher.best(additive_problem.max_latency_ms) != fastest


def test_a_distribution_that_favours_skips_does_not_collapse(additive_problem: Problem) -> None:
    distribution = learnt(additive_problem, scale=0.0)
    for i, blocks in enumerate(distribution.predictor.space.candidates):
        for j, block in enumerate(blocks):
            distribution.shared[i, j] = 50.0 if block is None else 0.0
    limit_ms = additive_problem.max_latency_ms
    best = ProxylessSearcher(additive_problem, 0, distribution).best(limit_ms)
    assert additive_problem.latency_ms(best) >= MIN_UTILISATION * limit_ms


def test_the_best_is_the_most_probable_of_all_within_the_window(
    make_problem: Callable[[float], Problem],
) -> None:
    problem = make_problem(0.5)
    distribution = learnt(problem)
    limit_ms = problem.max_latency_ms
    rows = distribution.log_probabilities(limit_ms)
    grid = np.stack(np.meshgrid(*map(range, problem.sizes), indexing="ij"), -1).reshape(
        -1, len(problem.sizes)
    )
    latency_ms = problem.predictor.predict_encoded(grid)
    values = np.sum([row[column] for row, column in zip(rows, grid.T, strict=True)], axis=0)
    fits = (latency_ms <= limit_ms) & (latency_ms >= MIN_UTILISATION * limit_ms)
    most_probable = problem.space.decode(grid[np.argmax(np.where(fits, values, -np.inf))])
    assert ProxylessSearcher(problem, 0, distribution).best(limit_ms) == most_probable


def test_the_first_asked_for_are_a_sweep_of_limits_the_problems_own_first(additive_problem: Problem) -> None:
    problem = additive_problem
    searcher = ProxylessSearcher(problem, 0, learnt(problem))
    asked = searcher.ask()
    assert asked[0] == searcher.best(problem.max_latency_ms)
    fastest_ms, slowest_ms = ends_ms(problem)
    limits = np.linspace(min(problem.max_latency_ms, slowest_ms), fastest_ms, SWEEP)
    assert len(asked) == len(set(asked))
    assert set(asked) == {searcher.best(float(each)) for each in limits}


def test_however_early_a_search_ends_it_has_seen_both_ends_and_what_lies_between(
    make_problem: Callable[[float], Problem],
) -> None:
    problem = make_problem(0.9)
    asked = ProxylessSearcher(problem, 0, learnt(problem)).ask()
    fastest_ms, slowest_ms = ends_ms(problem)
    top_ms = min(problem.max_latency_ms, slowest_ms)
    shares = [(problem.latency_ms(each) - fastest_ms) / (top_ms - fastest_ms) for each in asked[:8]]
    assert min(shares) < 0.05
    assert max(shares) > 0.85
    assert np.diff(sorted(shares)).max() < 0.35


def test_every_limit_of_the_sweep_is_asked_for_once() -> None:
    assert sorted(ORDER) == list(range(SWEEP))
    assert ORDER[:4] == (0, SWEEP - 1, SWEEP // 2, SWEEP // 4)


def test_a_limit_that_excludes_nothing_leaves_what_was_learnt(
    make_problem: Callable[[float], Problem],
) -> None:
    problem = make_problem(1.0)
    problem = replace(problem, max_latency_ms=3 * ends_ms(problem)[1])
    distribution = learnt(problem, scale=0.0)
    favoured = problem.space.sample(np.random.default_rng(0))
    for i, choice in enumerate(problem.space.encode(favoured)):
        distribution.shared[i, int(choice)] = 5.0
    for _ in range(300):
        distribution.learn_multipliers()
    assert ProxylessSearcher(problem, 0, distribution).best(problem.max_latency_ms) == favoured


def test_a_certain_distribution_still_finds_others_until_the_space_is_exhausted(
    make_problem: Callable[[float], Problem],
) -> None:
    problem = make_problem(1.0)
    make = ProxylessSearcher(problem, 0, learnt(problem, scale=100.0, targets=1))
    found = search(problem, make, lambda *_: 0.5, 60, {}, lambda _: None)
    assert len(found) == 60


def test_another_seed_draws_others_after_the_same_sweep(additive_problem: Problem) -> None:
    asks = []
    for seed in (0, 1):
        searcher = ProxylessSearcher(additive_problem, seed, learnt(additive_problem))
        first = searcher.ask()
        searcher.tell([])
        asks.append((first, searcher.ask()))
    assert asks[0][0] == asks[1][0]
    assert asks[0][1] != asks[1][1]
