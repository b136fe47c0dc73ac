"""Converts models to fp16, and to int8 with quantise-dequantise pairs (QDQ), for both timing and export."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InputError, first_line
from edgenas.vocabulary import Precision

CALIBRATION_IMAGES = 128
BATCH_SIZE = 32


def convert(model: bytes, precision: Precision, calibration: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Convert a model to another precision; inputs and outputs stay float32.

    Args:
        model: serialised fp32 ONNX.
        precision: fp32 returns the model unchanged.
        calibration: normalised images by input name, (N, C, H, W), that determine the ranges of int8.

    Raises:
        InputError: the model cannot be converted.
    """
    converters: dict[Precision, Callable[[], bytes]] = {
        "fp32": lambda: model,
        "fp16": lambda: _to_fp16(model),
        "int8": lambda: _to_int8(model, calibration),
    }
    try:
        return converters[precision]()
    except Exception as error:  # the converters' exceptions have no common base class
        raise InputError(
            f"the model cannot be converted to {precision} ({first_line(error)})", "use fp32"
        ) from error


def _to_fp16(model: bytes) -> bytes:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    converted = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True)
    OnnxModel(converted).topological_sort()  # the converter puts the cast of the input last
    return bytes(converted.SerializeToString())


def _to_int8(model: bytes, calibration: Mapping[str, NDArray[np.float32]]) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder, _without_advice():
        target = Path(folder) / "int8.onnx"
        quantize_static(
            onnx.load_from_string(model),
            str(target),
            _Images(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,  # 7-bit weights: with 8 bits, CPUs without VNNI saturate, which changes the logits
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        return target.read_bytes()


@contextmanager
def _without_advice() -> Iterator[None]:
    """Silence the quantiser's advice on the root logger (to fold batch norm first, which is already done)."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(previous)


class _Images:
    """The quantiser's data reader: one dictionary of inputs at a time, then None."""

    def __init__(self, inputs: Mapping[str, NDArray[np.float32]]) -> None:
        count = min(CALIBRATION_IMAGES, *map(len, inputs.values()))
        starts = range(0, count, BATCH_SIZE)
        self._batches = iter(
            {name: images[i : i + BATCH_SIZE] for name, images in inputs.items()} for i in starts
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)
