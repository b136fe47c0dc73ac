"""Nodes in the file make of a picture what Pillow makes of it."""

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnxruntime import InferenceSession
from PIL import Image

from edgenas.exporting.camera import Camera
from edgenas.exporting.embedded_preprocessing import with_preprocessing
from edgenas.exporting.preprocessing import Preprocessing, preprocessing_of
from edgenas.images.preparation import Preparation
from edgenas.images.preparing import fitted
from edgenas.precision.conversion import convert
from edgenas.precision.scheme import SCHEMES
from edgenas.space import MBConvSpace
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights
from edgenas.vocabulary import Precision

OPSETS = (11, 12, 13, 17, 18, onnx.defs.onnx_opset_version() - 1)


def identity(channels: int, size: int, opset: int, batch: int | str = "batch") -> bytes:
    """A model that returns its input."""
    shape = (batch, channels, size, size)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("input", "logits")]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["input"], ["logits"])], "a", values[:1], values[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    return bytes(model.SerializeToString())


def levels(size: int, fit: Any, channels: Any) -> Preprocessing:
    """It returns values 0 to 255: its mean and standard deviation undo the scaling."""
    return preprocessing_of(
        Preparation(fit=fit, channels=channels), size, (0.0,) * channels, (1 / 255,) * channels
    )


def noise(width: int, height: int, channels: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def by_pillow(pixels: NDArray[np.uint8], size: int, fit: str) -> NDArray[np.float64]:
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    return np.asarray(fitted(image, size, fit), float).reshape(size, size, -1)


def session(content: bytes) -> InferenceSession:
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    return InferenceSession(content, providers=["CPUExecutionProvider"])


class MatMul(OpRun):
    """Of sums that are not rounded: in float64."""

    op_domain = ""

    def _run(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[NDArray[np.float32]]:
        return ((a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32),)


class ReduceSum(OpRun):
    """Likewise."""

    op_domain = ""

    def _run(
        self, a: NDArray[np.float32], axes: NDArray[np.int64], keepdims: int = 1, **_: Any
    ) -> tuple[NDArray[np.float32]]:
        return (a.sum(tuple(axes), dtype=np.float64, keepdims=bool(keepdims)).astype(np.float32),)


sides = st.integers(1, 200)


@profile(max_examples=150)
@given(
    width=sides, height=sides, size=st.integers(1, 64), fit=st.sampled_from(["crop", "pad", "stretch"]),
    channels=st.sampled_from([1, 3]), layout=st.sampled_from(["nhwc", "nchw"]), fixed=st.booleans(),
    opset=st.sampled_from(OPSETS), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_picture_becomes_what_pillow_makes_of_it(
    width: int, height: int, size: int, fit: str, channels: int, layout: Any, fixed: bool, opset: int, seed: int
) -> None:  # fmt: skip
    camera = Camera(layout=layout, width=width if fixed else None, height=height if fixed else None)
    content = with_preprocessing(identity(channels, size, opset), levels(size, fit, channels), camera)
    pixels = noise(width, height, channels, seed)
    (found,) = session(content).run(None, {"image": camera.arranged(pixels)})[0]
    # Half a level may be rounded to the other side in both passes; Pillow 13 scales the height of tall pictures first.
    off = np.abs(found.transpose(1, 2, 0) - by_pillow(pixels, size, fit))
    assert off.max() < 2.01 and (off > 1.01).mean() < 0.002 + 1 / off.size


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("width", "height", "size"), [(640, 480, 224), (213, 144, 128), (90, 90, 144)])
def test_nearly_all_pixels_are_the_same(width: int, height: int, size: int, fit: str) -> None:
    run = session(with_preprocessing(identity(3, size, 17), levels(size, fit, 3), Camera()))
    pixels = noise(width, height, 3)
    found = run.run(None, {"image": pixels[None]})[0][0].transpose(1, 2, 0)
    assert (np.abs(found - by_pillow(pixels, size, fit)) > 0.5).mean() < 0.03


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("width", "height", "size"), [(213, 144, 128), (281, 1322, 64), (50, 35, 96)])
def test_pixels_are_the_same_in_every_runtime_and_in_a_file_for_one_size(
    width: int, height: int, size: int, fit: str
) -> None:
    pixels, preprocessing = noise(width, height, 3)[None], levels(size, fit, 3)
    content = with_preprocessing(identity(3, size, 17), preprocessing, Camera())
    of_one = with_preprocessing(identity(3, size, 17), preprocessing, Camera(width=width, height=height))
    expected = ReferenceEvaluator(content, new_ops=[MatMul, ReduceSum]).run(None, {"image": pixels})[0]
    for each in (content, of_one):
        assert (session(each).run(None, {"image": pixels})[0] == expected).all()


def test_one_file_takes_all_sizes_and_batches() -> None:
    run = session(with_preprocessing(identity(3, 16, 17), levels(16, "crop", 3), Camera()))
    for width, height in ((40, 30), (16, 16), (7, 50)):
        both = np.stack([noise(width, height, 3, seed) for seed in (0, 1)])
        found = run.run(None, {"image": both})[0]
        for each, pixels in zip(found, both, strict=True):
            assert np.abs(each.transpose(1, 2, 0) - by_pillow(pixels, 16, "crop")).max() < 1.01


def test_a_fixed_batch_stays_fixed() -> None:
    content = with_preprocessing(identity(3, 16, 13, batch=2), levels(16, "crop", 3), Camera())
    (given,) = session(content).get_inputs()
    assert (given.name, given.type, given.shape) == ("image", "tensor(uint8)", [2, "height", "width", 3])


def test_it_is_normalised_as_outside_the_file() -> None:
    preprocessing = preprocessing_of(Preparation(), 8, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    run = session(with_preprocessing(identity(3, 8, 17), preprocessing, Camera(width=8, height=8)))
    pixels = noise(8, 8, 3)[None]
    assert (run.run(None, {"image": pixels})[0] == preprocessing.normalised(pixels)).all()


def test_it_says_what_it_takes_and_keeps_what_it_said() -> None:
    model = onnx.load_model_from_string(identity(3, 8, 17))
    helper.set_model_props(model, {"classes": "[]"})
    content = with_preprocessing(model.SerializeToString(), levels(8, "crop", 3), Camera())
    entries = session(content).get_modelmeta().custom_metadata_map
    assert entries == {"classes": "[]", "camera": '{"layout": "nhwc", "width": null, "height": null}'}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_files_of_any_precision_keep_their_own_nodes(
    scheme: str, precision: Precision, tiny_space: MBConvSpace
) -> None:
    model = onnx_from_blocks(tiny_space.blocks(tiny_space.smallest), random_weights(0)).SerializeToString()
    images = np.random.default_rng(0).standard_normal((8, 3, 8, 8), np.float32)
    plain = convert(model, precision, {"input": images}, SCHEMES[scheme])
    preprocessing = preprocessing_of(Preparation(), 8, (0.5,) * 3, (0.25,) * 3)
    pixels = noise(8, 8, 3)[None]
    expected = session(plain).run(None, {"input": preprocessing.normalised(pixels)})[0]
    found = session(with_preprocessing(plain, preprocessing, Camera())).run(None, {"image": pixels})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_for_one_size_most_products_are_left_out() -> None:
    """Of a picture much larger than the input, each part of the result reads a part."""
    camera = Camera(width=640, height=480)
    model = onnx.load_model_from_string(
        with_preprocessing(identity(3, 224, 17), levels(224, "crop", 3), camera)
    )
    constants = {each.name: each.dims for each in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    weights = [constants[name] for node in products for name in node.input if name in constants]
    assert len(weights) == len(products)
    assert sum(rows * columns for rows, columns in weights) < 0.2 * 224 * (640 + 480)
