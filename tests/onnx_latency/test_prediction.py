"""The latency of a file: that which `edgenas predict` gives; from kernels timed at this operating point or another."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixtures.formula_clock import FormulaRuntime, formula_ms

import edgenas
from edgenas.board import bursts, host
from edgenas.device import Device, find_device
from edgenas.device.onnx_execution import OnnxExecutor, stores_in_blocks
from edgenas.fragments import drawing
from edgenas.latency.table import Fragments, LatencyTable, save_table
from edgenas.onnx_latency.fragment_timing import timed_fragments
from edgenas.onnx_latency.prediction import OnnxPrediction, latency_of_onnx, predicted_onnx
from edgenas.onnx_latency.runtime_kernels import kernels_that_run
from edgenas.space import mbconv
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights

from .conftest import Save, model, node

Make = Callable[..., LatencyTable]
NODES = [node("Conv", "x w", "a", pads=[1] * 4), node("Relu", "a", "b"), node("Conv", "b v", "y")]
WEIGHTS = {"w": (96, 24, 3, 3), "v": (24, 96, 1, 1)}
SIZES = (24, 28, 28)


@pytest.mark.parametrize("device", ["raspberry-pi-5", "jetson"])
def test_a_serialised_model_has_the_latency_of_its_file(device: str, tmp_path: Path) -> None:
    space = mbconv(32, 3)
    content = onnx_from_blocks(space.blocks(space.smallest), random_weights(0)).SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert latency_of_onnx(content, find_device(device)) == edgenas.predict(str(path), device).latency_ms


@pytest.fixture(scope="module")
def fragments() -> Fragments:
    """Those of batch 1 and one thread, by a clock that is a formula."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "COUNT", 60)
        patch.setattr(bursts, "MIN_ROUNDS", 3)
        patch.setattr(bursts, "MAX_ROUNDS", 3)
        found = timed_fragments(FormulaRuntime(), 1)
    assert found is not None
    return found


@pytest.fixture
def timed(make_table: Make, fragments: Fragments, device: Device) -> Path:
    """The table that holds them."""
    return save_table(device, make_table(fragments=fragments))


@pytest.fixture
def path(save: Save) -> Path:
    """A file whose batch is open."""
    return save(NODES, ("batch", *SIZES), WEIGHTS)


def _formula_ms(batch: int) -> float:
    """What the file takes by the clock."""
    executor = OnnxExecutor(stores_in_blocks("CPUExecutionProvider", host.instructions()))
    feeds = {"x": np.ones((batch, *SIZES), np.float32)}
    return 0.01 + formula_ms(kernels_that_run(executor, model(NODES, (batch, *SIZES), WEIGHTS), feeds))


def _width(found: OnnxPrediction) -> float:
    return found.latency.high / found.latency.low


@pytest.mark.parametrize("batch", [2, 8])
def test_costs_learnt_at_one_batch_serve_others_with_a_wider_interval(
    timed: Path, path: Path, batch: int, caplog: pytest.LogCaptureFixture
) -> None:
    one = predicted_onnx(path, find_device("cpu"))
    assert one.costs.scaled_from == "" and not caplog.messages
    found = predicted_onnx(path, find_device("cpu", batch=batch))
    assert found.latency.predicted == pytest.approx(_formula_ms(batch), rel=0.15)
    assert found.latency.low < _formula_ms(batch) < found.latency.high
    assert _width(found) > _width(one)
    assert (found.latency.provenance, found.costs.scaled_from) == ("calibrated", "batch 1")
    assert caplog.messages == [
        f"kernels of ONNX files were timed on cpu at 1 thread, batch 1, not at 1 thread, batch {batch}: their costs "
        "are scaled, and the interval is wider; for a narrower one: "
        f"edgenas profile --device cpu --threads 1 --precision fp32 --batch {batch}"
    ]


def test_costs_learnt_with_one_thread_serve_others_with_a_still_wider_interval(
    timed: Path, path: Path
) -> None:
    one, batch, threads = (
        predicted_onnx(path, find_device("cpu", **point)) for point in ({}, {"batch": 2}, {"threads": 2})
    )
    assert threads.costs.scaled_from == "1 thread"
    assert threads.costs.constant_ms == one.costs.constant_ms
    assert 0.5 * one.latency.predicted < threads.latency.predicted < 0.8 * one.latency.predicted
    assert _width(threads) > _width(batch) > _width(one)


def test_the_own_point_is_preferred_then_the_nearest_with_fragments(
    timed: Path, path: Path, make_table: Make, fragments: Fragments
) -> None:
    eight = find_device("cpu", batch=8)
    save_table(eight, make_table(batch=8))  # as after `--samples`, which times no fragments
    assert predicted_onnx(path, eight).costs.scaled_from == "batch 1"
    save_table(eight, make_table(batch=8, fragments=fragments))
    assert predicted_onnx(path, eight).costs.scaled_from == ""
    assert predicted_onnx(path, find_device("cpu", batch=4)).costs.scaled_from == "batch 8"
    assert (
        predicted_onnx(path, find_device("cpu", threads=2, batch=4)).costs.scaled_from == "1 thread, batch 8"
    )


def test_costs_published_for_a_point_are_preferred_to_scaled_ones(
    path: Path, make_table: Make, fragments: Fragments
) -> None:
    pi = find_device("raspberry-pi-5")
    published = predicted_onnx(path, pi).latency
    point = find_device("raspberry-pi-5", threads=1)
    fields = {"device": pi.name, "threads": 1, "power_mode": pi.power_mode}
    save_table(point, make_table(fragments=fragments, **fields))
    assert predicted_onnx(path, pi).latency == published
    assert predicted_onnx(path, find_device("raspberry-pi-5", threads=2)).costs.scaled_from == "1 thread"


def test_fragments_of_another_machine_or_version_serve_no_other_point(
    path: Path, make_table: Make, fragments: Fragments, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    save_table(device, make_table(fragments=fragments, host="0" * 12))
    asked = find_device("cpu", batch=2)
    assert predicted_onnx(path, asked).latency.provenance == "estimated"
    assert "was measured on another machine" in caplog.messages[0]
    caplog.clear()
    earlier = fragments.model_copy(update={"channel_block": 8})
    save_table(device, make_table(fragments=earlier))
    assert predicted_onnx(path, asked).latency.provenance == "estimated"
    assert caplog.messages[0].endswith(
        "named other kernels: they are not used; time them again: "
        "edgenas profile --device cpu --threads 1 --precision fp32 --batch 1"
    )
