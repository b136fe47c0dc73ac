"""ONNX Runtime's sessions beyond what `OnnxRuntime` and `OnnxProcess` test."""

import time

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from edgenas.board.onnx_sessions import CPU, OnnxLoader, OnnxSession
from edgenas.board.problem import BoardError
from edgenas.space.block import Stem
from edgenas.space.onnx_graph import INPUT, onnx_from_blocks, random_weights

MODEL = onnx_from_blocks([Stem(3, 2, "relu6", 3, 8, 8, 8)], random_weights(0)).SerializeToString()


def test_without_feeds_the_inputs_are_random_and_of_the_batch() -> None:
    (output,) = OnnxLoader(CPU, 1).load(MODEL, 3).run()
    assert output.shape == (3, 8, 4, 4)
    assert np.ptp(output) > 0


def _session_of_a_sequence() -> ort.InferenceSession:
    """A model whose output is no array, and so cannot be bound."""
    graph = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x", "x"], ["y"])],
        "sequence",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return ort.InferenceSession(model.SerializeToString(), providers=[CPU])


def test_outputs_that_are_no_arrays_are_timed_unbound_but_only_on_the_cpu() -> None:
    session, feeds = _session_of_a_sequence(), {"x": np.ones(2, np.float32)}
    assert len(OnnxSession(ort, session, feeds, "cpu", 1.0).time_ms(3)) == 3
    with pytest.raises(Exception, match=r"."):
        OnnxSession(ort, session, feeds, "cuda", 1.0)


def test_a_clock_that_goes_backwards_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    session = OnnxLoader(CPU, 1).load(MODEL, {INPUT: np.ones((1, 3, 8, 8), np.float32)})
    marks = iter([5_000_000, 6_000_000, 1_000_000])
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(marks))
    with pytest.raises(BoardError, match=r"^the clock went backwards during a run; restart the board"):
        session.time_ms(2)
