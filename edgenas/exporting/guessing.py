"""Is a trained model any good? Its accuracy against that of always naming the most frequent class."""

import math
from collections.abc import Mapping

import numpy as np

from edgenas.accuracy.dataset import Dataset
from edgenas.vocabulary import Metric

STANDARD_ERRORS = 2
"""Above that, the lead over guessing is hardly luck."""


def guessing_text(dataset: Dataset, test: Mapping[Metric, float]) -> str:
    """What to say of a model that cannot be told from guessing; empty if it can, or was not trained.

    It is judged by top-1 accuracy on the test images, whatever the run's metric is.

    Args:
        dataset: its images.
        test: its scores on the test images.
    """
    if "top-1" not in test:
        return ""
    share, error = _guessing(dataset)
    if test["top-1"] > share + STANDARD_ERRORS * error:
        return ""
    count = len(dataset.test)
    return (
        f"no better than guessing: {test['top-1']:.1%} of {count} test images are right, and "
        f"{share:.1%} if the most frequent class is always named"
    )


def _guessing(dataset: Dataset) -> tuple[float, float]:
    """The accuracy of always naming the most frequent class of the test images, and its standard error."""
    counts = np.bincount(dataset.test.labels.cpu().numpy(), minlength=len(dataset.classes))
    share = float(counts.max() / counts.sum())
    return share, math.sqrt(share * (1 - share) / counts.sum())
