"""Arrays become pictures with the values that files of them would give."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from edgenas.errors import DataError
from edgenas.images import preparing
from edgenas.images.arrays import Extent, array_of, as_picture, channels_last, is_deep
from edgenas.images.preparation import RANGES


@given(st.sampled_from([1, 3, 4]), st.integers(5, 20), st.integers(5, 20), st.booleans())
def test_channels_go_last(channels: int, height: int, width: int, single: bool) -> None:
    wanted = np.zeros((channels, height, width) if single else (2, channels, height, width), np.uint8)
    found = channels_last(wanted, single, "data")
    assert found.shape[-3:] == (height, width, channels) and found.base is not None
    assert channels_last(found, single, "data") is found


def test_in_doubt_tensors_have_channels_first_and_arrays_last() -> None:
    assert channels_last(torch.zeros(3, 7, 4), single=True, what="data").shape == (7, 4, 3)
    assert channels_last(np.zeros((3, 7, 4)), single=True, what="data").shape == (3, 7, 4)
    assert channels_last(torch.zeros(3, 7, 4), single=False, what="data").shape == (
        3,
        7,
        4,
    )  # three grey images


@pytest.mark.parametrize("shape", [(), (5,), (5, 0), (5, 5, 5), (1, 2, 3, 4), (0, 3, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"^data: images of shape .*; give \(height, width\)"):
        channels_last(np.zeros(shape), single=True, what="data")


@given(
    arrays.arrays(np.float32, (4, 5), elements=st.floats(-1, 2, width=32)),
    st.sampled_from([(0.0, 1.0), (0.0, 255.0)]),
)
def test_values_are_scaled_as_those_of_deep_files(values: np.ndarray, range_: tuple[float, float]) -> None:
    ranges = {**RANGES, "F": range_}
    of_file = preparing.eight_bit(Image.fromarray(values), ranges)
    assert np.array_equal(np.asarray(as_picture(values, ranges)), np.asarray(of_file))


@pytest.mark.parametrize(
    ("shape", "mode"), [((4, 5), "L"), ((4, 5, 1), "L"), ((4, 5, 3), "RGB"), ((4, 5, 4), "RGBA")]
)
def test_the_channels_say_the_mode(shape: tuple[int, ...], mode: str) -> None:
    picture = as_picture(np.zeros(shape, np.uint8), RANGES)
    assert (picture.mode, picture.size) == (mode, (5, 4))


@given(st.lists(st.integers(0, 65535), min_size=1), st.sampled_from([np.uint16, np.int32, np.uint64, ">u2"]))
def test_no_whole_number_is_beyond_its_range_and_none_is_lost_in_the_dark(
    values: list[int], kind: str
) -> None:
    extent = Extent("data")
    extent.add(np.array([values], kind))
    if max(values) < 2:
        with pytest.raises(DataError, match="data: the images' values reach from"):
            extent.ranges()
        return
    low, high = extent.ranges()["I;16"]
    assert low == 0 and max(values) <= high and (high == 255 or max(values) > high / 5)


@given(st.lists(st.floats(-10, 1000), min_size=1))
def test_other_numbers_are_of_a_usual_range_or_refused(values: list[float]) -> None:
    extent = Extent("data")
    extent.add(np.array([values]))
    try:
        low, high = extent.ranges()["F"]
    except DataError as error:
        assert "give whole numbers from 0 to 255" in str(error)
        assert min(values) < 0 or 1 < max(values) <= 127 or max(values) > 255
        return
    assert (
        low == 0 and min(values) > -0.01 and max(values) <= high * 1.01 and (high == 1 or max(values) > 127)
    )


def test_the_extent_is_that_of_all_images_and_pictures_of_8_bits_have_none() -> None:
    extent = Extent("data")
    assert extent.ranges() == RANGES
    extent.add(Image.new("RGB", (3, 3)))
    extent.add(np.zeros((2, 2), bool))
    extent.add(np.array([[0, 200]], np.uint8))
    assert extent.ranges() == RANGES
    for image in (np.full((2, 2), 3000, np.uint16), Image.new("I", (2, 2), 7), torch.full((2, 2), 0.5)):
        extent.add(image)
    assert extent.ranges() == {"I;16": (0, 4095), "I": (0, 4095), "F": (0, 1)}


def test_images_of_8_bits_are_checked_though_they_have_no_range() -> None:
    extent = Extent("data")
    extent.add(np.array([[0, 1]], np.uint8))
    extent.add(np.full((2, 2), 3000, np.uint16))
    with pytest.raises(DataError, match="data: the images' values reach from 0 to 1;"):
        extent.ranges()


def test_what_is_deep() -> None:
    deep = [
        Image.new("I", (2, 2)),
        Image.new("I;16", (2, 2)),
        Image.new("F", (2, 2)),
        np.zeros(3),
        torch.zeros(2),
    ]
    shallow = [Image.new("RGB", (2, 2)), Image.new("P", (2, 2)), np.zeros(3, np.uint8), np.zeros(3, bool)]
    assert all(map(is_deep, deep)) and not any(map(is_deep, shallow))


def test_tensors_of_any_kind_become_arrays_without_a_copy_if_possible() -> None:
    tensor = torch.zeros(3, requires_grad=True)
    assert np.shares_memory(array_of(tensor), tensor.detach().numpy())
    assert array_of(torch.ones(3, dtype=torch.bfloat16)).tolist() == [1, 1, 1]
