"""Inference from a few samples: what is found, how sure it is, and what rounding and speed do to it."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, spearmanr

from edgenas.transfer.bayesian_regression import (
    INTERVAL_SDS,
    FewSamples,
    Hypothesis,
    hypotheses_from_devices,
    resolution_ms,
)
from edgenas.transfer.cell_features import EVERY, LIVE, LONGEST, rows_of
from edgenas.transfer.device_prior import Prior

REST = np.arange(300, 600)


def _sampled(
    world: SimpleNamespace, times: NDArray[np.float64], known: int = 8, count: int = 10
) -> FewSamples:
    hypotheses = hypotheses_from_devices(world.feature_sets, world.references_ms[:, :known])
    chosen = np.arange(count)
    return FewSamples(hypotheses, rows_of(world.feature_sets, chosen), times[chosen])


@pytest.mark.parametrize("feature_set", [EVERY, LIVE])
@pytest.mark.parametrize("known", [0, 1, 8])
def test_ten_samples_tell_the_rest(world: SimpleNamespace, feature_set: str, known: int) -> None:
    times = world.target_ms(feature_set, noise=0.01)
    device = _sampled(world, times, known)
    found = device.predict(rows_of(world.feature_sets, REST))
    assert spearmanr(found.latency_ms, times[REST]).statistic > 0.97
    assert np.median(np.abs(found.latency_ms / times[REST] - 1)) < 0.05
    assert sum(device.feature_set_weights.values()) == pytest.approx(1)
    assert set(device.feature_set_weights) == {EVERY, LIVE, LONGEST}


def test_the_evidence_finds_the_view(world: SimpleNamespace) -> None:
    for feature_set in (EVERY, LIVE):
        weights = _sampled(world, world.target_ms(feature_set, noise=0.01), count=20).feature_set_weights
        assert max(weights, key=weights.__getitem__) == feature_set


def test_known_devices_are_worth_samples(world: SimpleNamespace) -> None:
    times = world.target_ms(noise=0.05)
    errors = [
        np.abs(
            _sampled(world, times, known, 4).predict(rows_of(world.feature_sets, REST)).latency_ms
            - times[REST]
        ).mean()
        for known in (0, 8)
    ]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.15])
def test_intervals_hold_what_they_say(world: SimpleNamespace, noise: float) -> None:
    times = world.target_ms(noise=noise)
    device = _sampled(world, times, count=40)
    found = device.predict(rows_of(world.feature_sets, REST))
    inside = (found.low_ms <= times[REST]) & (times[REST] <= found.high_ms)
    assert 0.8 < inside.mean() <= 1
    assert 0.5 * noise < device.noise < 2 * noise


def test_more_samples_narrow_the_interval(world: SimpleNamespace) -> None:
    times = world.target_ms(noise=0.02)
    queries = rows_of(world.feature_sets, REST)
    widths = [
        np.median(np.subtract(p.high_ms, p.low_ms))
        for p in (_sampled(world, times, 0, count).predict(queries) for count in (5, 20))
    ]
    assert widths[1] < 0.7 * widths[0]


def test_a_sample_that_may_be_far_off_hardly_counts(world: SimpleNamespace) -> None:
    times, chosen = world.target_ms(noise=0.01), np.arange(10)
    hypotheses = hypotheses_from_devices(world.feature_sets, world.references_ms)
    disturbed = times[chosen] * np.where(chosen == 4, 1.5, 1)

    def error(*uncertainties: float) -> float:
        off = np.where(chosen == 4, uncertainties[0], 0) if uncertainties else None
        device = FewSamples(hypotheses, rows_of(world.feature_sets, chosen), disturbed, off)
        predicted = device.predict(rows_of(world.feature_sets, REST)).latency_ms
        return float(np.abs(predicted / times[REST] - 1).mean())

    assert error(0) == error()
    assert error(0.5) < error() / 2


def test_costs_of_parts_add_up_to_the_prediction(world: SimpleNamespace) -> None:
    device = _sampled(world, world.target_ms(noise=0.01))
    whole = device.predict(rows_of(world.feature_sets, REST)).latency_ms
    parts = [
        {
            name: np.where(np.arange(features.shape[1]) % 2 == odd, features[REST], 0)
            for name, features in world.feature_sets.items()
        }
        for odd in (0, 1)
    ]
    assert device.costs_ms(parts[0]) + device.costs_ms(parts[1]) == pytest.approx(whole)


def test_futures_are_what_the_interval_says(world: SimpleNamespace) -> None:
    device = _sampled(world, world.target_ms(noise=0.02))
    queries, rng = rows_of(world.feature_sets, REST[:20]), np.random.default_rng(0)
    drawn = np.array([device.draw(queries, rng) for _ in range(300)])
    found = device.predict(queries)
    assert drawn.mean(axis=0) == pytest.approx(found.latency_ms, rel=0.02)
    assert ((found.low_ms <= drawn) & (drawn <= found.high_ms)).mean() == pytest.approx(0.9, abs=0.05)
    assert (drawn > 0).all()


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-3, 1e4))
def test_another_pace_changes_nothing_else(world: SimpleNamespace, speed: float) -> None:
    queries = rows_of(world.feature_sets, REST)
    slow, fast = (
        _sampled(world, world.target_ms(speed=each, noise=0.02), 0).predict(queries) for each in (1, speed)
    )
    assert fast.latency_ms == pytest.approx(speed * slow.latency_ms, rel=1e-3)
    assert fast.high_ms == pytest.approx(speed * slow.high_ms, rel=1e-3)


def test_a_posterior_worked_out_by_hand() -> None:
    """One cost, prior N(1, 0.09); one time that is as expected: the unit is 2 ms, nothing moves but the variance."""
    hypothesis = Hypothesis("v", Prior(np.ones(1), np.array([[0.09]])), 0.1, 1.0)
    device = FewSamples([hypothesis], {"v": np.ones((1, 1))}, np.array([2.0]))
    found = device.predict({"v": np.ones((1, 1))})
    assert found.latency_ms == pytest.approx([2])
    noise = 0.01 + 0.25 / 12  # of timing, and of rounding to whole milliseconds
    variance = 4 * (0.09 * noise / (0.09 + noise) + 0.01) + 1 / 12
    assert found.high_ms - found.low_ms == pytest.approx([2 * INTERVAL_SDS * variance**0.5])


def test_what_is_probable_is_the_weight_times_the_evidence() -> None:
    features, times = np.array([[1.0, 0], [1, 1], [1, 2]]), np.array([1.01, 1.52, 1.97])
    priors = [Prior(np.array([1, slope]), 0.04 * np.eye(2)) for slope in (0.0, 0.5)]
    feature_sets = {"a": features, "b": features}
    device = FewSamples(
        [Hypothesis("a", priors[0], 0.04, 0.8), Hypothesis("b", priors[1], 0.04, 0.2)], feature_sets, times
    )
    chances = []
    for prior, chance in zip(priors, (0.8, 0.2), strict=True):
        typical = features @ prior.mean
        unit = np.median(times / typical)
        spread = features @ prior.covariance @ features.T + np.diag(
            0.04**2 * typical + (0.01 / unit) ** 2 / 12
        )
        chances.append(chance * multivariate_normal(unit * typical, unit**2 * spread).pdf(times))
    assert device.feature_set_weights["a"] == pytest.approx(chances[0] / sum(chances))


def test_predictions_and_intervals_are_never_negative(world: SimpleNamespace) -> None:
    times = world.target_ms(noise=0.5)
    found = _sampled(world, times, 0, 3).predict(rows_of(world.feature_sets, REST))
    assert (found.low_ms >= 0).all()
    assert (found.low_ms <= found.latency_ms).all()
    assert (found.latency_ms <= found.high_ms).all()


@pytest.mark.parametrize(
    ("times", "step"),
    [([3.0, 12.0], 1), ([100.0], 1), ([3.5, 12.0], 0.1), ([0.25, 3.0], 0.01), ([1e-5, 1.0], 1e-5)],
)
def test_the_step_of_rounded_times(times: list[float], step: float) -> None:
    assert resolution_ms(np.array(times)) == pytest.approx(step)
