"""From blocks to whole networks: a line, corrections of blocks, and how wide the interval is."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgenas.errors import DeviceError
from edgenas.latency import calibration as module
from edgenas.latency.calibration import (
    CORRECTION_SHARES,
    COVERAGE,
    MIN_SHARE,
    NOISE,
    SLOPE_SD,
    fit_calibration,
    interval_factors,
)
from edgenas.latency.table import Calibration

residual_lists = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=40)


class Truth(NamedTuple):
    """A device that is known: networks of blocks, whose times are a line of their sums and corrections."""

    block_ms: dict[str, float]
    corrections_ms: dict[str, float]
    slope: float
    intercept_ms: float

    def networks(self, count: int, rng: np.random.Generator, layers: int = 12) -> dict[str, list[str]]:
        """Random networks; a block may occur more than once."""
        keys = list(self.block_ms)
        sizes = rng.integers(layers // 2, layers + 1, count)
        return {f"n{i}": [str(key) for key in rng.choice(keys, size)] for i, size in enumerate(sizes)}

    def ms(self, keys: list[str]) -> float:
        """What a network takes."""
        return self.intercept_ms + sum(self.slope * self.block_ms[k] + self.corrections_ms[k] for k in keys)


def _truth(
    rng: np.random.Generator,
    blocks: int = 15,
    share: float = 0.0,
    slope: float = 0.9,
    intercept_ms: float = 0.2,
) -> Truth:
    """Corrections are a share of the blocks' times and, being no slope, cancel on average."""
    block_ms = {f"b{i}": float(ms) for i, ms in enumerate(rng.uniform(0.05, 1, blocks))}
    shares = rng.normal(0, 1, blocks)
    shares = share * (shares - shares.mean()) / shares.std()
    corrections = {key: float(s * ms) for s, (key, ms) in zip(shares, block_ms.items(), strict=True)}
    return Truth(block_ms, corrections, slope, intercept_ms)


def _predict(calibration: Calibration, block_ms: dict[str, float], keys: list[str]) -> float:
    corrections = calibration.corrections_ms
    return calibration.intercept_ms + sum(
        calibration.slope * block_ms[key] + corrections.get(key, 0.0) for key in keys
    )


def _fit(
    truth: Truth, networks: dict[str, list[str]], rng: np.random.Generator, noise: float = 0.0
) -> Calibration:
    measured = [truth.ms(keys) * (1 + noise * rng.standard_normal()) for keys in networks.values()]
    return fit_calibration(truth.block_ms, networks, measured, 0.01)


def _errors(truth: Truth, calibration: Calibration, networks: dict[str, list[str]]) -> NDArray[np.float64]:
    """(predicted - true) / true of each network."""
    predicted = [_predict(calibration, truth.block_ms, keys) for keys in networks.values()]
    return np.array(predicted) / [truth.ms(keys) for keys in networks.values()] - 1


@pytest.mark.parametrize("seed", range(5))
def test_slope_intercept_and_corrections_are_recovered(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOISE", 1e-5)  # with next to none the posterior mean is the truth itself
    rng = np.random.default_rng(seed)
    truth = _truth(rng, share=0.05, slope=1.2, intercept_ms=0.4)
    found = _fit(truth, truth.networks(100, rng), rng)
    assert found.slope == pytest.approx(1.2, rel=1e-3)
    assert found.intercept_ms == pytest.approx(0.4, rel=1e-3)
    for key, correction in truth.corrections_ms.items():
        assert found.corrections_ms[key] == pytest.approx(correction, abs=1e-3 * truth.block_ms[key])
    assert np.abs(_errors(truth, found, truth.networks(50, rng))).max() < 1e-4
    assert np.abs(found.residuals).max() < 1e-4


@given(slope=st.floats(0.3, 2.5), intercept=st.floats(0, 5), seed=st.integers(0, 1000))
def test_a_line_is_recovered(slope: float, intercept: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = _truth(rng, slope=slope, intercept_ms=intercept)
    found = _fit(truth, truth.networks(20, rng), rng)
    assert np.abs(_errors(truth, found, truth.networks(20, rng))).max() < 0.01
    assert np.abs(found.residuals).max() < 0.01


@pytest.mark.parametrize("share", [0.03, 0.08])
def test_corrections_predict_better_than_the_line_where_there_are_any(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    truth = _truth(rng, share=share)
    networks, fresh = truth.networks(40, rng), truth.networks(200, rng)
    with_corrections = _fit(truth, networks, rng, noise=0.003)
    monkeypatch.setattr(module, "CORRECTION_SHARES", (0.0,))
    line = _fit(truth, networks, rng, noise=0.003)
    assert not any(line.corrections_ms.values())
    error, line_error = (np.abs(_errors(truth, each, fresh)).mean() for each in (with_corrections, line))
    assert error < 0.5 * line_error


def test_noise_on_a_line_makes_no_corrections() -> None:
    sizes = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = _truth(rng)
        found = _fit(truth, truth.networks(40, rng), rng, noise=0.005)
        shares = [abs(found.corrections_ms.get(key, 0.0)) / ms for key, ms in truth.block_ms.items()]
        sizes.append(np.mean(shares))
        assert np.abs(_errors(truth, found, truth.networks(100, rng))).mean() < 0.005
    assert np.mean(sizes) < 0.005
    assert max(sizes) < 0.02


def test_strong_noise_falls_back_towards_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: dict[str, list[float]] = {"free": [], "line": [], "always": []}
    shares = {"free": CORRECTION_SHARES, "line": (0.0,), "always": CORRECTION_SHARES[-1:]}
    for seed in range(30):
        truth = _truth(np.random.default_rng(seed))
        for kind, choice in shares.items():
            monkeypatch.setattr(module, "CORRECTION_SHARES", choice)
            rng = np.random.default_rng(seed)
            found = _fit(truth, truth.networks(12, rng), rng, noise=0.05)
            errors[kind].append(float(np.abs(_errors(truth, found, truth.networks(100, rng))).mean()))
    free, line, always = (np.mean(errors[kind]) for kind in ("free", "line", "always"))
    assert line <= free < 0.7 * always
    assert free < 0.05


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("share", [0.0, 0.05])
def test_few_networks_are_still_sound(count: int, share: float) -> None:
    errors, widths = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = _truth(rng, share=share)
        found = _fit(truth, truth.networks(count, rng), rng, noise=0.01)
        assert 0.3 < found.slope < 2
        assert len(found.residuals) == count
        errors.append(np.abs(_errors(truth, found, truth.networks(100, rng))).mean())
        low, high = interval_factors(found.residuals)
        assert 0 < low < 1 < high < 2
        widths.append(high - low)
    # No better than three noisy networks can be, and the interval says so.
    assert np.mean(errors) < 0.05
    assert np.mean(widths) > np.mean(errors)


def test_networks_of_one_sum_still_give_their_time() -> None:
    found = fit_calibration({"a": 1.0}, {f"n{i}": ["a", "a"] for i in range(3)}, [4.0, 4.0, 4.0], 0.0)
    assert _predict(found, {"a": 1.0}, ["a", "a"]) == pytest.approx(4, rel=0.01)


def test_residuals_are_refits_without_the_network() -> None:
    """Against weights fitted anew for every network left out, for every share; the best share's are reported."""
    rng = np.random.default_rng(3)
    truth = _truth(rng, blocks=8, share=0.06)
    networks = truth.networks(14, rng)
    measured = np.array([truth.ms(keys) * (1 + 0.01 * rng.standard_normal()) for keys in networks.values()])
    found = fit_calibration(truth.block_ms, networks, measured.tolist(), 0.01)
    refits = {
        share: _refitted_residuals(truth.block_ms, networks, measured, share) for share in CORRECTION_SHARES
    }
    best = min(refits, key=lambda share: float(np.square(refits[share]).mean()))
    assert best > 0
    assert found.residuals == pytest.approx(refits[best].tolist(), rel=1e-6, abs=1e-9)


def _refitted_residuals(
    block_ms: dict[str, float], networks: dict[str, list[str]], measured: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Ridge regression of the weights (slope - 1, intercept, corrections), the prior as the module's constants say."""
    costs = np.array(list(block_ms.values()))
    counts = np.array([[keys.count(key) for key in block_ms] for keys in networks.values()], dtype=float)
    sums = counts @ costs
    features = np.column_stack([sums, np.ones(len(sums)), counts])
    prior_sd = np.array([SLOPE_SD, SLOPE_SD * measured.mean(), *(share * costs)])
    scaled, target, sd = features * prior_sd, measured - sums, NOISE * measured
    residuals = []
    for i in range(len(measured)):
        rest = np.arange(len(measured)) != i
        rows = scaled[rest] / sd[rest, None]
        weights = np.linalg.solve(rows.T @ rows + np.eye(len(prior_sd)), rows.T @ (target[rest] / sd[rest]))
        residuals.append((sums[i] + scaled[i] @ weights) / measured[i] - 1)
    return np.array(residuals)


def test_a_network_that_is_off_is_seen_in_its_residual() -> None:
    rng = np.random.default_rng(0)
    truth = _truth(rng)
    networks = truth.networks(20, rng)
    measured = [truth.ms(keys) for keys in networks.values()]
    measured[7] *= 1.25
    residuals = np.array(fit_calibration(truth.block_ms, networks, measured, 0.0).residuals)
    assert np.abs(residuals).argmax() == 7
    assert residuals[7] == pytest.approx(1 / 1.25 - 1, abs=0.03)


@pytest.mark.parametrize(("share", "noise"), [(0.0, 0.01), (0.0, 0.05), (0.04, 0.01), (0.1, 0.02)])
def test_intervals_hold_nine_tenths_of_fresh_networks(share: float, noise: float) -> None:
    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = _truth(rng, share=share)
        found = _fit(truth, truth.networks(40, rng), rng, noise)
        low, high = interval_factors(found.residuals)
        fresh = truth.networks(50, rng)
        predicted = np.array([_predict(found, truth.block_ms, keys) for keys in fresh.values()])
        measured = np.array([truth.ms(keys) for keys in fresh.values()])
        measured *= 1 + noise * rng.standard_normal(len(measured))
        held.append(np.mean((low * predicted <= measured) & (measured <= high * predicted)))
    assert np.mean(held) == pytest.approx(COVERAGE, abs=0.05)


@given(seed=st.integers(0, 1000), factor=st.floats(1e-3, 1e3), count=st.integers(8, 20))
@settings(max_examples=50)
def test_in_another_unit_of_time_only_times_change(seed: int, factor: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    truth = _truth(rng, share=0.05)
    networks = truth.networks(count, rng)
    measured = np.array([truth.ms(keys) * (1 + 0.01 * rng.standard_normal()) for keys in networks.values()])
    one = fit_calibration(truth.block_ms, networks, measured.tolist(), 0.01)
    block_ms = {key: factor * ms for key, ms in truth.block_ms.items()}
    other = fit_calibration(block_ms, networks, (factor * measured).tolist(), 0.01)
    assert other.slope == pytest.approx(one.slope, rel=1e-6)
    assert other.residuals == pytest.approx(one.residuals, rel=1e-5, abs=1e-8)
    assert other.intercept_ms == pytest.approx(factor * one.intercept_ms, rel=1e-5, abs=1e-8 * factor)
    assert set(other.corrections_ms) == set(one.corrections_ms)
    for key, correction in one.corrections_ms.items():
        assert other.corrections_ms[key] == pytest.approx(factor * correction, rel=1e-5, abs=1e-8 * factor)


@given(seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_the_order_of_networks_and_blocks_is_no_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = _truth(rng, share=0.05)
    networks = truth.networks(10, rng)
    measured = {name: truth.ms(keys) * (1 + 0.01 * rng.standard_normal()) for name, keys in networks.items()}
    one = fit_calibration(truth.block_ms, networks, list(measured.values()), 0.0)
    turned = {name: list(reversed(networks[name])) for name in reversed(networks)}
    other = fit_calibration(truth.block_ms, turned, [measured[name] for name in turned], 0.0)
    assert other.slope == pytest.approx(one.slope, rel=1e-6)
    assert other.corrections_ms == pytest.approx(one.corrections_ms, rel=1e-5, abs=1e-9)
    assert other.networks == tuple(reversed(one.networks))
    assert other.residuals == pytest.approx(tuple(reversed(one.residuals)), rel=1e-5, abs=1e-9)


def test_residuals_are_against_the_times_of_another_day_where_given() -> None:
    rng = np.random.default_rng(0)
    truth = _truth(rng, share=0.05)
    networks = truth.networks(20, rng)
    measured = [truth.ms(keys) for keys in networks.values()]
    later = [ms * (1 + 0.04 * rng.standard_normal()) for ms in measured]
    one = fit_calibration(truth.block_ms, networks, measured, 0.0)
    other = fit_calibration(truth.block_ms, networks, measured, 0.0, later)
    assert other.model_dump(exclude={"residuals"}) == one.model_dump(exclude={"residuals"})
    expected = (1 + np.array(one.residuals)) * measured / later - 1
    assert other.residuals == pytest.approx(expected.tolist())
    assert interval_factors(other.residuals)[1] > 1.03 > interval_factors(one.residuals)[1]


def test_what_was_calibrated_on_is_recorded() -> None:
    rng = np.random.default_rng(0)
    truth = _truth(rng, share=0.1)
    networks = truth.networks(30, rng)
    found = _fit(truth, networks, rng)
    assert found.networks == tuple(networks)
    assert found.overhead_ms == 0.01
    assert set(found.corrections_ms) == {key for keys in networks.values() for key in keys}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_networks(count: int) -> None:
    networks = {f"n{i}": ["a"] for i in range(count)}
    with pytest.raises(
        DeviceError, match=rf"^{count} networks cannot calibrate a table; use --networks 3 or more$"
    ):
        fit_calibration({"a": 1.0}, networks, [1.0] * count, 0.0)


@pytest.mark.parametrize("least", [0.0, -0.1])
def test_blocks_that_seem_to_cost_nothing(least: float) -> None:
    with pytest.raises(
        DeviceError,
        match=r"^blocks took no longer than an empty call; profile again on an idle machine$",
    ):
        fit_calibration({"a": least, "b": 1.0}, {"x": ["a"], "y": ["b"], "z": ["b", "b"]}, [1.0] * 3, 0.0)


def test_networks_that_get_faster_with_more_work() -> None:
    networks = {"x": ["a"], "y": ["a"] * 2, "z": ["a"] * 3}
    with pytest.raises(
        DeviceError, match=r"^networks with more work took less time; profile again on an idle machine$"
    ):
        fit_calibration({"a": 1.0}, networks, [30.0, 20.0, 10.0], 0.0)


@given(residual_lists)
def test_the_interval_holds_the_nominal_share_of_its_own_networks(residuals: list[float]) -> None:
    low, high = interval_factors(tuple(residuals))
    measured = 1 / (1 + np.array(residuals))  # of networks predicted at 1
    assert 0 < low <= 1 <= high
    assert np.mean((measured >= low - 1e-12) & (measured <= high + 1e-12)) >= COVERAGE


@given(residual_lists)
def test_the_interval_ignores_order_and_sign(residuals: list[float]) -> None:
    factors = interval_factors(tuple(residuals))
    assert interval_factors(tuple(sorted(residuals))) == factors
    assert interval_factors(tuple(-residual for residual in residuals)) == factors


@given(residual_lists, st.floats(1, 10))
def test_larger_residuals_widen_the_interval(residuals: list[float], factor: float) -> None:
    low, high = interval_factors(tuple(residuals))
    wide_low, wide_high = interval_factors(tuple(factor * residual for residual in residuals))
    assert wide_low <= low and wide_high >= high


def test_the_widest_interval_ends_at_ten_times_the_prediction() -> None:
    assert interval_factors((0.0, 3.0)) == pytest.approx((1 / 5.5, 1 / MIN_SHARE))


@pytest.mark.parametrize(
    ("residuals", "width"),
    [
        ((0.01, -0.02), 0.02 * 3 / 2),
        ((0.1, 0.0, 0.0, 0.0), 0.1 * 5 / 4),
        (tuple(i / 100 for i in range(1, 10)), 0.09),
        (tuple(i / 100 for i in range(1, 20)), 0.18),
        (tuple(i / 100 for i in range(1, 30)), 0.27),
    ],
)
def test_the_interval_is_the_conformal_quantile(residuals: tuple[float, ...], width: float) -> None:
    assert interval_factors(residuals) == pytest.approx((1 / (1 + width), 1 / (1 - width)))


@pytest.mark.parametrize(("drawn", "kept"), [(0, 30), (8, 30), (9, 9), (20, 20)])
def test_only_residuals_of_random_networks_are_kept_where_they_are_enough(drawn: int, kept: int) -> None:
    rng = np.random.default_rng(1)
    truth = _truth(rng, share=0.05)
    networks = truth.networks(30, rng)
    measured = [truth.ms(keys) * (1 + 0.01 * rng.standard_normal()) for keys in networks.values()]
    names = list(networks)
    every = fit_calibration(truth.block_ms, networks, measured, 0.0).residuals
    some = fit_calibration(truth.block_ms, networks, measured, 0.0, random=names[-drawn:] if drawn else [])
    assert len(some.residuals) == kept
    assert some.residuals == every[-kept:]
    assert some.networks == tuple(names)
