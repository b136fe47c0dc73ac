"""What is found in files, and what it costs."""

from collections.abc import Callable

import onnx
import pytest
from fixtures import needless
from fixtures.advised import the_one

from edgenas.advice import advising
from edgenas.advice.advising import Advised
from edgenas.board import host

Advise = Callable[..., Advised]

X86 = host.instructions().startswith("x86")
PI, HERE = "raspberry-pi-5", "cpu"


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


def test_nodes_that_no_output_needs(advise: Advise) -> None:
    model = needless.redundant()
    model.graph.node.insert(0, needless.node("Softmax", "x", "nobody"))
    found = the_one(advise(model), "redundant-nodes")
    assert found.nodes == ("nobody",) and found.fixable
    assert found.problem == "1 Softmax that no output needs"
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
