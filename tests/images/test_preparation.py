import numpy as np
import pytest
from PIL import Image

from edgenas.images.preparation import DRAFT, RANGES, Preparation


def test_ranges_name_every_deep_mode() -> None:
    with pytest.raises(ValueError, match=r"must give a lower and a higher value for each of I;16, I, F"):
        Preparation(ranges={"F": (0.0, 1.0)})


def test_a_preparation_is_read_from_what_was_written() -> None:
    preparation = Preparation(fit="pad", channels=1, ranges={**RANGES, "I;16": (0.0, 4095.0)}, jpeg_draft=0)
    assert Preparation.model_validate_json(preparation.model_dump_json()) == preparation


def test_what_earlier_files_lack_is_as_it_was() -> None:
    assert Preparation.model_validate({}) == Preparation(
        fit="crop", channels=3, ranges=RANGES, jpeg_draft=DRAFT
    )


def test_by_the_words_of_a_card_an_odd_square_begins_at_half_a_pixel() -> None:
    """Of 5 columns, the middle 4 are half of the outer ones and all of the others."""
    columns = np.array([0, 100, 100, 100, 200], np.uint8)
    found = Preparation(channels=1).pixels(Image.fromarray(np.tile(columns, (4, 1))), 2)
    assert 0 < 100 - int(found[0, 0, 0]) < 50 and 0 < int(found[0, 1, 0]) - 100 < 50


@pytest.mark.parametrize(("width", "height", "margins"), [(10, 5, (2, 3)), (10, 6, (2, 2)), (10, 7, (1, 2))])
def test_an_odd_margin_is_wider_below(width: int, height: int, margins: tuple[int, int]) -> None:
    found = Preparation(fit="pad", channels=1).pixels(Image.new("L", (width, height), 255), 10)[:, 5, 0]
    inside = np.flatnonzero(found > 200)
    assert (inside[0], 9 - inside[-1]) == margins


def test_whole_pixels_are_those_that_are_fitted() -> None:
    """Where there is nothing to scale, they are the same: opaque, in values 0 to 255."""
    for image in (Image.new("RGBA", (6, 6), (9, 8, 7, 100)), Image.new("I;16", (6, 6), 30000)):
        for channels in (1, 3):
            preparation = Preparation(channels=channels)  # type: ignore[arg-type]
            assert (preparation.whole_pixels(image) == preparation.pixels(image, 6)).all()
