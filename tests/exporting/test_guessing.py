from dataclasses import replace

import pytest
import torch

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.exporting.guessing import guessing_text


def with_test_labels(dataset: Dataset, *counts: int) -> Dataset:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return replace(dataset, test=Split(dataset.test.images[:1].expand(len(labels), -1, -1, -1), labels))


@pytest.mark.parametrize(
    ("counts", "accuracy", "guesses"),
    [
        ((100, 100, 100), 0.34, True),
        ((100, 100, 100), 0.38, True),
        ((100, 100, 100), 0.45, False),
        ((900, 50, 50), 0.91, True),
        ((900, 50, 50), 0.95, False),
        ((2, 1, 1), 0.75, True),
    ],
)
def test_an_accuracy_is_held_against_naming_the_most_frequent_class(
    counts: tuple[int, ...],
    accuracy: float,
    guesses: bool,
    tiny_dataset: Dataset,
) -> None:
    text = guessing_text(with_test_labels(tiny_dataset, *counts), {"top-1": accuracy})
    assert text.startswith("no better than guessing: ") == guesses
    if guesses:
        share = max(counts) / sum(counts)
        assert text.endswith(
            f"{accuracy:.1%} of {sum(counts)} test images are right, and {share:.1%} if the most frequent class is "
            "always named"
        )


def test_what_was_not_trained_is_not_judged(tiny_dataset: Dataset) -> None:
    assert guessing_text(tiny_dataset, {}) == ""
