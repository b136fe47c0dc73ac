"""Puts the preprocessing inside an exported file, and verifies that it does there what it does outside."""

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

from edgenas.board.onnx_sessions import CPU, OnnxLoader
from edgenas.device.onnx_runtime import as_device_error
from edgenas.errors import VerificationError
from edgenas.exporting.camera import IMAGE, Camera
from edgenas.exporting.embedded_preprocessing import with_preprocessing
from edgenas.exporting.onnx_export import BUG_HINT
from edgenas.exporting.preprocessing import Preprocessing
from edgenas.images.preparing import fitted

LEVELS, MEAN_LEVELS = 2.01, 0.5
"""Of 255: how far a pixel may be off, and all in the mean. Half a level may be rounded to either side in both passes,
and Pillow takes those in another order in tall pictures: one pixel in ten thousand is then off by two."""

TOLERANCE = 1e-3
"""Largest accepted difference of logits, in parts of the largest."""


def verified_with_preprocessing(
    content: bytes, preprocessing: Preprocessing, camera: Camera, name: str
) -> bytes:
    """The model with the preprocessing inside, compared on pictures of several sizes, or of the camera's.

    Args:
        content: serialised ONNX, verified itself.
        preprocessing: of its pictures.
        camera: what it is to take.
        name: of the file, in errors.

    Raises:
        VerificationError: the ONNX checker rejects it, or its pixels or logits are others.
    """
    whole = with_preprocessing(content, preprocessing, camera)
    try:
        onnx.checker.check_model(onnx.load_model_from_string(whole), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise VerificationError(f"{name} is not valid ONNX ({error})", BUG_HINT) from error
    model = onnx.load_model_from_string(content)
    alone = with_preprocessing(_identity(model), preprocessing, camera)
    (given,) = model.graph.input
    copies = max(1, given.type.tensor_type.shape.dim[0].dim_value)
    for picture in _pictures(preprocessing, camera):
        images = camera.arranged(picture).repeat(copies, axis=0)
        inputs = _run(alone, IMAGE, images)
        _compare_pixels(inputs[:1], picture, preprocessing, name)
        _compare_logits(_run(whole, IMAGE, images), _run(content, given.name, inputs), name)
    return whole


def _identity(model: onnx.ModelProto) -> bytes:
    """A model of the same input and opset that returns what it is given."""
    (given,) = model.graph.input
    shape = [each.dim_value or each.dim_param for each in given.type.tensor_type.shape.dim]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)
    node = helper.make_node("Identity", [given.name], [output.name])
    graph = helper.make_graph([node], "identity", [given], [output])
    copied = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(copied.SerializeToString())


def _pictures(preprocessing: Preprocessing, camera: Camera) -> Iterator[NDArray[np.uint8]]:
    """Noise, uint8 (height, width, channels): of the input's size, larger and smaller, wide and tall."""
    size, rng = preprocessing.resolution, np.random.default_rng(0)
    sizes = [(size, size), (2 * size + 1, size + 2), (size // 2 + 1, 3 * size)]
    if camera.width is not None and camera.height is not None:
        sizes = [(camera.width, camera.height)]
    for width, height in sizes:
        yield rng.integers(0, 256, (height, width, preprocessing.channels), np.uint8)


def _run(model: bytes, name: str, images: NDArray[np.generic]) -> NDArray[np.float32]:
    with as_device_error():
        found: NDArray[np.float32] = OnnxLoader(CPU, threads=1).load(model, {name: images}).run()[0]
    return found


def _compare_pixels(
    found: NDArray[np.float32], picture: NDArray[np.uint8], preprocessing: Preprocessing, name: str
) -> None:
    size, channels = preprocessing.resolution, preprocessing.channels
    image = fitted(Image.fromarray(picture if channels > 1 else picture[..., 0]), size, preprocessing.fit)
    expected = preprocessing.normalised(np.asarray(image).reshape(1, size, size, channels))
    level = np.array(preprocessing.std)[:, None, None] * 255
    off = np.abs((found - expected) * level)
    _check(off.max(), LEVELS, "prepares a picture", "levels of 255", name)
    _check(off.mean(), MEAN_LEVELS, "prepares a picture", "levels of 255 in the mean", name)


def _compare_logits(found: NDArray[np.float32], expected: NDArray[np.float32], name: str) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    _check(np.abs(found - expected).max() / scale, TOLERANCE, "computes logits", "of the largest", name)


def _check(difference: float, allowed: float, what: str, unit: str, name: str) -> None:
    if not difference <= allowed:
        raise VerificationError(
            f"{name} {what} otherwise with the preprocessing inside, by {difference:.2g} {unit} "
            f"(at most {allowed:g} passes)",
            BUG_HINT,
        )
