"""The distribution of runs, and whether a difference is real."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.board.bursts import Runs
from edgenas.profiling.latency_distribution import (
    MAX_BINS,
    compared,
    distribution_of,
    histogram_of,
)

TIMES = st.lists(st.lists(st.floats(0.01, 1e3), min_size=1, max_size=20), min_size=1, max_size=20)


@given(TIMES)
def test_quantiles_are_in_order_and_of_all_runs(rounds: list[list[float]]) -> None:
    found = distribution_of(Runs(rounds, []))
    assert found.min <= found.p50 <= found.p90 <= found.p95 <= found.p99 <= max(map(max, rounds))
    assert found.min == min(map(min, rounds))
    assert found.min <= found.mean * (1 + 1e-9)


def test_paced_runs_are_no_part_of_it() -> None:
    assert distribution_of(Runs([[1.0, 2.0], [3.0]], [100.0])).mean == 2.0


def _rounds(rng: np.random.Generator, typical_ms: float, machine: list[float]) -> Runs:
    return Runs([(typical_ms * each * rng.lognormal(0, 0.05, 30)).tolist() for each in machine], [])


@pytest.mark.parametrize(("slower", "found"), [(1.0, False), (1.05, True), (0.95, True)])
def test_a_difference_is_found_though_the_machine_drifts(slower: float, found: bool) -> None:
    rng = np.random.default_rng(0)
    machine = np.linspace(1, 1.5, 20).tolist()
    comparison = compared(_rounds(rng, 2 * slower, machine), _rounds(rng, 2, machine))
    assert comparison.differ is found
    assert comparison.low < slower < comparison.high
    assert comparison.ratio == pytest.approx(slower, abs=0.02)


def test_equal_models_seldom_differ() -> None:
    """At a confidence of 95 %, ten of two hundred on the mean."""
    rng = np.random.default_rng(1)
    machine = [1.0] * 20
    differ = [compared(_rounds(rng, 2, machine), _rounds(rng, 2, machine)).differ for _ in range(200)]
    assert 1 <= sum(differ) <= 22


@given(TIMES)
def test_a_histogram_holds_every_run_once(rounds: list[list[float]]) -> None:
    found = histogram_of(Runs(rounds, [0.001]))
    times = [each for each in rounds for each in each]
    assert sum(found.counts) == len(times)
    assert len(found.edges_ms) == len(found.counts) + 1 <= MAX_BINS + 3
    assert list(found.edges_ms) == sorted(set(found.edges_ms))
    assert found.edges_ms[0] <= min(times) and max(times) <= found.edges_ms[-1]


def test_a_long_tail_does_not_squash_the_rest() -> None:
    rng = np.random.default_rng(0)
    usual = rng.normal(1.0, 0.02, 950).tolist()
    found = histogram_of(Runs([usual, rng.uniform(5, 500, 50).tolist()], []))
    widths = np.diff(found.edges_ms)
    assert found.counts[-1] >= 50 and widths[-1] > 100  # the tail
    assert sum(count > 20 for count in found.counts[:-1]) >= 8
    assert found.edges_ms[-2] < 1.2
