"""Checks say what is wrong and how to mend it."""

from pathlib import Path

import pytest

from edgenas import doctor, mbconv, profile
from edgenas.board import conditions
from edgenas.board.host import HostState


def checks(monkeypatch: pytest.MonkeyPatch, state: HostState, device: str | None = None) -> dict[str, object]:
    monkeypatch.setattr(conditions, "cpu_state", lambda: state)
    return {check.name: check for check in doctor(device).checks}


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
    assert table.detail == "none: latencies are estimated"  # type: ignore[attr-defined]


def test_a_device_out_of_reach_needs_no_runtime_here(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checks(monkeypatch, HostState(None, None, None, 0.0), "jetson")
    assert found["runtime"].ok and "not reachable" in found["runtime"].detail  # type: ignore[attr-defined]
    table = found["latency table"]
    assert table.ok and table.detail == "none: latencies are calibrated"  # type: ignore[attr-defined]


def test_a_table_says_what_it_rests_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quick_timing: None
) -> None:
    monkeypatch.chdir(tmp_path)
    profile("cpu", resolution=16, classes=2, samples=3)
    table = checks(monkeypatch, HostState(None, None, None, 0.0), "cpu")["latency table"]
    assert ", inferred from a few networks, " in table.detail  # type: ignore[attr-defined]
    profile("cpu", resolution=16, classes=2, networks=3)
    table = checks(monkeypatch, HostState(None, None, None, 0.0), "cpu")["latency table"]
    assert f", {len(mbconv(16, 2).blocks_of_any_channels)} blocks, " in table.detail  # type: ignore[attr-defined]
