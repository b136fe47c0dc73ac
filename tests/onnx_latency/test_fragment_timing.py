"""Timing fragments, on a runtime whose clock is a formula."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from edgenas.onnx_latency.blocked_layout import Piece, pieces_of
from numpy.typing import NDArray

from edgenas.board import bursts
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError
from edgenas.formats import read_json
from edgenas.onnx_latency import fragments
from edgenas.onnx_latency.costing import costing_from_fragments, graph_latency
from edgenas.onnx_latency.fragment_timing import timed_fragments
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.kernel_fusion import fused_kernels
from edgenas.onnx_latency.onnx_reading import read_model
from edgenas.onnx_latency.shape_inference import shaped
from edgenas.timing.journal import Journal
from edgenas.vocabulary import Precision

BLOCK = 16


class _Session(Session):
    def __init__(self, ms: float) -> None:
        self._ms = ms

    def run(self) -> list[NDArray[np.float32]]:
        return []

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        return np.full(calls, self._ms)


class BlockedRuntime(Runtime):
    """Keeps 16 channels together; a model takes what is multiplied and moved, and 0.01 ms."""

    name = "onnxruntime"
    provider = "CPUExecutionProvider"
    threads = 1
    precision: Precision = "fp32"
    version = "1.0"

    def __init__(self, folder: Path, lacks: str = "none") -> None:
        self._path = folder / "model.onnx"
        self._lacks = lacks

    def load(self, model: bytes, feeds: Feeds) -> Session:
        if self._lacks in {node.op_type for node in onnx.load_from_string(model).graph.node}:
            raise DeviceError("lacks an operator", "use another runtime")
        self._path.write_bytes(model)
        return _Session(0.01 + self.kernels_ms(self._path))

    @staticmethod
    def kernels_ms(path: Path) -> float:
        pieces = pieces_of(fused_kernels(shaped(read_model(path, 1))), BLOCK)
        return sum(_piece_ms(piece) for each in pieces for piece in each)


def _piece_ms(piece: Piece) -> float:
    """Arithmetic and traffic, which is dear in plain order."""
    plain = not piece.family.endswith(("blocked", "few"))
    return 0.001 + piece.macs / (1e7 if plain else 5e7) + (piece.read + piece.written) / 2e6


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few fragments, in three rounds."""
    monkeypatch.setattr(fragments, "COUNT", 60)
    monkeypatch.setattr(bursts, "MIN_ROUNDS", 3)
    monkeypatch.setattr(bursts, "MAX_ROUNDS", 3)


def test_the_runtimes_layout_is_seen_and_other_files_are_predicted(tmp_path: Path, save: Any) -> None:
    found = timed_fragments(BlockedRuntime(tmp_path), 1)
    assert found is not None
    assert (len(found.times), found.channel_block) == (60, BLOCK)
    assert found.overhead_ms == pytest.approx(0.011, abs=1e-3)
    node = onnx.helper.make_node
    path = save(
        [node("Conv", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"]), node("Conv", ["b", "v"], ["y"])],
        ("batch", 24, 28, 28),
        {"w": (96, 24, 3, 3), "v": (24, 96, 1, 1)},
    )
    kernels = fused_kernels(shaped(read_model(path, 1)))
    latency = graph_latency(kernels, costing_from_fragments(kernels, KernelCosts(found)))
    true_ms = 0.01 + BlockedRuntime.kernels_ms(path)
    assert latency.predicted == pytest.approx(true_ms, rel=0.1)
    assert latency.low < true_ms < latency.high
    assert latency.provenance == "calibrated"


def test_interrupted_it_goes_on_with_the_rounds_it_lacks(tmp_path: Path) -> None:
    whole = timed_fragments(BlockedRuntime(tmp_path), 1)
    journal, told = tmp_path / "journal", 0

    def stop(phase: str, done: float, total: float, detail: str = "") -> None:
        nonlocal told
        told += phase == "timing"
        if told == 2 * 61 + 30:  # in the third round of sixty fragments and an empty model
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        timed_fragments(BlockedRuntime(tmp_path), 1, stop, journal, "here")
    kept = read_json(journal, Journal)
    assert {len(rounds) for rounds in kept.bursts.values()} == {2}
    reports: list[str] = []

    def report(phase: str, done: float, total: float, detail: str = "") -> None:
        reports.append(phase)

    assert timed_fragments(BlockedRuntime(tmp_path), 1, report, journal, "here") == whole
    assert reports.count("timing") == 61 + 1
    assert {len(rounds) for rounds in read_json(journal, Journal).bursts.values()} == {3}


def test_fragments_that_the_runtime_cannot_run_are_left_out(tmp_path: Path) -> None:
    found = timed_fragments(BlockedRuntime(tmp_path, lacks="LayerNormalization"), 1)
    assert found is not None
    families = {each.name.split("/")[1] for each in found.times}
    assert families.isdisjoint({"next", "attention"})
    assert len(found.times) > 40


def test_a_runtime_that_can_run_none_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert timed_fragments(BlockedRuntime(tmp_path, lacks="Conv"), 1) is None
    other = BlockedRuntime(tmp_path)
    other.precision = "int8"
    assert timed_fragments(other, 1) is None
    monkeypatch.setattr(fragments, "COUNT", 0)
    assert timed_fragments(BlockedRuntime(tmp_path), 1) is None
