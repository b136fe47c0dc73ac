from collections.abc import Callable

import numpy as np
import onnx
import pytest

from edgenas.errors import VerificationError
from edgenas.exporting import camera_export
from edgenas.exporting.camera import Camera
from edgenas.exporting.camera_export import verified_with_preprocessing
from edgenas.exporting.embedded_preprocessing import with_preprocessing
from edgenas.exporting.preprocessing import Preprocessing, preprocessing_of
from edgenas.images.preparation import Preparation
from edgenas.space import MBConvSpace
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights

PREPROCESSING = preprocessing_of(Preparation(fit="pad"), 8, (0.4,) * 3, (0.2,) * 3)


@pytest.fixture(scope="module")
def model(tiny_space: MBConvSpace) -> bytes:
    return onnx_from_blocks(tiny_space.blocks(tiny_space.smallest), random_weights(0)).SerializeToString()


@pytest.mark.parametrize("camera", [Camera(), Camera(layout="nchw", width=30, height=11)])
def test_a_file_that_does_the_same_passes(model: bytes, camera: Camera) -> None:
    found = verified_with_preprocessing(model, PREPROCESSING, camera, "ab.onnx")
    assert found == with_preprocessing(model, PREPROCESSING, camera)


def test_a_fixed_batch_passes_too(model: bytes) -> None:
    fixed = onnx.load_model_from_string(model)
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 3
    assert verified_with_preprocessing(fixed.SerializeToString(), PREPROCESSING, Camera(), "ab.onnx")


def test_grey_pictures_pass_too(tiny_space: MBConvSpace) -> None:
    space = MBConvSpace(tiny_space.layout.model_copy(update={"in_channels": 1}))
    model = onnx_from_blocks(space.blocks(space.smallest), random_weights(0)).SerializeToString()
    grey = preprocessing_of(Preparation(channels=1), 8, (0.4,), (0.2,))
    assert verified_with_preprocessing(model, grey, Camera(), "ab.onnx")


Embedding = Callable[[bytes, Preprocessing, Camera], bytes]


def other_mean(content: bytes, preprocessing: Preprocessing, camera: Camera) -> bytes:
    return with_preprocessing(content, preprocessing.model_copy(update={"mean": (0.5,) * 3}), camera)


def other_fit(content: bytes, preprocessing: Preprocessing, camera: Camera) -> bytes:
    return with_preprocessing(content, preprocessing.model_copy(update={"fit": "crop"}), camera)


@pytest.mark.parametrize("embedding", [other_mean, other_fit])
def test_other_pixels_are_found(model: bytes, embedding: Embedding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_export, "with_preprocessing", embedding)
    with pytest.raises(
        VerificationError,
        match=r"^ab\.onnx prepares a picture otherwise with the preprocessing inside, by \S+ levels of 255 \(at most",
    ):
        verified_with_preprocessing(model, PREPROCESSING, Camera(), "ab.onnx")


def test_other_logits_are_found(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def embedding(content: bytes, preprocessing: Preprocessing, camera: Camera) -> bytes:
        changed = onnx.load_model_from_string(with_preprocessing(content, preprocessing, camera))
        bias = next((each for each in changed.graph.initializer if each.dims == [3]), None)
        if bias is not None:
            bias.CopyFrom(onnx.numpy_helper.from_array(np.full(3, 9, np.float32), bias.name))
        return bytes(changed.SerializeToString())

    monkeypatch.setattr(camera_export, "with_preprocessing", embedding)
    with pytest.raises(
        VerificationError, match=r"^ab\.onnx computes logits otherwise with .* of the largest"
    ):
        verified_with_preprocessing(model, PREPROCESSING, Camera(), "ab.onnx")


def test_what_the_checker_rejects_is_no_file(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def embedding(content: bytes, preprocessing: Preprocessing, camera: Camera) -> bytes:
        changed = onnx.load_model_from_string(with_preprocessing(content, preprocessing, camera))
        changed.graph.node[0].op_type = "Casst"
        return bytes(changed.SerializeToString())

    monkeypatch.setattr(camera_export, "with_preprocessing", embedding)
    with pytest.raises(VerificationError, match=r"^ab\.onnx is not valid ONNX \("):
        verified_with_preprocessing(model, PREPROCESSING, Camera(), "ab.onnx")
