"""Exported models in other precisions: fp16, and int8 with quantise-dequantise pairs (QDQ)."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import Tensor

from edgenas.device import Precision
from edgenas.space.graph import INPUT

CALIBRATION_IMAGES = 128


def convert(model: bytes, precision: Precision, calibration: Tensor) -> bytes:
    """The model in another precision; inputs and outputs stay float32.

    Args:
        model: serialised fp32 ONNX.
        precision: fp32 gives the model back.
        calibration: normalised training images that show int8 the ranges, (N, C, H, W).
    """
    converters: dict[Precision, Callable[[], bytes]] = {
        "fp32": lambda: model,
        "fp16": lambda: _to_fp16(model),
        "int8": lambda: _to_int8(model, calibration[:CALIBRATION_IMAGES]),
    }
    return converters[precision]()


def _to_fp16(model: bytes) -> bytes:
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    converted = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True)
    OnnxModel(converted).topological_sort()  # the converter puts the cast of the input last
    return bytes(converted.SerializeToString())


def _to_int8(model: bytes, calibration: Tensor) -> bytes:
    with tempfile.TemporaryDirectory() as folder, _without_advice():
        target = Path(folder) / "int8.onnx"
        quantize_static(
            onnx.load_from_string(model),
            str(target),
            _Images(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,  # 7 bits of weight: with 8, CPUs without VNNI saturate and give other logits
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        return target.read_bytes()


@contextmanager
def _without_advice() -> Iterator[None]:
    """The quantiser logs advice on the root logger (to fold batch norm first, which is done already)."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(previous)


class _Images(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: Tensor, batch_size: int = 32) -> None:
        self._batches: Iterator[NDArray[np.float32]] = iter(
            np.ascontiguousarray(images[start : start + batch_size].numpy())
            for start in range(0, len(images), batch_size)
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
