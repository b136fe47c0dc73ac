"""What this host is; on systems that show everything and on those that show nothing."""

import os
import platform
import re
from pathlib import Path
from typing import Any

import pytest

from edgenas.device import host


def _pretend(monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    """Let only the given files be read."""

    def read_text(self: Path, *_: Any, **__: Any) -> str:
        if str(self) in files:
            return files[str(self)]
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "read_text", read_text)


def test_fingerprint_is_stable_and_short() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", host.fingerprint())
    assert host.fingerprint() == host.fingerprint()


@pytest.mark.parametrize("part", ["cpu_model", "cores"])
def test_fingerprint_changes_with_the_hardware(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    before = host.fingerprint()
    monkeypatch.setattr(host, part, lambda: "another" if part == "cpu_model" else 4321)
    assert host.fingerprint() != before


def test_fingerprint_ignores_clock_and_load(monkeypatch: pytest.MonkeyPatch) -> None:
    before = host.fingerprint()
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 99.0, 99.0))
    assert host.fingerprint() == before


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nprocessor\t: 1\n", "Some CPU @ 2 GHz"),
        (
            "processor\t: 0\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 5 Model B\n",
            "Raspberry Pi 5 Model B",
        ),
    ],
)
def test_cpu_model(monkeypatch: pytest.MonkeyPatch, cpuinfo: str, name: str) -> None:
    _pretend(monkeypatch, {"/proc/cpuinfo": cpuinfo})
    assert host.cpu_model() == name


@pytest.mark.parametrize("files", [{}, {"/proc/cpuinfo": "processor\t: 0\n"}], ids=["no file", "no name"])
def test_cpu_model_where_the_system_hides_it(monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    _pretend(monkeypatch, files)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert host.cpu_model() == "riscv64"


def test_state_reads_what_the_system_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "/sys/devices/system/cpu/cpu0/cpufreq"
    _pretend(
        monkeypatch,
        {
            f"{folder}/scaling_governor": "performance\n",
            f"{folder}/scaling_cur_freq": "2400000\n",
            "/sys/class/thermal/thermal_zone0/temp": "51500\n",
        },
    )
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    monkeypatch.setattr(host, "cores", lambda: 4)
    assert host.state() == host.HostState("performance", 2400.0, 51.5, 0.75)


def test_state_where_the_system_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, {})
    state = host.state()
    assert (state.governor, state.frequency_mhz, state.temperature_c) == (None, None, None)
    assert state.load_per_core >= 0


def test_cores_are_those_this_process_may_use() -> None:
    assert 1 <= host.cores() <= (os.cpu_count() or 1)
