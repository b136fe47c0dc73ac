"""What is told of a board: that it is in order, or what would spoil a measurement."""

from collections.abc import Mapping

import pytest

from edgenas.board import conditions
from edgenas.board.conditions import Condition, changes, machine_conditions
from edgenas.board.host import HostState

QUIET = HostState("performance", 1500.0, 45.0, 0.1)
TEGRA = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n# second line\n"


def _board(
    monkeypatch: pytest.MonkeyPatch, outputs: Mapping[str, str], files: Mapping[str, str] | None = None
) -> dict[str, Condition]:
    """The conditions of a quiet machine on which only these commands and files exist."""
    monkeypatch.setattr(conditions, "cpu_state", lambda: QUIET)
    monkeypatch.setattr(conditions, "output_of", lambda command, *_: outputs.get(command))
    monkeypatch.setattr(conditions, "system_text", lambda path: (files or {}).get(path))
    return {each.name: each for each in machine_conditions()}


def test_a_quiet_machine_is_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _board(monkeypatch, {})
    assert list(found) == ["processor", "load", "clock governor", "temperature"]
    assert all(each.ok for each in found.values())


@pytest.mark.parametrize(
    ("shown", "detail", "hint"),
    [
        ("throttled=0x0", "none now", ""),
        ("throttled=0x50000", "none now; since boot: under-voltage, throttling", ""),
        (
            "throttled=0x50005",
            "under-voltage, throttling; since boot: under-voltage, throttling",
            "use the official power supply",
        ),
        ("throttled=0x8", "the soft temperature limit", "cool the board, and wait until this is gone"),
    ],
)
def test_throttling_of_a_raspberry_pi(
    monkeypatch: pytest.MonkeyPatch, shown: str, detail: str, hint: str
) -> None:
    found = _board(monkeypatch, {"vcgencmd": shown})["throttling"]
    assert (found.detail, found.hint) == (detail, hint)


def test_an_answer_that_is_no_number_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "throttling" not in _board(monkeypatch, {"vcgencmd": "VCHI initialization failed"})


@pytest.mark.parametrize(("least", "fixed"), [("306000000", False), ("918000000", True)])
def test_power_mode_and_clocks_of_a_jetson(monkeypatch: pytest.MonkeyPatch, least: str, fixed: bool) -> None:
    clocks = f"SOC family:tegra234\nGPU MinFreq={least} MaxFreq=918000000 CurrentFreq=918000000\n"
    outputs = {"nvpmodel": "NV Power Mode: 15W\n0", "jetson_clocks": clocks}
    found = _board(monkeypatch, outputs, {"/etc/nv_tegra_release": TEGRA})
    assert found["L4T"].detail.startswith("R36 (release), REVISION: 4.3")
    assert found["power mode"].detail == "NV Power Mode: 15W 0"
    assert found["GPU clock"].ok == fixed
    assert found["GPU clock"].hint == ("" if fixed else "fix the clocks before profiling: sudo jetson_clocks")


def test_without_the_right_to_read_clocks_they_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _board(monkeypatch, {}, {"/etc/nv_tegra_release": TEGRA})
    assert "L4T" in found and "GPU clock" not in found


def test_what_changed_meanwhile_and_spoils_is_told() -> None:
    before = [
        Condition("load", "0.10 per core"),
        Condition("clock governor", "performance"),
        Condition("throttling", "none now"),
    ]
    after = [
        ["load", "1.50 per core", "close other programs before profiling"],  # the measurement itself
        ["clock governor", "powersave", ""],
        ["throttling", "throttling", "cool the board"],
    ]
    assert changes(before, before) == []
    assert changes(before, after) == [
        "clock governor changed from performance to powersave; keep it as it is",
        "throttling: throttling (before: none now); cool the board",
    ]


@pytest.mark.parametrize(
    ("meminfo", "available"), [("MemTotal: 9 kB\nMemAvailable:    2048 kB\n", 2 * 2**20), ("", None)]
)
def test_memory_available(monkeypatch: pytest.MonkeyPatch, meminfo: str, available: int | None) -> None:
    monkeypatch.setattr(conditions, "system_text", lambda path: meminfo if path == "/proc/meminfo" else None)
    assert conditions.memory_available() == available
