"""The record of how exported files judge the test images: what it may hold, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import FileFormatError
from edgenas.formats import read_json, write_json
from edgenas.reporting.judged_images import JudgedImages


def written(path: Path, test_images: int = 4, **changes: Any) -> Path:
    """A record of one model, which judged three of four images right."""
    wrong = {"truth": 1, "judged": 0, "probability": 0.9, "jpeg": ""}
    model = {"images": 4, "matrix": [[2, 0], [1, 1]], "worst": [wrong], **changes}
    write_json(path, {"classes": ["a", "b"], "test_images": test_images, "models": {"0123456789": model}})
    return path


def test_counts_that_fit_are_read(tmp_path: Path) -> None:
    judged = read_json(written(tmp_path / "judged.json"), JudgedImages).models["0123456789"]
    assert judged.right == 3 and judged.mistakes(5) == [(1, 0, 1)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 1, "matrix": [[]], "worst": []}, "its matrix is not 2 x 2"),
        ({"matrix": [[2, 0, 0], [1, 1, 0]]}, "its matrix is not 2 x 2"),
        ({"matrix": [[5, 0], [-2, 1]]}, "greater than or equal to 0"),
        ({"images": 3}, "its matrix does not add up to 3 images"),
        ({"test_images": 3}, "it judged 4 images, of 3"),
        ({"worst": [{"truth": 2, "judged": 0, "probability": 1, "jpeg": ""}]}, "is of none of the 2 classes"),
        ({"worst": [{"truth": 0, "judged": 2, "probability": 1, "jpeg": ""}]}, "is of none of the 2 classes"),
    ],
)
def test_counts_that_contradict_each_other_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(FileFormatError, match=message):
        read_json(written(tmp_path / "judged.json", **changes), JudgedImages)
