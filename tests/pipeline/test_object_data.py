"""Searches on images that Python holds, from the first call to an export later."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgenas
from edgenas.errors import DataError, InputError, RunConflictError

ASKED: dict[str, Any] = {"device": "pi5", "max_latency": "20ms", "evaluations": 3, "finalists": 1}


def arrays(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Oblong images of two classes, one lighter than the other."""
    labels = np.arange(40) % 2
    images = np.random.default_rng(seed).normal(90 + 60 * labels[:, None, None, None], 30, (40, 20, 24, 3))
    return images.clip(0, 255).astype(np.uint8), labels


def test_a_search_on_arrays_is_resumed_and_exported_with_the_same_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    images, labels = arrays(0)
    run = edgenas.search(data=(images, labels), resolution="16,32", run="mine", **ASKED)
    assert run.data == "arrays" and run.front
    written = json.loads((tmp_path / "runs/mine/run.json").read_text())["config"]
    assert written["settings"]["data"] == "arrays" and written["data"]["classes"] == ["0", "1"]
    again = edgenas.search(data=(images.copy(), labels.tolist()), resolution="16,32", run="mine", **ASKED)
    assert again.front == run.front
    with pytest.raises(
        RunConflictError, match="run mine was started on other images: those of arrays changed"
    ):
        edgenas.search(data=arrays(1), resolution="16,32", run="mine", **ASKED)
    exported = edgenas.export("mine", data=(images, labels))
    assert exported.models[0].onnx.is_file()
    with pytest.raises(RunConflictError, match="arrays does not hold the images of run mine"):
        edgenas.export("mine", data=arrays(1))
    with pytest.raises(
        DataError, match=r"cannot be loaded again .*; give them with --data, in Python as they"
    ):
        edgenas.export("mine")


def test_runs_of_different_arrays_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgenas.pipeline import phases

    def stop(session: Any) -> None:
        raise InterruptedError(session.folder.name)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(phases, "_complete_or_interrupted", stop)
    names = []
    for seed in (0, 1, 0):
        with pytest.raises(InterruptedError) as caught:
            edgenas.search(data=arrays(seed), **ASKED)
        names.append(str(caught.value))
    assert names[0] == names[2] != names[1] and names[0].startswith("raspberry-pi-5-arrays-20ms-")


def test_black_arrays_are_refused_in_one_line() -> None:
    with pytest.raises(
        InputError, match=r"^arrays: the images' values reach from 0 to 0; give whole numbers"
    ):
        edgenas.search(data=(np.zeros((40, 16, 16, 3), np.uint8), np.arange(40) % 2), **ASKED)
