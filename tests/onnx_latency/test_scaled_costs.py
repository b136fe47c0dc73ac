"""Kernel costs of one operating point at another."""

from collections.abc import Callable

import pytest

from edgenas.device import Device, Provenance
from edgenas.device_models.work import Interval
from edgenas.onnx_latency.costing import Costing
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.scaled_costs import BATCH_FACTOR, THREADS_FACTOR, scaled

from .conftest import node

LEARNT = Costing([3.0, 5.0], Interval(0.5, 2.0), Provenance.CALIBRATED, 0.25)


@pytest.fixture
def kernels(kernels_of: Callable[..., list[Kernel]]) -> list[Kernel]:
    """Many multiplications of few numbers, and a softmax that only moves them."""
    nodes = [node("Conv", "x w", "a", pads=[2] * 4), node("Softmax", "a", "y")]
    return kernels_of(nodes, (1, 64, 64, 64), {"w": (64, 64, 5, 5)})


def _at(board: Device, threads: int = 1, batch: int = 1) -> Device:
    sheet = board.datasheet.model_copy(update={"peak_gflops": threads, "kernel_launch_us": 1.0})
    return board.model_copy(update={"threads": threads, "batch": batch, "datasheet": sheet})


def test_at_the_same_point_they_are_what_they_are(board: Device, kernels: list[Kernel]) -> None:
    assert scaled(LEARNT, kernels, _at(board), _at(board)) is LEARNT


def test_at_another_batch_only_the_interval_is_wider(board: Device, kernels: list[Kernel]) -> None:
    found = scaled(LEARNT, kernels, _at(board), _at(board, batch=8))
    assert found.times_ms == LEARNT.times_ms
    assert found.interval == pytest.approx((0.5 / BATCH_FACTOR, 2 * BATCH_FACTOR))
    assert (found.provenance, found.constant_ms) == (LEARNT.provenance, LEARNT.constant_ms)
    assert found.scaled_from == "batch 1"


@pytest.mark.parametrize(("before", "now", "doublings"), [(1, 2, 1), (2, 4, 1), (4, 1, 2)])
def test_threads_share_arithmetic_but_no_traffic(
    board: Device, kernels: list[Kernel], before: int, now: int, doublings: int
) -> None:
    found = scaled(LEARNT, kernels, _at(board, before), _at(board, now))
    assert found.times_ms == pytest.approx([3.0 * before / now, 5.0], rel=1e-4)
    factor = THREADS_FACTOR**doublings
    assert found.interval == pytest.approx((0.5 / factor, 2 * factor))
    assert found.constant_ms == LEARNT.constant_ms
    assert found.scaled_from == ("1 thread" if before == 1 else f"{before} threads")


def test_launches_take_their_time_whatever_the_threads(
    board: Device, kernels_of: Callable[..., list[Kernel]]
) -> None:
    tiny = kernels_of([node("Conv", "x w", "y")], (1, 1, 1, 1), {"w": (1, 1, 1, 1)})
    learnt = Costing([3.0], Interval(0.5, 2.0), Provenance.CALIBRATED)
    (ms,) = scaled(learnt, tiny, _at(board), _at(board, threads=16)).times_ms
    assert ms == pytest.approx(3.0, rel=0.02)


def test_both_at_once_are_both_named_and_widen_the_interval(board: Device, kernels: list[Kernel]) -> None:
    found = scaled(LEARNT, kernels, _at(board, 2, 4), _at(board, 4, 1))
    assert found.scaled_from == "2 threads, batch 4"
    factor = BATCH_FACTOR * THREADS_FACTOR
    assert found.interval == pytest.approx((0.5 / factor, 2 * factor))


def test_the_precision_of_a_file_is_no_scaling(board: Device, kernels: list[Kernel]) -> None:
    """An int8 file is predicted from what was timed at fp32, whose table holds kernels of all types."""
    int8 = _at(board, batch=2).at("int8")
    assert scaled(LEARNT, kernels, _at(board), int8).times_ms == LEARNT.times_ms
