"""Devices as the public API lists them."""

import pytest

from edgenas import devices
from edgenas.errors import UnknownNameError


def test_all_shipped_devices_are_estimated_until_profiled(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert {info.provenance for info in devices()} == {"estimated"}


def test_an_alias_finds_its_device() -> None:
    (info,) = devices("jetson")
    assert info.device.name == "jetson-orin-nano"


def test_an_unknown_device_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'raspberry-pi-5'"):
        devices("raspbery-pi-5")
