"""Timing fragments, on a runtime whose clock is a formula."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgenas.board import bursts, host
from edgenas.device.onnx_execution import OnnxExecutor, stores_in_blocks
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError
from edgenas.formats import read_json
from edgenas.fragments import drawing
from edgenas.onnx_latency import fragment_timing
from edgenas.onnx_latency.costing import costing_from_fragments, graph_latency
from edgenas.onnx_latency.fragment_timing import timed_fragments
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.pieces import Piece, pieces_of
from edgenas.onnx_latency.runtime_kernels import kernels_that_run
from edgenas.timing.journal import Journal
from edgenas.vocabulary import Precision

from .conftest import model, node


class _Session(Session):
    def __init__(self, ms: float) -> None:
        self._ms = ms

    def run(self) -> list[NDArray[np.float32]]:
        return []

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        return np.full(calls, self._ms)


class FormulaRuntime(Runtime):
    """A model takes what is multiplied and moved by the kernels that run, and 0.01 ms."""

    name = "onnxruntime"
    provider = "CPUExecutionProvider"
    threads = 1
    precision: Precision = "fp32"
    version = "1.0"

    def __init__(self, lacks: str = "none") -> None:
        self._lacks = lacks
        self._executor = OnnxExecutor(stores_in_blocks(self.provider, host.instructions()))

    def load(self, model: bytes, feeds: Feeds) -> Session:
        proto = onnx.load_from_string(model)
        if self._lacks in {node.op_type for node in proto.graph.node}:
            raise DeviceError("lacks an operator", "use another runtime")
        return _Session(0.01 + _kernels_ms(kernels_that_run(self._executor, proto, feeds)))


def _kernels_ms(kernels: Sequence[Kernel]) -> float:
    return sum(_piece_ms(piece) * count for each in kernels for piece, count in pieces_of(each).items())


def _piece_ms(piece: Piece) -> float:
    """Arithmetic, dear where channels are not stored in blocks, and traffic."""
    return 0.001 + piece.macs / (5e7 if "nchwc" in piece.family else 1e7) + (piece.read + piece.written) / 2e6


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few fragments, in three rounds."""
    monkeypatch.setattr(drawing, "COUNT", 60)
    monkeypatch.setattr(drawing, "FURTHER", 0)
    monkeypatch.setattr(fragment_timing, "RUNS", 1)
    monkeypatch.setattr(bursts, "MIN_ROUNDS", 3)
    monkeypatch.setattr(bursts, "MAX_ROUNDS", 3)


def test_other_files_are_predicted_from_what_was_timed() -> None:
    found = timed_fragments(FormulaRuntime(), 1)
    assert found is not None
    assert (len(found.times), found.channel_block) == (60, None)
    assert found.blocked == stores_in_blocks("CPUExecutionProvider", host.instructions())
    assert found.overhead_ms == pytest.approx(0.011, abs=1e-3)
    nodes = [node("Conv", "x w", "a", pads=[1] * 4), node("Relu", "a", "b"), node("Conv", "b v", "y")]
    made = model(nodes, (1, 24, 28, 28), {"w": (96, 24, 3, 3), "v": (24, 96, 1, 1)})
    image = {"x": np.ones((1, 24, 28, 28), np.float32)}
    kernels = kernels_that_run(OnnxExecutor(found.blocked), made, image)
    latency = graph_latency(kernels, costing_from_fragments(kernels, KernelCosts(found)))
    true_ms = 0.01 + _kernels_ms(kernels)
    assert latency.predicted == pytest.approx(true_ms, rel=0.1)
    assert latency.low < true_ms < latency.high
    assert latency.provenance == "calibrated"


def test_interrupted_it_goes_on_with_the_rounds_it_lacks(tmp_path: Path) -> None:
    whole = timed_fragments(FormulaRuntime(), 1)
    journal, told = tmp_path / "journal", 0

    def stop(phase: str, done: float, total: float, detail: str = "") -> None:
        nonlocal told
        told += phase == "timing"
        if told == 2 * 61 + 30:  # in the third round of sixty fragments and an empty model
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        timed_fragments(FormulaRuntime(), 1, stop, journal, "here")
    kept = read_json(journal, Journal)
    assert {len(rounds) for rounds in kept.bursts.values()} == {2}
    reports: list[str] = []

    def report(phase: str, done: float, total: float, detail: str = "") -> None:
        reports.append(phase)

    assert timed_fragments(FormulaRuntime(), 1, report, journal, "here") == whole
    assert reports.count("timing") == 61 + 1
    assert {len(rounds) for rounds in read_json(journal, Journal).bursts.values()} == {3}


def test_fragments_that_the_runtime_cannot_run_are_left_out() -> None:
    found = timed_fragments(FormulaRuntime(lacks="LayerNormalization"), 1)
    assert found is not None
    families = {each.name.split("/")[1] for each in found.times}
    assert families.isdisjoint({"next", "attention"})
    assert len(found.times) > 40


def test_a_runtime_that_can_run_none_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timed_fragments(FormulaRuntime(lacks="Conv"), 1) is None
    other = FormulaRuntime()
    other.precision = "int8"
    assert timed_fragments(other, 1) is None
    monkeypatch.setattr(drawing, "COUNT", 0)
    monkeypatch.setattr(drawing, "FURTHER", 0)
    assert timed_fragments(FormulaRuntime(), 1) is None


def test_kernels_that_are_one_piece_are_timed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragment_timing, "RUNS", 4)
    monkeypatch.setattr(drawing, "COUNT", 8)
    found = timed_fragments(FormulaRuntime(), 1)
    assert found is not None
    for each in found.times:
        assert each.parts_ms.keys() <= each.pieces.keys()
        assert 0 < sum(each.parts_ms.values()) <= each.typical_ms
