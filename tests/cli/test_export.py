"""`edgenas export`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_export(answer: Answer, text: Text, precision: str, in_finished_run: Path) -> None:
    found = answer(["export", "done", "--precision", precision])
    assert found["models"]
    for model in found["models"]:
        assert {"id", "onnx", "size_bytes", "max_abs_error", "accuracy_before", "accuracy_after"} <= set(
            model
        )
        assert Path(model["onnx"]).stat().st_size == model["size_bytes"]
        assert abs(model["accuracy_after"] - model["accuracy_before"]) <= 0.1
        card = json.loads(Path(model["onnx"]).with_suffix(".json").read_text())
        assert card["precision"] == precision
    one = found["models"][0]["id"]
    assert one in text(["export", "done", "--model", one, "--precision", precision])


def test_a_baseline_is_exported_by_its_name(answer: Answer, text: Text, in_compared_run: Path) -> None:
    command = ["export", "compared", "--model", "mobilenet-v3-small"]
    (model,) = answer(command)["models"]
    assert model["id"] == "mobilenet-v3-small"
    assert Path(model["onnx"]) == Path("exports/compared/mobilenet-v3-small.onnx")
    assert model["accuracy_before"] == model["accuracy_after"]
    assert "mobilenet-v3-small.onnx" in text(command)


def test_a_file_may_prepare_pictures_itself(answer: Answer, in_finished_run: Path) -> None:
    alone = answer(["export", "done", "--embed-preprocessing"])["models"]
    assert all(model["onnx"].endswith(".camera.onnx") for model in alone)
    found = answer(
        ["export", "done", "--embed-preprocessing", "nchw", "--camera", "64x48", "--precision", "int8"]
    )
    for model in found["models"]:
        path = Path(model["onnx"])
        assert path.name == f"{model['id']}.int8.camera.onnx" and path.stat().st_size == model["size_bytes"]
        card = json.loads(path.with_suffix(".json").read_text())
        assert card["camera"] == {"layout": "nchw", "width": 64, "height": 48}
