"""Which networks are timed: those that tell most."""

from types import SimpleNamespace

import numpy as np

from edgenas.transfer.bayesian_regression import FewSamples, Hypothesis, hypotheses_from_devices
from edgenas.transfer.cell_features import rows_of
from edgenas.transfer.device_prior import Prior
from edgenas.transfer.sample_selection import informative_samples


def test_samples_are_distinct_and_repeat(world: SimpleNamespace) -> None:
    hypotheses = hypotheses_from_devices(world.feature_sets, world.references_ms)
    chosen = informative_samples(hypotheses, rows_of(world.feature_sets, np.arange(100)), 12)
    assert len(set(chosen)) == 12
    assert set(chosen) <= set(range(100))
    assert informative_samples(hypotheses, rows_of(world.feature_sets, np.arange(100)), 12) == chosen
    assert sorted(informative_samples(hypotheses, rows_of(world.feature_sets, np.arange(5)), 5)) == list(
        range(5)
    )


def test_each_unknown_cost_is_sampled() -> None:
    """Three costs, of which each of nine networks has one; the third is certain."""
    features = np.repeat(np.eye(3), 3, axis=0)
    hypothesis = Hypothesis("v", Prior(np.ones(3), np.diag([0.2, 0.3, 0])), 0.01, 1.0)
    assert [row // 3 for row in informative_samples([hypothesis], {"v": features}, 2)] == [1, 0]


def test_what_is_known_is_not_chosen_and_counts(world: SimpleNamespace) -> None:
    hypotheses = hypotheses_from_devices(world.feature_sets, world.references_ms)
    feature_sets = rows_of(world.feature_sets, np.arange(100))
    chosen = informative_samples(hypotheses, feature_sets, 12)
    assert informative_samples(hypotheses, feature_sets, 7, chosen[:5]) == chosen[5:]
    assert sorted(informative_samples(hypotheses, rows_of(world.feature_sets, np.arange(5)), 9, [0, 3])) == [
        1,
        2,
        4,
    ]


def test_it_is_better_than_chance(world: SimpleNamespace) -> None:
    hypotheses = hypotheses_from_devices(world.feature_sets, world.references_ms[:, :0])
    times = world.target_ms(noise=0.02)
    candidates, rest = np.arange(200), np.arange(200, 600)

    def error(rows: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> float:
        found = FewSamples(hypotheses, rows_of(world.feature_sets, rows), times[rows]).predict(
            rows_of(world.feature_sets, rest)
        )
        return float(np.abs(found.latency_ms / times[rest] - 1).mean())

    chosen = candidates[informative_samples(hypotheses, rows_of(world.feature_sets, candidates), 8)]
    rng = np.random.default_rng(0)
    assert error(chosen) < np.median([error(rng.choice(candidates, 8, replace=False)) for _ in range(9)])
