"""Other programs on this machine are told before anything is timed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgenas
from edgenas.device.onnx_process import OnnxProcess
from edgenas.timing import other_programs


@pytest.mark.parametrize(
    ("in_use", "messages"),
    [
        (0.4, []),
        (
            0.97,
            [
                "other programs keep 1.0 of 4 processor cores busy: what is timed beside them, and what is learnt from "
                "it, may be wrong by more than its interval says; stop them, and repeat this"
            ],
        ),
    ],
)
def test_a_machine_in_use_is_told(
    in_use: float, messages: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(other_programs, "cores", lambda: 4)
    monkeypatch.setattr(other_programs, "cores_in_use", lambda seconds: in_use)
    other_programs.warn_of_other_programs()
    assert caplog.messages == messages


@pytest.mark.parametrize("command", [edgenas.profile, edgenas.validate])
def test_they_are_looked_for_before_anything_is_loaded(
    command: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LookedError(Exception):
        pass

    def look(seconds: float) -> float:
        raise LookedError

    def load(*_: Any) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(other_programs, "cores_in_use", look)
    monkeypatch.setattr(OnnxProcess, "load", load)
    with pytest.raises(LookedError):
        command("cpu", space="mbconv", resolution=16, classes=2)
