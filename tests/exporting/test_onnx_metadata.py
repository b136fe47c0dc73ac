import json
from pathlib import Path

import onnx
import onnxruntime
import pytest

from edgenas.accuracy.dataset import Dataset
from edgenas.device import Provenance
from edgenas.errors import FileFormatError
from edgenas.exporting.camera import Camera
from edgenas.exporting.onnx_metadata import (
    DataOfRun,
    FileMetadata,
    MadeFor,
    MetricAndAccuracies,
    Origin,
    metadata_of,
    with_metadata,
)
from edgenas.exporting.preprocessing import preprocessing_for
from edgenas.latency.latency import Latency
from edgenas.space import MBConvSpace
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights

PATH = Path("a.onnx")


@pytest.fixture
def metadata(tiny_dataset: Dataset) -> FileMetadata:
    return FileMetadata(
        classes=("Käse", "a, b", '"'),
        preprocessing=preprocessing_for(tiny_dataset),
        edgenas=Origin(version="0.1.0", run="demo", model="ab"),
    )


@pytest.fixture
def model(tiny_space: MBConvSpace) -> onnx.ModelProto:
    return onnx_from_blocks(tiny_space.blocks(tiny_space.smallest), random_weights(0))


def test_what_is_written_is_read_from_the_file_alone(
    metadata: FileMetadata, model: onnx.ModelProto, tmp_path: Path
) -> None:
    onnx.helper.set_model_props(model, {"author": "me", "classes": "stale"})
    content = with_metadata(model.SerializeToString(), metadata)
    (tmp_path / "a.onnx").write_bytes(content)
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"), providers=["CPUExecutionProvider"])
    entries = session.get_modelmeta().custom_metadata_map
    assert set(entries) == {"author", "classes", "preprocessing", "edgenas"}
    assert json.loads(entries["classes"]) == ["Käse", "a, b", '"']
    assert json.loads(entries["preprocessing"]) == metadata.preprocessing.model_dump(mode="json")
    assert json.loads(entries["edgenas"]) == {"version": "0.1.0", "run": "demo", "model": "ab"}
    assert metadata_of(entries, PATH) == metadata


def test_nothing_else_changes_and_it_can_be_repeated(metadata: FileMetadata, model: onnx.ModelProto) -> None:
    content = with_metadata(model.SerializeToString(), metadata)
    assert with_metadata(content, metadata) == content == with_metadata(model.SerializeToString(), metadata)
    found = onnx.load_model_from_string(content)
    onnx.checker.check_model(found, full_check=True)
    assert found.graph == model.graph


def test_what_a_file_takes_is_read_where_it_says_so(metadata: FileMetadata, model: onnx.ModelProto) -> None:
    camera = Camera(width=640, height=480)
    content = with_metadata(model.SerializeToString(), metadata.model_copy(update={"camera": camera}))
    entries = {each.key: each.value for each in onnx.load_model_from_string(content).metadata_props}
    found = metadata_of(entries, PATH)
    assert found is not None and found.camera == camera
    with pytest.raises(FileFormatError, match=r"^a\.onnx: camera.width: .*less than or equal to 32768"):
        metadata_of(entries | {"camera": '{"width": 99999, "height": 1}'}, PATH)


def test_a_file_of_others_has_none() -> None:
    assert metadata_of({}, PATH) is None
    assert metadata_of({"classes": "of someone else"}, PATH) is None


def test_names_that_are_left_out_leave_no_stale_ones(metadata: FileMetadata, model: onnx.ModelProto) -> None:
    content = with_metadata(model.SerializeToString(), metadata)
    unnamed = metadata.model_copy(update={"classes": None})
    found = onnx.load_model_from_string(with_metadata(content, unnamed))
    entries = {each.key: each.value for each in found.metadata_props}
    assert set(entries) == {"preprocessing", "edgenas"}
    assert metadata_of(entries, PATH) == unnamed


def test_every_further_entry_is_read_again(metadata: FileMetadata, model: onnx.ModelProto) -> None:
    full = metadata.model_copy(
        update={
            "architecture": {"choices": ["k3e3", "skip"]},
            "precision": "int8",
            "device": MadeFor(name="jetson-nano", conditions="jetson-nano: tensorrt", target="tensorrt-8.2"),
            "latency_ms": Latency(1.25, 0.625, 2.5, Provenance.ESTIMATED, measured=1.3),
            "accuracy": MetricAndAccuracies(metric="top-1", validation=0.9, test=0.8),
            "data": DataOfRun(name="photos", fingerprint="ab12"),
            "versions": {"edgenas": "0.1.0"},
        }
    )
    content = with_metadata(model.SerializeToString(), full)
    entries = {each.key: each.value for each in onnx.load_model_from_string(content).metadata_props}
    assert set(entries) == set(FileMetadata.model_fields) - {"camera"}
    assert json.loads(entries["latency_ms"])["provenance"] == "estimated"
    assert metadata_of(entries, PATH) == full


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "["}, r"^a\.onnx: metadata: is not JSON"),
        ({"classes": "[" * 100_000}, r"^a\.onnx: metadata: is not JSON"),
        ({"classes": "[]"}, r"^a\.onnx: classes: tuple should have at least 1 item"),
        ({"classes": "[1]"}, r"^a\.onnx: classes\.0: "),
        ({"edgenas": "{}"}, r"^a\.onnx: edgenas\.version: field required"),
        ({"preprocessing": "{}"}, r"^a\.onnx: preprocessing\.resolution: field required"),
    ],
)
def test_what_is_damaged_is_named(metadata: FileMetadata, changes: dict[str, str], message: str) -> None:
    entries = {name: json.dumps(value) for name, value in metadata.model_dump(exclude_none=True).items()}
    with pytest.raises(FileFormatError, match=message):
        metadata_of(entries | changes, PATH)
