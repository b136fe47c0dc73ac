from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from edgenas.accuracy.dataset import Dataset
from edgenas.exporting.preprocessing import Preprocessing, preprocessing_for, preprocessing_of
from edgenas.images.preparation import Preparation

GIVEN: dict[str, Any] = {"resolution": 16, "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}


def test_it_normalises_as_the_data_set_does(tiny_dataset: Dataset) -> None:
    images = tiny_dataset.test.images
    found = preprocessing_for(tiny_dataset).normalised(images.permute(0, 2, 3, 1).numpy())
    assert found.dtype == np.float32 and found.flags.c_contiguous
    torch.testing.assert_close(torch.from_numpy(found), tiny_dataset.normalise(images).contiguous())


def test_it_prepares_as_the_data_set_does() -> None:
    ranges = {"I;16": (0.0, 4095.0), "I": (0.0, 9.0), "F": (-1.0, 1.0)}
    preparation = Preparation(fit="pad", channels=1, ranges=ranges, jpeg_draft=0)
    found = preprocessing_of(preparation, 24, (0.5,), (0.25,))
    assert (
        Preparation.model_validate({name: getattr(found, name) for name in Preparation.model_fields})
        == preparation
    )
    assert (found.resolution, found.layout) == (24, "NCHW, grey, float32")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha_on": "#000000"}, "must be '#ffffff', which is all that this version of edgenas does"),
        ({"jpeg_draft": -1}, "greater than or equal to 0"),
        ({"scale": 1.0}, "must be 0.00392"),
        ({"channels": 1}, "layout must be 'NCHW, grey, float32' with 1 channels"),
        ({"mean": (0.5,)}, "mean and std must have 3 values"),
        ({"std": (1.0, 0.0, 1.0)}, "greater than 0"),
        ({"resolution": 100_000}, "less than or equal to 4096"),
        ({"ranges": {"F": (0, 1)}}, "must give a lower and a higher value"),
        ({"rotated": True}, "Extra inputs"),
    ],
)
def test_what_this_version_does_not_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Preprocessing.model_validate({**GIVEN, **changes})
