from typing import Any

import pytest

from edgenas.cli.options import with_values
from edgenas.errors import InputError
from edgenas.settings.camera import camera_setting, parse_camera
from edgenas.settings.export import ExportSettings


@pytest.mark.parametrize("value", ["640x480", " 640 X 480 ", (640, 480), [640, 480]])
def test_a_size_has_one_plain_form(value: Any) -> None:
    assert camera_setting(value, "--camera") == "640x480"
    assert parse_camera(value, "--camera") == (640, 480)


@pytest.mark.parametrize(
    "value", ["640", "640x", "0x480", "640x99999", "-1x3", "640x480x3", 640, (1.5, 2), True]
)
def test_what_is_no_size_is_refused(value: Any) -> None:
    with pytest.raises(
        InputError, match=r"^--camera: .* is no width and height of 1 to 32768 pixels; give 640x480$"
    ):
        parse_camera(value, "--camera")


def test_it_needs_a_file_that_takes_pictures() -> None:
    with pytest.raises(InputError, match=r"^--camera needs --embed-preprocessing; give both, or neither$"):
        ExportSettings("photos", camera="640x480")
    assert ExportSettings("photos", embed_preprocessing="nhwc", camera=(640, 480)).camera == "640x480"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--embed-preprocessing", "photos"], ["--embed-preprocessing", "nhwc", "photos"]),
        (["--embed-preprocessing", "nchw", "photos"], ["--embed-preprocessing", "nchw", "photos"]),
        (["photos", "--embed-preprocessing"], ["photos", "--embed-preprocessing", "nhwc"]),
        (["--embed-preprocessing", "nhcw", "photos"], ["--embed-preprocessing", "nhcw", "photos"]),
    ],
)
def test_alone_it_does_not_take_the_run_for_its_layout(words: list[str], expected: list[str]) -> None:
    """A misspelt layout is refused as such."""
    assert with_values(ExportSettings, words) == expected
