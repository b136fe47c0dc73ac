"""Likely sizes of open axes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, ValueInfoProto, helper

from edgenas.onnx_latency.likely_sizes import likely_sizes

Sizes = Sequence[int | str | None] | None

FLOAT, HALF, BYTES = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8
TOKENS, MASK = TensorProto.INT64, TensorProto.BOOL


def _value(name: str, sizes: Sizes, kind: int = FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, sizes)


@pytest.mark.parametrize(
    ("name", "kind", "sizes", "likely"),
    [
        ("x", FLOAT, None, (1, 3, 224, 224)),
        ("x", TOKENS, None, (1, 128)),
        ("x", FLOAT, ("N", 3, "H", "W"), (1, 3, 224, 224)),
        ("x", HALF, (None, None, None, None), (1, 3, 224, 224)),
        ("x", FLOAT, ("N", "H", "W", 3), (1, 224, 224, 3)),
        ("x", FLOAT, ("H", "W", 3), (224, 224, 3)),
        ("x", FLOAT, (3, "H", "W"), (3, 224, 224)),
        ("images", FLOAT, ("N", 3, "H", "W"), (1, 3, 640, 640)),
        ("image", BYTES, ("N", "H", "W", 3), (1, 480, 640, 3)),
        ("clip", FLOAT, ("N", 3, None, "H", "W"), (1, 3, 16, 224, 224)),
        ("x", FLOAT, ("batch", 1, "frames", 257), (1, 1, 128, 257)),
        ("x", FLOAT, ("batch", "time", 512), (1, 128, 512)),
        ("x", FLOAT, ("batch", "time", 1), (1, 128, 1)),
        ("x", FLOAT, ("time", "batch", 64), (128, 1, 64)),
        ("audio", FLOAT, ("batch", "samples"), (1, 16_000)),
        ("audio", FLOAT, ("batch", 1, "samples"), (1, 1, 16_000)),
        ("audio", FLOAT, ("samples",), (16_000,)),
        ("scale", FLOAT, (None,), (1,)),
        ("ids", TOKENS, ("batch", "sequence"), (1, 128)),
        ("h0", FLOAT, (1, "N", 64), (1, 1, 64)),
        ("x", FLOAT, (2, None, 64), (2, 1, 64)),
        ("points", FLOAT, (1, "N", 3), (1, 128, 3)),
        ("number", FLOAT, (), ()),
    ],
)
def test_by_what_an_input_looks_like(name: str, kind: int, sizes: Sizes, likely: tuple[int, ...]) -> None:
    assert likely_sizes([_value(name, sizes, kind)], {}) == {name: likely}


def test_by_the_other_inputs() -> None:
    text = [_value("ids", ("N", "T"), TOKENS), _value("mask", ("N", "T")), _value("kept", ("N", "T"), MASK)]
    assert set(likely_sizes(text, {}).values()) == {(1, 128)}
    streaming = [_value("audio", ("N", "T")), _value("state", (2, "N", 128))]
    assert likely_sizes(streaming, {})["audio"] == (1, 512)


@pytest.mark.parametrize(
    ("key", "text", "picture"),
    [
        ("imgsz", "[320, 320]", (320, 320)),
        ("imgsz", "320", (320, 320)),
        ("image_size", "(480, 640)", (480, 640)),
        ("input_size", "3x192x256", (192, 256)),
        ("shape", "[1, 3, 96, 128]", (96, 128)),
        ("shape", "[1, 96, 128, 3]", (96, 128)),
        ("shape", "nonsense", (640, 640)),
        ("shape", "[1, 1]", (640, 640)),
        ("shape", "99999", (640, 640)),
        ("shape", "-5", (640, 640)),
        ("stride", "32", (640, 640)),
    ],
)
def test_by_the_metadata(key: str, text: str, picture: tuple[int, int]) -> None:
    images = _value("images", ("N", 3, "H", "W"))
    assert likely_sizes([images], {key: text}) == {"images": (1, 3, *picture)}


@given(st.text(max_size=200))
def test_any_metadata_are_read(text: str) -> None:
    (found,) = likely_sizes([_value("x", None)], {"imgsz": text}).values()
    assert all(1 <= size <= 8192 for size in found)
