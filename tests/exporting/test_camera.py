import numpy as np
import pytest
from pydantic import ValidationError

from edgenas.exporting.camera import Camera


def test_it_says_what_it_takes() -> None:
    assert Camera().text == "uint8 nhwc of any size"
    assert Camera(layout="nchw", width=640, height=480).text == "uint8 nchw of 640x480"


def test_a_fixed_size_is_the_only_one_taken() -> None:
    camera = Camera(width=640, height=480)
    assert camera.takes(640, 480) and not camera.takes(480, 640)
    assert Camera().takes(3, 5)


def test_axes_are_in_the_order_of_the_layout() -> None:
    assert Camera(width=640, height=480).shape(3) == (480, 640, 3)
    assert Camera(layout="nchw").shape(1) == (1, "height", "width")
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert (Camera().arranged(pixels) == pixels[None]).all()
    arranged = Camera(layout="nchw").arranged(pixels)
    assert arranged.flags.c_contiguous and (arranged[0, 1] == pixels[:, :, 1]).all()


def test_width_without_height_is_refused() -> None:
    with pytest.raises(ValidationError, match="width and height must be given together"):
        Camera(width=640)
