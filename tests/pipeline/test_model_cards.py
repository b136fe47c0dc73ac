"""A card says of the run, its device and its data what the run's files say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgenas.accuracy.dataset import Dataset
from edgenas.exporting.model_card import Card
from edgenas.formats import read_json
from edgenas.pipeline.model_cards import write_model_card
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import open_run
from edgenas.storage.search_result import Model


def test_a_card_tells_the_run_s_device_data_and_metric(
    tmp_path: Path,
    run_config: RunConfig,
    tiny_dataset: Dataset,
    front_model: Callable[..., Model],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    config = run_config.with_settings(data="/somewhere/photos", metric="macro-f1")
    path, model = tmp_path / "ab.int8.onnx", front_model()
    path.write_bytes(b"a model")
    with open_run("demo", run_config) as (folder, _):
        card = write_model_card(path, folder, config, tiny_dataset, model, "int8", {"edgenas": "0.1.0"})
    assert read_json(tmp_path / "ab.int8.json", Card) == card
    assert (tmp_path / "ab.int8.md").is_file()
    assert (card.run, card.device, card.target) == ("demo", "board", config.device.target)
    assert card.data == "photos"  # the last part: where it lies is nobody else's business
    assert (card.metric, card.precision, card.size_bytes) == ("macro-f1", "int8", 7)
    assert card.model == model
    assert card.classes == tiny_dataset.classes
    assert card.preprocessing.resolution == tiny_dataset.resolution
    assert (card.preprocessing.mean, card.preprocessing.std) == (tiny_dataset.mean, tiny_dataset.std)
