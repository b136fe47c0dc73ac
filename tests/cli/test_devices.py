"""`edgenas devices`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.device import all_devices
from edgenas.space import mbconv

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]

CALIBRATED = tuple(device.name for device in all_devices() if device.calibrated)


def test_devices(answer: Answer, text: Text) -> None:
    found = answer(["devices"])
    by_name = {device["name"]: device for device in found["devices"]}
    assert {"cpu", "cuda", *CALIBRATED} <= set(by_name)
    assert "jetson" in by_name["jetson-orin-nano"]["aliases"]
    assert {by_name[name]["provenance"] for name in CALIBRATED} == {"calibrated"}
    assert by_name["cpu"]["calibrated"] is None
    assert by_name["jetson-nano"]["calibrated"]["median_error_percent"] < 12
    assert by_name["jetson-nano"]["power_modes"] == {"10W (MAXN)": 921.6, "5W": 640}
    assert by_name["jetson-nano"]["tables"] == []
    assert by_name["raspberry-pi-5"]["calibrated"]["figures"][-1].startswith("fitted together with")
    shown = text(["devices", "jetson"])
    assert "jetson-orin-nano" in shown and "source:" in shown
    assert "power mode: 15W (also: 7W, MAXN SUPER)" in shown
    assert "median error of left-out networks" in shown and "Apache-2.0" in shown


def test_an_inferred_table_names_its_spaces(
    answer: Answer, text: Text, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_timing: None
) -> None:
    monkeypatch.chdir(tmp_path)
    answer(["profile", "--device", "cpu", "--resolution", "16", "--classes", "2", "--samples", "3"])
    (device,) = answer(["devices", "cpu"])["devices"]
    (table,) = device["tables"]
    assert device["provenance"] == "calibrated"
    grey = mbconv(16, 2).with_channels(1)
    assert grey is not None
    assert table["entries"] == 0
    assert sorted(table["inferred"]) == sorted([mbconv(16, 2).signature, grey.signature])
    assert table["power_mode"] == device["power_mode"]
    assert f"(inferred from a few networks, {table['measured_at']})" in text(["devices", "cpu"])
