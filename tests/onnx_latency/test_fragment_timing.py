"""Timing fragments, on a runtime whose clock is a formula."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from fixtures.formula_clock import FormulaRuntime, formula_ms

from edgenas.board import bursts, host
from edgenas.device.onnx_execution import OnnxExecutor, stores_in_blocks
from edgenas.formats import read_json
from edgenas.fragments import drawing
from edgenas.onnx_latency import fragment_timing
from edgenas.onnx_latency.costing import costing_from_fragments, graph_latency
from edgenas.onnx_latency.fragment_timing import timed_fragments
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.runtime_kernels import kernels_that_run
from edgenas.timing.journal import Journal
from edgenas.timing.loaded_models import load_sentinel

from .conftest import model, node


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
    true_ms = 0.01 + formula_ms(kernels)
    assert latency.predicted == pytest.approx(true_ms, rel=0.1)
    assert latency.low < true_ms < latency.high
    assert latency.provenance == "calibrated"


def test_they_say_when_and_at_which_pace_they_were_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "COUNT", 2)
    before = datetime.now(UTC).replace(microsecond=0)
    found = timed_fragments(FormulaRuntime(), 1)
    assert found is not None and found.measured_at is not None
    assert before <= datetime.fromisoformat(found.measured_at) <= datetime.now(UTC)
    assert found.sentinel_ms == load_sentinel(FormulaRuntime()).time_ms(1)[0]


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

    assert whole is not None
    resumed = timed_fragments(FormulaRuntime(), 1, report, journal, "here")
    assert resumed == whole.model_copy(update={"measured_at": resumed and resumed.measured_at})
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


def test_where_dictionaries_come_out_no_kernel_is_timed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fragment = drawing.further_fragment("dictionaries", 1, [0, 0])
    monkeypatch.setattr(fragment_timing, "RUNS", 4)
    monkeypatch.setattr(drawing, "COUNT", 0)
    monkeypatch.setattr(drawing, "further", lambda batch: [fragment])
    found = timed_fragments(FormulaRuntime(), 1)
    assert found is not None
    assert [each.parts_ms for each in found.times] == [{}]
    assert "copy/ZipMap" in {text.partition(" ")[0] for text in found.times[0].pieces}
