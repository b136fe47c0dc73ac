"""Fitting costs: found again where figures tell them, near to what is expected where they do not, never negative."""

import math

import device_fitting
import numpy as np
import pytest
from device_fitting import Figure, Setting, setting_from_datasheet
from hypothesis import given
from hypothesis import strategies as st

from edgenas.device import find_device
from edgenas.device.device import Costs

SIZE = len(device_fitting.NAMES)
RNG = np.random.default_rng(0)
NETWORKS = RNG.lognormal(0, 1.5, (16, SIZE))
EXPECTED, LEAST = (1.0,) * SIZE, (0.02,) * SIZE
BOARDS = [Setting(board, "runtime", EXPECTED, LEAST) for board in ("one", "two")]


def _figures(setting: Setting, costs: np.ndarray, count: int = len(NETWORKS)) -> list[Figure]:  # type: ignore[type-arg]
    rows = enumerate(NETWORKS[:count])
    return [Figure(setting, f"net{i}", row, float(row @ costs)) for i, row in rows]


def _values(costs: Costs) -> "np.ndarray":  # type: ignore[type-arg]
    return np.array(list(costs.model_dump().values()))


def test_figures_of_one_network_are_met() -> None:
    costs = RNG.lognormal(0, 0.5, SIZE)
    fitted = _values(device_fitting.fit(_figures(BOARDS[0], costs))(BOARDS[0]))
    assert NETWORKS @ fitted == pytest.approx(NETWORKS @ costs, rel=0.1)


def test_networks_left_out_are_told_and_better_with_a_second_board() -> None:
    costs = RNG.lognormal(0, 0.5, SIZE)
    few = _figures(BOARDS[0], costs, count=7)
    alike = _figures(BOARDS[1], 3 * costs)

    def error(figures: list[Figure]) -> float:
        fitted = _values(device_fitting.fit(figures)(BOARDS[0]))
        return float(np.abs(np.log(NETWORKS[7:] @ fitted / (NETWORKS[7:] @ costs))).mean())

    assert error(few + alike) < min(0.1, error(few))


def test_a_single_wrong_figure_does_not_spoil_the_others() -> None:
    costs = RNG.lognormal(0, 0.3, SIZE)
    figures = _figures(BOARDS[0], costs)
    wrong = Figure(BOARDS[0], "wrong", NETWORKS[0], 5 * figures[0].latency_ms)
    fitted = _values(device_fitting.fit([*figures, wrong])(BOARDS[0]))
    assert float(np.median(np.abs(NETWORKS @ fitted / (NETWORKS @ costs) - 1))) < 0.1


@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=6))
def test_no_cost_is_below_what_the_hardware_allows_whatever_is_published(latencies_ms: list[float]) -> None:
    figures = [
        Figure(BOARDS[0], f"net{i}", row, latency_ms)
        for i, (row, latency_ms) in enumerate(zip(NETWORKS, latencies_ms, strict=False))
    ]
    costs = _values(device_fitting.fit(figures)(BOARDS[0]))
    assert (costs >= LEAST).all() and np.isfinite(costs).all()


def test_the_slope_of_the_residuals_is_what_differences_say() -> None:
    settings = [BOARDS[0], BOARDS[1], BOARDS[0]]
    levels = device_fitting._Levels(settings)
    residuals = device_fitting._Residuals(
        np.ones(3), NETWORKS[:3], np.zeros(3), levels.places(settings), levels.sds
    )
    x = RNG.normal(0, 0.3, len(levels.sds))
    step = 1e-6
    for i in range(0, len(x), 7):
        shift = np.zeros(len(x))
        shift[i] = step
        found = (residuals.values(x + shift) - residuals.values(x - shift)) / (2 * step)
        assert residuals.jacobian(x)[:, i] == pytest.approx(found, abs=1e-5)


def test_each_network_is_left_out_on_every_board() -> None:
    costs = RNG.lognormal(0, 0.2, SIZE)
    figures = _figures(BOARDS[0], costs, 4) + _figures(BOARDS[1], 2 * costs, 4)
    left_out = list(device_fitting.leave_one_out(figures))
    assert [each.figure.network for each in left_out] == [f"net{i}" for i in range(4) for _ in BOARDS]
    without = device_fitting.fit([figure for figure in figures if figure.network != "net0"])
    assert left_out[0].predicted_ms == pytest.approx(float(NETWORKS[0] @ _values(without(BOARDS[0]))))


def test_amounts_are_summed_over_kernels() -> None:
    total = device_fitting.amounts_array([{"launch_copy": 1.0}, {"launch_copy": 2.0, "macs_dense": 4.0}])
    assert dict(zip(device_fitting.NAMES, total, strict=True)) == dict.fromkeys(device_fitting.NAMES, 0.0) | {
        "launch_copy": 3.0,
        "macs_dense": 4.0,
    }


def test_the_interval_is_an_order_statistic_of_the_errors() -> None:
    errors = [0.01 * i * (-1) ** i for i in range(1, 21)]
    assert device_fitting.interval_factor(errors) == pytest.approx(math.exp(0.19))
    assert device_fitting.interval_factor(errors[:5]) == pytest.approx(math.exp(0.05))


def test_a_datasheet_suggests_costs() -> None:
    device = find_device("pi4")
    setting = setting_from_datasheet("board", "runtime", device.datasheet, "fp32", on_gpu=False)
    expected = dict(zip(device_fitting.NAMES, setting.expected_ms, strict=True))
    assert expected["macs_dense"] == pytest.approx(3 * 2e3 / 48)
    assert expected["traffic_copy"] == pytest.approx(2 * 4 / 12.8)
    assert all(least < usual for least, usual in zip(setting.least_ms, setting.expected_ms, strict=True))
    least = dict(zip(device_fitting.NAMES, setting.least_ms, strict=True))
    assert (least["macs_pointwise"], least["launch_copy"]) == (pytest.approx(2e3 / 48), 0)
    on_gpu = setting_from_datasheet("board", "runtime", device.datasheet, "fp16", on_gpu=True)
    narrow = dict(zip(device_fitting.NAMES, on_gpu.expected_ms, strict=True))
    assert narrow["traffic_copy"] == pytest.approx(expected["traffic_copy"] / 2)
    assert narrow["macs_depthwise"] < expected["macs_depthwise"]
