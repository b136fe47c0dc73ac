"""Profiling from Python; what the command line adds is tested with it."""

from pathlib import Path

import pytest

from edgenas import profile
from edgenas.errors import DeviceError, InputError, UnknownNameError
from edgenas.latency.table import table_from_json


def test_a_profile_lands_in_the_users_folder_where_the_working_folder_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_user_folders: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = profile("cpu", resolution=16, classes=2, samples=3)
    assert own_user_folders in result.table.parents
    assert len(table_from_json(result.table).entries) == result.entries == result.measured


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"device": "pi4"}, DeviceError, "raspberry-pi-4 cannot be reached from here"),
        (
            {"device": "cpu", "samples": 2},
            InputError,
            "--samples 2 is too few to calibrate on; give at least 3",
        ),
        ({"device": "cpu", "space": "cell"}, UnknownNameError, "unknown search space 'cell'"),
        ({"device": "cpu", "precision": "fp16"}, InputError, "cpu is timed at fp32, not fp16"),
        ({"device": "cpu", "resolution": 72}, InputError, "--resolution 72 has no layout"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        profile(**arguments)  # type: ignore[arg-type]
