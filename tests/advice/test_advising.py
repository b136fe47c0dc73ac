"""Advice on files, and files without what costs needlessly."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from fixtures import needless
from fixtures.timing import FakeRuntime, FakeSession

from edgenas.advice import advising, gains, simplifying
from edgenas.advice.advising import Advised
from edgenas.advice.record import Advice
from edgenas.board import host
from edgenas.device import Device
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError, FileFormatError, InputError, VerificationError

Advise = Callable[..., Advised]

X86 = host.instructions().startswith("x86")
PI, HERE = "raspberry-pi-5", "cpu"


def the_one(found: Advised, kind: str) -> Advice:
    assert found.advice is not None and [each.kind for each in found.advice] == [kind]
    return found.advice[0]


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is timed unless a test says how long it takes."""
    monkeypatch.setattr(gains.Gains, "measure", lambda *arguments: None)


def test_nothing_is_found_where_nothing_costs_needlessly(advise: Advise) -> None:
    assert advise(needless.plain(), simplify=True).advice == ()


def test_weights_that_are_inputs(advise: Advise) -> None:
    found = the_one(advise(needless.weights_as_inputs()), "weights-as-inputs")
    assert found.nodes == ("norm",) and found.fixable
    assert found.problem == (
        "5 weights listed as inputs too: a call may replace them, so ONNX Runtime folds nothing into them, such as "
        "1 batch norm"
    )
    assert found.predicted_gain_ms is not None and found.predicted_gain_ms > 0
    assert found.predicted_gain_share is not None and 0 < found.predicted_gain_share < 1
    assert found.measured_gain_ms is None


def test_of_ir_version_3_no_call_may_replace_weights(advise: Advise) -> None:
    made = needless.weights_as_inputs()
    made.ir_version = 3
    assert advise(made).advice == ()


def test_a_batch_norm_that_the_runtime_folds_costs_nothing(advise: Advise) -> None:
    assert advise(needless.with_norm()).advice == ()


def test_batch_norms_that_were_not_folded_before_quantising(advise: Advise) -> None:
    found = advise(needless.dynamic_quantised_with_norm()).advice
    assert found is not None
    dynamic, norm = found
    assert (dynamic.kind, norm.kind) == ("dynamic-quantised-convolution", "unfolded-batch-norm")
    assert norm.nodes == ("y",) and not norm.fixable
    assert norm.problem == "1 batch norm after convolutions, which ONNX Runtime cannot fold into them"
    assert norm.predicted_gain_ms is not None and norm.predicted_gain_ms > 0


def test_nodes_that_the_runtime_runs_for_nothing(advise: Advise) -> None:
    found = the_one(advise(needless.redundant(), simplify=True), "redundant-nodes")
    assert found.nodes == ("padded",) and found.fixable
    assert found.problem == "1 Pad that need not run: constants, or folded into what is around them"
    assert found.predicted_gain_ms is not None and found.predicted_gain_ms > 0


def test_dynamically_quantised_convolutions(advise: Advise) -> None:
    found = the_one(advise(needless.dynamic_quantised()), "dynamic-quantised-convolution")
    assert found.nodes == ("whole",) and not found.fixable
    assert found.predicted_gain_ms is not None and found.predicted_gain_ms > 0
    assert "quantize_static" in found.remedy


def test_dynamic_quantisation_of_another_form_has_no_gain(advise: Advise) -> None:
    made = needless.dynamic_quantised()
    made.graph.node[2].attribute[0].i = onnx.TensorProto.DOUBLE
    made.graph.node[3].input[1] = "wide"
    del made.graph.node[3:]
    made.graph.node.append(needless.node("Cast", "float", "y", to=onnx.TensorProto.FLOAT))
    found = the_one(advise(made), "dynamic-quantised-convolution")
    assert found.predicted_gain_ms is found.predicted_gain_share is None


def test_fp16_where_the_processor_has_none(advise: Advise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        advising, "NEGLIGIBLE", -float("inf")
    )  # by its datasheet, a processor gains from fp16
    for processor, kinds in (("x86-64", ["fp16-without-hardware"]), ("arm64", [])):
        monkeypatch.setattr(host, "instructions", lambda processor=processor: processor)
        found = advise(needless.fp16(), HERE).advice
        assert found is not None and [each.kind for each in found] == kinds


@pytest.mark.skipif(not X86, reason="channels are stored in blocks on x86 processors only")
def test_reorders_between_convolutions(advise: Advise) -> None:
    found = the_one(advise(needless.reordered(), HERE), "layout-reorder")
    assert found.nodes and not found.fixable
    assert found.predicted_gain_ms is not None and found.predicted_gain_ms > 0
    assert advise(needless.reordered(), PI).advice == ()


def test_operators_in_float_between_quantised_ones(advise: Advise) -> None:
    found = the_one(advise(needless.fallen_back()), "fallback-to-float")
    assert found.nodes == ("sine",) and not found.fixable
    assert found.problem == "1 Sin in float in a quantised network, with 2 conversions from int8 and back"
    assert found.predicted_gain_ms is not None and found.predicted_gain_ms > 0


def test_weights_that_are_dequantised_in_each_call(advise: Advise) -> None:
    found = the_one(advise(needless.quantised_weights()), "fallback-to-float")
    assert found.nodes == ("y",)
    assert found.problem == "1 Conv in float in a quantised network, with 1 conversion from int8 and back"


def test_other_runtimes_get_no_advice(advise: Advise, caplog: pytest.LogCaptureFixture) -> None:
    assert advise(needless.weights_as_inputs(), "jetson").advice == ()
    assert caplog.messages[-1] == (
        "what tensorrt makes of a file is not known, so there is no advice for jetson-orin-nano; only --fix is possible"
    )


def test_gains_are_measured_on_this_machine(
    advise: Advise, monkeypatch: pytest.MonkeyPatch, quick_timing: None
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(gains, "runtime_for", lambda device: OneMillisecondForEachNode())
    found = the_one(advise(needless.redundant(), HERE, simplify=True), "redundant-nodes")
    assert found.measured_gain_ms == pytest.approx(6, rel=0.1)


def test_what_is_measured_decides(
    advise: Advise, monkeypatch: pytest.MonkeyPatch, quick_timing: None
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(gains, "runtime_for", lambda device: FakeRuntime(weight_ms=0))
    assert advise(needless.redundant(), HERE, simplify=True).advice == ()


def test_what_cannot_be_timed_here_is_only_predicted(
    advise: Advise, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()

    def fail(device: Device) -> Runtime:
        raise DeviceError("no such runtime", "install it")

    monkeypatch.setattr(gains, "runtime_for", fail)
    found = the_one(advise(needless.redundant(), HERE, simplify=True), "redundant-nodes")
    assert found.predicted_gain_ms is not None and found.measured_gain_ms is None
    assert "nothing is measured: no such runtime" in caplog.messages


class OneMillisecondForEachNode(FakeRuntime):
    """A runtime that takes as long as a model has nodes."""

    def load(self, model: bytes, feeds: Feeds) -> Session:
        return FakeSession(self, float(len(onnx.load_from_string(model).graph.node)))


# Files without it.


def outputs(path: Path, batch: int) -> Any:
    shape = (batch, needless.CHANNELS, needless.SIZE, needless.SIZE)
    pictures = np.random.default_rng(7).standard_normal(shape).astype(np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": pictures})[0]


@pytest.mark.parametrize(
    ("given", "device", "change"),
    [
        (needless.weights_as_inputs(), PI, "5 weights no longer inputs; 1 node fewer, by onnxslim "),
        (needless.with_norm(), "jetson", "1 node fewer, by onnxslim "),
        (needless.redundant(), PI, "nodes fewer, by onnxslim "),
        (needless.plain(), PI, ""),
    ],
    ids=["weights as inputs", "batch norm", "redundant", "plain"],
)
def test_a_fixed_file_computes_the_same(
    given: onnx.ModelProto, device: str, change: str, advise: Advise, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "fixed.onnx"
    found = advise(given, device, simplify=True, advise=False, out=out)
    assert found.advice is None and found.fixed is not None and found.fixed.file == out
    assert change in "; ".join(found.fixed.changes)
    assert found.fixed.max_difference <= found.fixed.tolerance == 1e-4
    made = onnx.load(out)
    onnx.checker.check_model(made)
    assert [value.name for value in made.graph.input] == ["x"]
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert made.opset_import == given.opset_import
    entries = {each.key: each.value for each in made.metadata_props}
    assert entries == {"origin": "a test", "edgenas_fix": "; ".join(found.fixed.changes) or "nothing to do"}
    assert len(made.graph.node) == found.fixed.nodes_after <= found.fixed.nodes_before
    for batch in (1, 3):
        np.testing.assert_allclose(outputs(out, batch), outputs(tmp_path / "model.onnx", batch), atol=1e-4)


def test_a_file_that_would_compute_something_else_is_not_written(
    advise: Advise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = needless.plain()
    del other.graph.node[1]
    other.graph.node[0].output[0] = "y"
    monkeypatch.setattr(simplifying, "simplified", lambda model: other)
    out = tmp_path / "fixed.onnx"
    with pytest.raises(
        VerificationError,
        match=r"model\.onnx: fixed, its output 'y' differs by 0\.\d+ of its largest value "
        r"\(at most 0\.0001 passes\), so nothing is written; leave out --fix",
    ):
        advise(needless.with_norm(), simplify=True, out=out)
    assert not out.exists()


def test_where_nothing_can_be_simplified_weights_are_still_no_inputs(
    advise: Advise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(model: onnx.ModelProto) -> onnx.ModelProto:
        raise DeviceError("simplifying the file failed (too hard)", "no hint")

    monkeypatch.setattr(simplifying, "simplified", fail)
    found = advise(needless.weights_as_inputs(), simplify=True, out=tmp_path / "fixed.onnx")
    assert found.fixed is not None and found.fixed.changes == ("5 weights no longer inputs",)
    assert "simplifying the file failed (too hard): nothing is simplified" in caplog.messages


def test_the_given_file_is_never_replaced(advise: Advise, tmp_path: Path) -> None:
    given = needless.plain()
    with pytest.raises(
        InputError, match=r"model\.onnx is the given file, or holds its weights; name another"
    ):
        advise(given, out=tmp_path / "model.onnx")
    (tmp_path / "link.onnx").symlink_to("model.onnx")
    with pytest.raises(InputError, match=r"link\.onnx is the given file"):
        advise(given, out=tmp_path / "link.onnx")
    weight = given.graph.initializer[0]
    (tmp_path / "weights.onnx").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = weight.EXTERNAL
    weight.external_data.add(key="location", value="weights.onnx")
    with pytest.raises(InputError, match=r"weights\.onnx is the given file, or holds its weights"):
        advise(given, out=tmp_path / "weights.onnx")
    (tmp_path / "weights.onnx").unlink()
    with pytest.raises(FileFormatError, match=r"weights: cannot be read \(weights\.onnx: No such file"):
        advise(given, out=tmp_path / "fixed.onnx")


def test_the_name_is_that_of_an_onnx_file(advise: Advise, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--fix: '.*photo\.png' does not end in \.onnx; name an ONNX file"):
        advise(needless.plain(), out=tmp_path / "photo.png")


def test_it_is_told_what_gains_are_of(advise: Advise, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    advise(needless.weights_as_inputs())
    assert [each for each in caplog.messages if "the prediction assumes the usual fusions" in each]
    assert advising.NEGLIGIBLE < 1
