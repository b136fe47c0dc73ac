"""int8 models with quantise-dequantise pairs (QDQ), whose ranges come from images."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgenas.precision.channel_padding import with_full_channels
from edgenas.precision.scheme import Scheme

CALIBRATION_IMAGES, HISTOGRAM_IMAGES = 128, 32
"""Images looked at for the ranges: the least and the largest values, or histograms of all, which are kept in memory."""

BATCH_SIZE = 32

Ranges = Literal["min-max", "percentile", "entropy"]
"""What becomes the range of an activation: all values seen; all but the rarest; what loses least information."""

RANGES: tuple[Ranges, ...] = get_args(Ranges)


def to_int8(
    model: bytes, calibration: Mapping[str, NDArray[np.float32]], scheme: Scheme, ranges: Ranges = "min-max"
) -> bytes:
    """Weights and activations in int8; inputs and outputs stay float32.

    Args:
        model: serialised fp32 ONNX.
        calibration: normalised images by input name, (N, C, H, W), of which the first are looked at.
        scheme: the form.
        ranges: how the ranges of activations follow from the images.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    methods: dict[Ranges, CalibrationMethod] = {
        "min-max": CalibrationMethod.MinMax,
        "percentile": CalibrationMethod.Percentile,
        "entropy": CalibrationMethod.Entropy,
    }
    with tempfile.TemporaryDirectory() as folder, _quietly():
        target = Path(folder) / "int8.onnx"
        quantize_static(
            with_full_channels(onnx.load_from_string(model), scheme.channel_multiple),
            str(target),
            _Images(calibration, CALIBRATION_IMAGES if ranges == "min-max" else HISTOGRAM_IMAGES),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=scheme.seven_bits,
            activation_type=QuantType.QUInt8 if scheme.unsigned else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=methods[ranges],
            extra_options={
                "ActivationSymmetric": scheme.symmetric,
                "WeightSymmetric": True,
                "QuantizeBias": not scheme.float_biases,
            },
        )
        return target.read_bytes()


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence what the quantiser prints, and its advice on the root logger (to fold batch norm, which is done)."""
    previous, handlers = logging.root.manager.disable, logging.root.handlers[:]
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(previous)
        logging.root.handlers[:] = handlers  # logging.warning() adds one to a root that has none


class _Images:
    """The quantiser's data reader: one dictionary of inputs at a time, then None."""

    def __init__(self, inputs: Mapping[str, NDArray[np.float32]], at_most: int) -> None:
        count = min(at_most, *map(len, inputs.values()))
        starts = range(0, count, BATCH_SIZE)
        self._batches = iter(
            {name: images[i : i + BATCH_SIZE] for name, images in inputs.items()} for i in starts
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)
