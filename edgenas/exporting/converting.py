"""Files in another precision, and what they classify: the figures of what is deployed are those of the file."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.metrics import confusion, score
from edgenas.accuracy.network_predictions import batch_slices, predicted_classes
from edgenas.exporting.onnx_export import run_onnx
from edgenas.precision.conversion import convert
from edgenas.precision.int8 import CALIBRATION_IMAGES, RANGES, Ranges
from edgenas.precision.scheme import Scheme
from edgenas.space.onnx_graph import INPUT
from edgenas.vocabulary import Metric, Precision


@dataclass(frozen=True, slots=True)
class Converted:
    """A file in another precision.

    Attributes:
        content: the serialised model.
        ranges: how the ranges of its activations were found; None if it has none.
        predicted: the classes of the validation images, (N,); -1 where logits are not finite.
    """

    content: bytes
    ranges: Ranges | None
    predicted: NDArray[np.int64]


def converted_file(
    model: bytes,
    precision: Precision,
    scheme: Scheme,
    dataset: Dataset,
    metric: Metric,
    before: float,
    ways: Sequence[Ranges] = RANGES,
) -> Converted:
    """A model in another precision.

    Of the ways to find the ranges of int8, the first that loses nothing on the validation images is taken, or the one
    that loses least.

    Args:
        model: serialised fp32 ONNX.
        precision: of the file.
        scheme: the form of int8.
        dataset: its images, at its size and normalised as it needs; ranges come from training images.
        metric: what is kept.
        before: the fp32 model's, on the validation images.
        ways: to find the ranges.

    Raises:
        ConversionError: the model cannot be converted.
    """
    images = dataset.normalise(dataset.train.images[:CALIBRATION_IMAGES]).numpy()
    labels, classes = dataset.validation.labels.numpy(), len(dataset.classes)

    best, most = None, -1.0
    for ranges in ways if precision == "int8" else (None,):
        content = convert(model, precision, {INPUT: images}, scheme, ranges or "min-max")
        predicted = onnx_predictions(content, dataset, dataset.validation)
        kept = float(score(confusion(predicted, labels, classes), metric))
        if kept > most:
            best, most = Converted(content, ranges, predicted), kept
        if kept >= before:
            break
    assert best is not None
    return best


def onnx_predictions(model: bytes, dataset: Dataset, split: Split) -> NDArray[np.int64]:
    """Classes of the images of a split as ONNX Runtime finds them on the CPU, (N,)."""
    logits = [run_onnx(model, dataset.normalise(split.images[part])) for part in batch_slices(split)]
    return predicted_classes(torch.from_numpy(np.concatenate(logits))).numpy()
