"""Accuracy of the test pictures as they are, where a JPEG was decoded smaller for training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.exporting.camera import Camera
from edgenas.exporting.camera_accuracy import OWN_NOTE, PLAIN_NOTE, with_camera_scores
from edgenas.exporting.embedded_preprocessing import with_preprocessing
from edgenas.exporting.onnx_metadata import FileMetadata, Origin, with_metadata
from edgenas.exporting.preprocessing import Preprocessing, preprocessing_for
from edgenas.progress import silent
from edgenas.storage.search_result import Model

MakeModel = Callable[..., Model]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Pictures of one colour, `dark` and `light`; one of each class lies in the other's test folder."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for part, count in (("train", 10), ("test", 4)):
        for name, level in (("dark", 40), ("light", 200)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                wrong = part == "test" and number == 0
                value = (240 - level if wrong else level) + int(rng.integers(-20, 20))
                Image.new("L", (60 + number, 50), value).save(folder / part / name / f"{number}.jpg")
    return load_dataset(str(folder), 16)


def by_brightness(preprocessing: Preprocessing, folder: Path) -> Path:
    """A file for which a picture is light where its mean, normalised, is above zero."""
    values = [
        helper.make_tensor_value_info("input", TensorProto.FLOAT, ("batch", preprocessing.channels, 16, 16)),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("batch", 2)),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3]),
        helper.make_node("Flatten", ["mean"], ["light"]),
        helper.make_node("Neg", ["light"], ["dark"]),
        helper.make_node("Concat", ["dark", "light"], ["logits"], axis=1),
    ]
    graph = helper.make_graph(nodes, "a", values[:1], values[1:])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    described = FileMetadata(
        classes=("dark", "light"),
        preprocessing=preprocessing,
        edgenas=Origin(version="0", run="a", model="b"),
    )
    whole = with_metadata(content.SerializeToString(), described)
    (folder / "a.onnx").write_bytes(with_preprocessing(whole, preprocessing, Camera()))
    onnx.checker.check_model(folder / "a.onnx")
    return folder / "a.onnx"


def test_the_pictures_themselves_are_counted(
    dataset: Dataset, front_model: MakeModel, tmp_path: Path
) -> None:
    told: list[tuple[float, float]] = []
    found = with_camera_scores(
        front_model(note="converted"),
        by_brightness(preprocessing_for(dataset), tmp_path),
        Camera(),
        dataset,
        "macro-recall",
        lambda phase, done, total, detail="": told.append((done, total)),
    )
    assert (found.accuracies.test, found.scores.test["top-1"]) == (0.75, 0.75)
    assert found.accuracies.validation == 0.91  # as it was
    assert found.note == f"converted; {OWN_NOTE}"
    assert told == [(0, 8), (4, 8), (8, 8)]


@pytest.mark.parametrize("camera", [Camera(), Camera(width=60, height=50)])
def test_where_the_pictures_cannot_be_taken_that_is_said(
    camera: Camera, dataset: Dataset, front_model: MakeModel
) -> None:
    data = replace(dataset, files=None) if camera.width is None else dataset
    found = with_camera_scores(front_model(), Path("none.onnx"), camera, data, "top-1", silent)
    assert found == front_model(note=PLAIN_NOTE)
