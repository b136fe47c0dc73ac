"""`edgenas run`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run as command_line

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


@pytest.fixture
def file(in_finished_run: Path) -> str:
    found = json.loads(Path("runs/done/front.json").read_text())["front"][-1]["onnx"]
    assert isinstance(found, str)
    return found


def test_pictures(answer: Answer, text: Text, file: str, image_folder: Path) -> None:
    red, blue = (str(image_folder / "test" / name / "00.png") for name in ("red", "blue"))
    found = answer(["run", file, red, blue])
    assert [each["file"] for each in found["predictions"]] == [red, blue]
    assert all(0 < each["probability"] <= 1 and each["class"] for each in found["predictions"])
    assert found["accuracy"] is None
    shown = text(["run", file, red, blue])
    assert "predictions" in shown and "accuracy" not in shown
    assert all(each["class"] in shown for each in found["predictions"])


def test_a_check(answer: Answer, text: Text, file: str, image_folder: Path) -> None:
    found = answer(["run", file, "--check", str(image_folder)])
    shown = text(["run", file, "--check", str(image_folder)])
    right = sum(each["right"] for each in found["classes"])
    assert found["accuracy"] == right / 24
    assert f"accuracy {right / 24:.2%}: {right} of 24 are right" in shown
    assert "predictions" not in shown and all(name in shown for name in ("red", "green", "blue"))


def test_what_cannot_be_read_is_a_line_on_stderr(
    file: str, image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").write_text("no picture")
    assert command_line(["run", file, str(tmp_path), str(image_folder / "test"), "--json"]) == 0
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)["predictions"]) == 24
    assert "warning: skipped 1 of 25 files: " in shown.err
    assert command_line(["run", file, str(tmp_path / "a.jpg")]) == 2
    assert "error: none of 1 file can be classified: " in capsys.readouterr().err


def test_several_pictures_survive_a_settings_file(
    answer: Answer, file: str, image_folder: Path, tmp_path: Path
) -> None:
    pictures = [str(image_folder / "test" / name / "00.png") for name in ("red", "blue")]
    saved = str(tmp_path / "saved.toml")
    found = answer(["run", file, *pictures, "--save-config", saved])
    assert answer(["run", "--config", saved]) == found
