"""Functions of a file are inlined, unless there would be too many nodes; `tests/api/test_hostile_onnx.py` has more."""

from pathlib import Path

import pytest
from fixtures.hostile_onnx import functions, heavy_function, recursive
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import FileFormatError
from edgenas.onnx_latency import function_inlining
from edgenas.onnx_latency.function_inlining import check_amount, inlined

PATH = Path("model.onnx")


@given(st.integers(1, 4), st.integers(1, 5))
def test_the_nodes_are_counted_before_they_are_made(calls: int, depth: int) -> None:
    made = functions(calls, depth)
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr(function_inlining, "MAX_NODES", calls**depth)
        check_amount(PATH, made)
        found = inlined(PATH, made)
        assert [node.op_type for node in found.graph.node] == ["Relu"] * calls**depth
        context.setattr(function_inlining, "MAX_NODES", calls**depth - 1)
        with pytest.raises(
            FileFormatError, match=rf"graph: is too large \({calls**depth} nodes of \d+ bytes"
        ):
            check_amount(PATH, made)


def test_bytes_count_too() -> None:
    with pytest.raises(
        FileFormatError, match=r"is too large \(8192 nodes of \d+ bytes; at most 50000 of 2 GiB"
    ):
        check_amount(PATH, heavy_function())


def test_a_circle_is_named() -> None:
    with pytest.raises(
        FileFormatError, match=r"functions: 'F\d' calls itself; export the model to ONNX again"
    ):
        check_amount(PATH, recursive())
