"""Devices as the public API lists them."""

from pathlib import Path

import pytest

from edgenas import devices, doctor
from edgenas.cli.main import run
from edgenas.device import all_devices
from edgenas.errors import UnknownNameError


def test_shipped_boards_are_calibrated_and_hosts_estimated_until_profiled(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    hosts = {device.name for device in all_devices() if device.is_host}
    for info in devices().devices:
        assert info.provenance == ("estimated" if info.name in hosts else "calibrated")


def test_an_alias_finds_its_device() -> None:
    (info,) = devices("jetson").devices
    assert info.name == "jetson-orin-nano"


def test_an_unknown_device_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'raspberry-pi-5'"):
        devices("raspbery-pi-5")


def test_a_damaged_table_is_listed_with_its_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "latency_models/cpu/onnxruntime-cpu-fp32-t1-b1.json"
    table.parent.mkdir(parents=True)
    table.write_text("{")
    (info,) = devices("cpu").devices
    assert info.provenance == "estimated"
    assert [(item.entries, "is not JSON" in item.problem) for item in info.tables] == [(None, True)]
    assert run(["devices", "cpu"]) == 0
    assert run(["devices", "--json"]) == 0
    (check,) = [check for check in doctor("cpu").checks if check.name == "latency table"]
    assert not check.ok and "delete and recreate it" in check.mend


def test_a_damaged_device_is_listed_with_its_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "jetson-orin-nano.toml").write_text("name = ")
    (found,) = devices().damaged
    assert found.name == "jetson-orin-nano"
    assert found.problem.startswith("devices/jetson-orin-nano.toml: is not TOML")
    assert run(["devices"]) == 0
    assert "jetson-orin-nano cannot be used: devices/jetson" in capsys.readouterr().out
