"""What models are fed with."""

from types import SimpleNamespace

import numpy as np
import pytest

from edgenas.board.random_inputs import TYPES, random_input, random_inputs


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (1,), (2, 300)])
def test_arrays_have_the_shape_and_type_asked_for(shape: tuple[int, ...], dtype: str) -> None:
    array = random_input(shape, dtype)
    assert isinstance(array, np.ndarray)
    assert (array.shape, array.dtype.type) == (shape, np.dtype(dtype).type)


def test_pictures_are_random_and_indices_valid() -> None:
    pixels = random_input((1000,), "uint8")
    assert pixels.min() < 10 and pixels.max() > 245
    assert (random_input((1000,), "int64") == 1).all() and random_input((9,), "bool").all()


def test_open_axes_have_the_size_of_the_batch_unless_a_shape_is_given() -> None:
    inputs = [
        ("image", ["N", 3, "H"], "tensor(uint8)"),
        ("x", ["N", 5], "tensor(float)"),
        ("y", [], "tensor(double)"),
    ]
    session = SimpleNamespace(
        get_inputs=lambda: [
            SimpleNamespace(name=name, shape=shape, type=kind) for name, shape, kind in inputs
        ]
    )
    found = random_inputs(session, 4, {"image": [2, 3, 7]})
    assert {name: each.shape for name, each in found.items()} == {"image": (2, 3, 7), "x": (4, 5), "y": ()}
    assert [each.dtype.name for each in found.values()] == ["uint8", "float32", "float64"]
