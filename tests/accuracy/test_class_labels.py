"""Labels of any simple kind become numbers of classes."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgenas.accuracy.class_labels import common_classes, labels_of
from edgenas.errors import DataError
from edgenas.images.listing import composed

WHOLE = st.lists(st.integers(-(2**40), 2**40), min_size=2)
TEXT = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2)


@given(WHOLE | TEXT, st.sampled_from([list, np.array, lambda labels: np.array(labels, object)]))
def test_classes_are_named_like_their_labels(labels: list[Any], form: Any) -> None:
    found = labels_of(form(labels), len(labels), "data")
    labels = [composed(label) if isinstance(label, str) else label for label in labels]
    if len(set(labels)) < 2:
        with pytest.raises(DataError, match="data: all labels are"):
            common_classes("data", {"training": found}, None)
        return
    classes, (numbers,) = common_classes("data", {"training": found}, None)
    assert classes == tuple(map(str, sorted(set(labels)))) and numbers.dtype == np.int64
    assert [classes[number] for number in numbers] == list(map(str, labels))


def test_names_are_those_of_the_numbers_that_occur() -> None:
    given_labels = {"training": [3, 1, 3], "test": torch.tensor([1])}
    labels = {part: labels_of(each, len(each), "data") for part, each in given_labels.items()}
    classes, numbers = common_classes("data", labels, ["a", "b", "c", "d"])
    assert classes == ("b", "d") and [part.tolist() for part in numbers] == [[1, 0, 1], [0]]


@pytest.mark.parametrize("labels", [[0, 4], [-1, 0]])
def test_numbers_without_a_name_are_refused(labels: list[int]) -> None:
    with pytest.raises(DataError, match=r"labels reach from .* for 4 classes; give labels 0 to 3"):
        common_classes("data", {"training": np.array(labels)}, ["a", "b", "c", "d"])


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ([0, 1, 2], "3 labels for 2 images"),
        ([[0, 1], [1, 0]], r"labels of shape \(2, 2\); of one-hot labels"),
        ([0.5, 1], "fractions"),
        ([0, float("inf")], "infinite"),
        (["a", None], "one is a NoneType"),
        ([b"a", b"b"], r"the labels are \|S1"),
        ([1 + 2j, 0], "the labels are complex"),
        (iter("ab"), r"labels of shape \(\)"),
    ],
)
def test_other_labels_are_refused(labels: Any, match: str) -> None:
    with pytest.raises(DataError, match=f"^data: .*{match}"):
        labels_of(labels, 2, "data")
