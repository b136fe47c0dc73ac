"""Shapes of inputs, as text and from Python."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import InputError
from edgenas.settings.input_shapes import ShapedInputs

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
SIZES = st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=8).map(tuple)


@given(st.dictionaries(NAMES, SIZES, min_size=1, max_size=4))
def test_they_come_back_as_they_were_given(shapes: dict[str, tuple[int, ...]]) -> None:
    texts = [f"{name}={'x'.join(map(str, sizes))}" for name, sizes in shapes.items()]
    for given_as in (shapes, texts, "\n".join(texts)):
        settings = ShapedInputs(shape=given_as)
        assert settings.shapes == shapes
        assert ShapedInputs(shape=settings.plain()["shape"]).shapes == shapes  # type: ignore[arg-type]


def test_names_may_hold_anything() -> None:
    assert ShapedInputs(shape="a=b:0,c=2x3").shapes == {"a=b:0,c": (2, 3)}


@given(st.dictionaries(NAMES, st.integers(1, 2**31 - 1), min_size=1, max_size=4))
def test_axes_come_back_as_they_were_given(axes: dict[str, int]) -> None:
    texts = [f"{name}={size}" for name, size in axes.items()]
    for given_as in (axes, texts, "\n".join(texts)):
        settings = ShapedInputs(axis=given_as)
        assert settings.axes == axes
        assert ShapedInputs(axis=settings.plain()["axis"]).axes == axes  # type: ignore[arg-type]
    assert ShapedInputs().axes == ShapedInputs().shapes == {}


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (
            "height",
            "'height' is no size of an axis; write it as height=320: the axis's name, and a size of at least 1",
        ),
        ("height=1x3", "is no size of an axis"),
        ("height=0", "has an impossible size"),
        ({"height": (1, 2)}, "is no size of an axis"),
        ([3], "what is of type int is no size of an axis"),
        (["height=1", "height=2"], "axis 'height' is named twice; give each once"),
    ],
)
def test_nonsense_for_an_axis_is_refused_in_one_line(axis: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ShapedInputs(axis=axis)
    assert str(caught.value).startswith("--axis: ")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("1x3x224x224", "'1x3x224x224' is no shape; write it as image=1x480x640x3"),
        ("=1x3", "'=1x3' is no shape"),
        ("image=", "'image=' is no shape"),
        ("image=1x3x", "is no shape"),
        ("image=1x-3", "is no shape"),
        ("image=1,3", "is no shape"),
        ("image=axb", "is no shape"),
        ("image=1x٣", "is no shape"),
        ("image=1x0", "'image=1x0' has an impossible size"),
        ("image=2147483648", "has an impossible size"),
        ("image=" + "9" * 5000, "has an impossible size"),
        ("", "'' is no shape"),
        ([], r"what is of type list is no shape"),
        ([3], r"what is of type int is no shape"),
        ({"image": 3.5}, "is no shape"),
        ({"image": (1, None)}, "is no shape"),
        (["image=1x3", "image=1x4"], "input 'image' is named twice; give each once"),
    ],
)
def test_nonsense_is_refused_in_one_line(shape: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ShapedInputs(shape=shape)
    assert str(caught.value).startswith("--shape: ") and len(str(caught.value)) < 250
