"""What is written of a model says of the run, its device and its data what the run's files say."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgenas.accuracy.dataset import Dataset
from edgenas.device.target import TARGETS
from edgenas.exporting.export_form import ExportForm
from edgenas.exporting.model_card import Card
from edgenas.exporting.model_files import write_with_card
from edgenas.exporting.onnx_metadata import FileMetadata, metadata_of
from edgenas.formats import read_json
from edgenas.space import MBConvSpace
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights
from edgenas.storage.run_config import RunConfig, versions
from edgenas.storage.run_folder import open_run
from edgenas.storage.search_result import Model

Write = Callable[..., Card]


@pytest.fixture
def config(run_config: RunConfig) -> RunConfig:
    return run_config.with_settings(data="/somewhere/photos", metric="macro-f1")


@pytest.fixture
def write(
    tmp_path: Path,
    config: RunConfig,
    tiny_space: MBConvSpace,
    tiny_dataset: Dataset,
    front_model: Callable[..., Model],
    monkeypatch: pytest.MonkeyPatch,
) -> Write:
    """`write(form)`: the files of a model, `ab.int8.onnx` first."""
    monkeypatch.chdir(tmp_path)
    content = onnx_from_blocks(tiny_space.blocks(tiny_space.smallest), random_weights(0)).SerializeToString()

    def make(form: ExportForm, write_beside: Callable[[], tuple[Path, ...]] = tuple) -> Card:
        with open_run("demo", config) as (folder, _):
            path, model = tmp_path / "ab.int8.onnx", front_model()
            return write_with_card(
                path, content, folder, config, config.device, tiny_dataset, model, form, write_beside
            )

    return make


def metadata(path: Path) -> FileMetadata:
    found = metadata_of({each.key: each.value for each in onnx.load(path).metadata_props}, path)
    assert found is not None
    return found


def test_a_card_tells_the_run_s_device_data_and_metric(
    write: Write, config: RunConfig, tiny_dataset: Dataset, front_model: Callable[..., Model], tmp_path: Path
) -> None:
    card = write(ExportForm(TARGETS["onnxruntime"], "int8"))
    assert read_json(tmp_path / "ab.int8.json", Card) == card
    assert (tmp_path / "ab.int8.md").is_file()
    assert (card.run, card.device, card.target) == ("demo", "board", config.device.conditions)
    assert card.data == "photos"  # the last part: where it lies is nobody else's business
    assert (card.metric, card.precision) == ("macro-f1", "int8")
    assert card.model == front_model()
    assert card.classes == tiny_dataset.classes
    assert card.preprocessing.resolution == tiny_dataset.resolution
    assert (card.preprocessing.mean, card.preprocessing.std) == (tiny_dataset.mean, tiny_dataset.std)


def test_hash_and_size_are_those_of_the_file_with_its_metadata(write: Write, tmp_path: Path) -> None:
    card = write(ExportForm(TARGETS["onnxruntime"], "int8"))
    content = (tmp_path / "ab.int8.onnx").read_bytes()
    assert (card.sha256, card.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def test_file_and_card_say_the_same(write: Write, tiny_dataset: Dataset, tmp_path: Path) -> None:
    card = write(ExportForm(TARGETS["onnxruntime"], "int8"))
    found = metadata(tmp_path / "ab.int8.onnx")
    assert found.classes == card.classes and found.preprocessing == card.preprocessing
    assert found.architecture == card.model.architecture and found.precision == card.precision
    assert found.device is not None and found.accuracy is not None and found.data is not None
    assert (found.device.name, found.device.conditions) == (card.device, card.target)
    assert found.device.target == card.exported_for == "onnxruntime"
    assert found.latency_ms == card.model.latency_ms
    assert found.accuracy.metric == "macro-f1" and found.accuracy.test == card.model.accuracies.test
    assert (found.data.name, found.data.fingerprint) == ("photos", "ab12")
    assert found.versions == card.versions == versions()


def test_names_of_classes_can_be_left_to_the_card(write: Write, tmp_path: Path) -> None:
    card = write(ExportForm(TARGETS["onnxruntime"], "int8", names_classes=False))
    assert metadata(tmp_path / "ab.int8.onnx").classes is None
    assert card.classes and not card.names_classes
    text = (tmp_path / "ab.int8.md").read_text()
    assert "are also in `ab.int8.json`, and the preprocessing in the metadata of the ONNX file." in text
    assert 'classes = json.loads(FILE.with_suffix(".json").read_text("utf-8"))["classes"]' in text


def test_what_it_is_for_and_how_to_run_it(write: Write, tmp_path: Path) -> None:
    beside = tmp_path / "ab.int8.xml"
    card = write(ExportForm(TARGETS["openvino"], "int8", batch=4), lambda: (beside,))
    assert (card.exported_for, card.batch, card.files) == ("openvino", 4, ("ab.int8.xml",))
    assert card.run_line == ("sh", "benchmark_app -m ab.int8.xml -d CPU -hint latency")
    text = (tmp_path / "ab.int8.md").read_text()
    assert "| made for | OpenVINO 2024 or later; opset 17, a batch of 4 |" in text
    assert "On its target, by `ab.int8.xml` beside it: `benchmark_app -m ab.int8.xml" in text
    assert "Input `input`: (4, 3, 8, 8)" in text and "transpose(2, 0, 1)[None].repeat(4, 0)" in text


def test_own_files_are_made_of_the_finished_onnx_file(write: Write, tmp_path: Path) -> None:
    seen: list[FileMetadata] = []

    def look() -> tuple[Path, ...]:
        seen.append(metadata(tmp_path / "ab.int8.onnx"))
        return ()

    write(ExportForm(TARGETS["ort-mobile"], "int8"), look)
    assert np.size(seen) == 1
