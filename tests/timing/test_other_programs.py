"""Other programs on this machine are told before anything is timed."""

from collections.abc import Callable
from pathlib import Path

import pytest

import edgenas
from edgenas.timing import other_programs


@pytest.mark.parametrize(
    ("share", "messages"),
    [
        (0.15, []),
        (
            0.47,
            [
                "other programs take 47 % of this machine's processor time: what is timed beside them, and what is "
                "learnt from it, is wrong by more than its interval says; stop them, and repeat this"
            ],
        ),
    ],
)
def test_a_machine_in_use_is_told(
    share: float, messages: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(other_programs, "share_in_use", lambda seconds: share)
    other_programs.warn_of_other_programs()
    assert caplog.messages == messages


@pytest.mark.parametrize("command", [edgenas.profile, edgenas.validate])
def test_they_are_looked_for_before_anything_is_timed(
    command: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LookedError(Exception):
        pass

    def look(seconds: float) -> float:
        raise LookedError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(other_programs, "share_in_use", look)
    with pytest.raises(LookedError):
        command("cpu", space="mbconv", resolution=16, classes=2)
