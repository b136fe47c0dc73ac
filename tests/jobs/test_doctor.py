"""Checks say what is wrong and how to mend it."""

import pytest

from edgenas import doctor
from edgenas.device import host
from edgenas.device.host import HostState


def checks(monkeypatch: pytest.MonkeyPatch, state: HostState, device: str | None = None) -> dict[str, object]:
    monkeypatch.setattr(host, "state", lambda: state)
    return {check.name: check for check in doctor(device)}


def test_a_quiet_machine_is_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checks(monkeypatch, HostState("performance", 2400.0, 45.0, 0.1))
    assert all(found[name].ok for name in ("load", "clock governor", "temperature"))  # type: ignore[attr-defined]


def test_what_spoils_measurements_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checks(monkeypatch, HostState("powersave", 800.0, 92.0, 1.7))
    for name in ("load", "clock governor", "temperature"):
        assert not found[name].ok  # type: ignore[attr-defined]
        assert found[name].mend  # type: ignore[attr-defined]


def test_a_device_without_table_is_pointed_to_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    table = checks(monkeypatch, HostState(None, None, None, 0.0), "cpu")["latency table"]
    assert table.mend == "edgenas profile --device cpu"  # type: ignore[attr-defined]


def test_a_device_out_of_reach_needs_no_runtime_here(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checks(monkeypatch, HostState(None, None, None, 0.0), "jetson")
    assert found["runtime"].ok and "out of reach" in found["runtime"].detail  # type: ignore[attr-defined]
