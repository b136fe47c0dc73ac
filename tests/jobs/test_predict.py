"""Predicting one architecture from Python."""

import json
from pathlib import Path

import pytest

from edgenas import mbconv, predict
from edgenas.errors import FileFormatError, InputError


def test_an_architecture_file_is_predicted_block_by_block(tmp_path: Path) -> None:
    space = mbconv(224, 1000)
    architecture = space.decode([0] * len(space.variables))
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(space.document(architecture)))
    result = predict(path, "jetson")
    assert result.device == "jetson-orin-nano"
    assert result.architecture == architecture.id
    assert [layer.block for layer in result.layers] == [block.key for block in space.blocks(architecture)]
    assert result.macs == space.macs(architecture)


def test_the_card_of_a_model_is_predicted_as_its_run_did(in_finished_run: Path) -> None:
    front = json.loads(Path("runs/done/front.json").read_text())["front"]
    card = Path(front[0]["onnx"]).with_suffix(".json")
    assert predict(card, "pi5").latency.predicted_ms == pytest.approx(front[0]["latency_ms"]["predicted"])


def test_onnx_files_are_refused_with_what_to_give_instead(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not predicted yet; give its card"):
        predict(tmp_path / "model.onnx", "cpu")


def test_a_wrong_choice_is_named_with_the_file(tmp_path: Path) -> None:
    space = mbconv(32, 10)
    document = space.document(space.decode([0] * len(space.variables)))
    document["choices"][2] = "k9e6"
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match=r"a\.json.*choices\.2: unknown choice 'k9e6'"):
        predict(path, "cpu")
