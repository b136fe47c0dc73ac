"""Converts models to another precision, for both timing and export."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import ConversionError, first_line, is_full, unwritable
from edgenas.precision.fp16 import to_fp16
from edgenas.precision.int8 import Ranges, to_int8
from edgenas.precision.scheme import Scheme
from edgenas.vocabulary import Precision


def convert(
    model: bytes,
    precision: Precision,
    calibration: Mapping[str, NDArray[np.float32]],
    scheme: Scheme,
    ranges: Ranges = "min-max",
) -> bytes:
    """Convert a model to another precision; inputs and outputs stay float32.

    Args:
        model: serialised fp32 ONNX.
        precision: fp32 returns the model unchanged.
        calibration: normalised images by input name, (N, C, H, W), that determine the ranges of int8.
        scheme: the form of int8.
        ranges: how the ranges of int8 follow from the images.

    Raises:
        ConversionError: the model cannot be converted.
        UnwritableError: the disk is full.
    """
    converters: dict[Precision, Callable[[], bytes]] = {
        "fp32": lambda: model,
        "fp16": partial(to_fp16, model),
        "int8": partial(to_int8, model, calibration, scheme, ranges),
    }
    try:
        return converters[precision]()
    except Exception as error:  # the converters' exceptions have no common base class
        if is_full(error):  # which is no fault of the model
            raise unwritable(error) from None
        raise ConversionError(
            f"the model cannot be converted to {precision} ({first_line(error)})", "use fp32"
        ) from error
