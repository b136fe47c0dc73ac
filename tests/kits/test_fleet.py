"""Several boards of one kind: their times taken together, and boards that deviate named."""

import copy
import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.boards import BOARD, MeasuredKit, quick_kit
from fixtures.loopback import HOST, OTHER_HOST, Loopback, loopback

from edgenas import profile, validate
from edgenas.cli.main import run
from edgenas.device import find_device
from edgenas.errors import DeviceError, InputError
from edgenas.kits.fleet import FleetResults, fleet_results
from edgenas.kits.kit_results import KitResults, table_from_results
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_kit import measure_kits
from edgenas.latency.table import find_table
from edgenas.progress import silent
from edgenas.settings.latency_commands import MAX_BOARDS, ssh_hosts

__all__ = ["loopback", "quick_kit"]

Results = dict[str, Any]

SMALL: dict[str, Any] = {"space": "nasbench-macro", "resolution": 16, "classes": 2, "networks": 12}


@pytest.fixture
def results(measured_kit: MeasuredKit) -> Results:
    """Those of a board without noise."""
    found: Results = json.loads(measured_kit.results.read_text(encoding="utf-8"))
    least = {key: min(burst[0] for burst in bursts) for key, bursts in found["bursts"].items()}
    found["bursts"] = {key: [[ms, 1.01 * ms, 1.02 * ms, 9, 0.1, 0.1, 0]] * 4 for key, ms in least.items()}
    return found


def _slower(results: Results, factor: float) -> Results:
    """The results of a board that takes so many times as long; its sentinel too."""
    changed = copy.deepcopy(results)
    changed["bursts"] = {
        key: [[*(factor * ms for ms in b[:3]), b[3], factor * b[4], factor * b[5], b[6]] for b in bursts]
        for key, bursts in results["bursts"].items()
    }
    return changed


def _fleet(found: dict[str, Results]) -> FleetResults:
    return fleet_results({host: KitResults.model_validate(each) for host, each in found.items()})


def test_a_board_that_deviates_is_named_and_the_others_are_not(
    results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        fleet = _fleet({"a": results, "b": _slower(results, 1.01), "c": _slower(results, 1.1)})
    assert fleet.boards == pytest.approx({"a": 1 / 1.055, "b": 1.01 / 1.05, "c": 1.1 / 1.005}, rel=2e-3)
    said = [message.partition(" than the other boards; ")[0] for message in caplog.messages]
    assert len(said) == 2 and re.fullmatch("a is [56]% faster", said[0]) and said[1] == "c is 9% slower"
    same = _fleet({"a": results, "b": results})
    assert same.boards == {"a": 1.0, "b": 1.0}


def test_their_times_are_between_those_of_the_boards_and_the_table_says_how_much_they_differ(
    measured_kit: MeasuredKit, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(measured_kit.folder)
    device, path = find_device(BOARD), Path("results")
    alone = table_from_results(KitResults.model_validate(results), device, path)
    both = table_from_results(_fleet({"a": results, "b": _slower(results, 1.08)}), device, path)
    for key, entry in alone.table.entries.items():
        assert entry.typical_ms < both.table.entries[key].typical_ms < 1.08 * entry.typical_ms
    size = max(alone.calibrations)
    errors = [np.ptp(each.calibrations[size].residuals) for each in (alone, both)]
    assert errors[1] > errors[0] + 0.04


def test_what_one_board_cannot_run_has_failed(results: Results) -> None:
    key = next(key for key in results["bursts"] if key.startswith("network/"))
    other = copy.deepcopy(results)
    del other["bursts"][key]
    other["failed"] = {key: "no memory"}
    for found in ({"a": results, "b": other}, {"b": other, "a": results}):
        fleet = _fleet(found)
        assert fleet.failed == {key: "no memory"} and key not in fleet.bursts


def test_what_changed_on_a_board_is_told_with_its_name(results: Results) -> None:
    other = copy.deepcopy(results)
    other["before"], other["after"] = [["throttling", "none now", ""]], [["throttling", "now", "cool it"]]
    fleet = _fleet({"a": results, "pi@b": other})
    assert fleet.changed == ("pi@b: throttling: now (before: none now); cool it",)
    assert fleet.facts.changed == fleet.changed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "host_description",
            r"^the boards have different hardware \(a: .+, b: another\); profile boards of one",
        ),
        ("runtime_version", r"^the boards have different versions of the runtime \(a: .+, b: another\)"),
    ],
)
def test_boards_of_different_kinds_are_refused(name: str, message: str, results: Results) -> None:
    with pytest.raises(DeviceError, match=message):
        _fleet({"a": results, "b": {**results, name: "another"}})


def test_two_boards_are_profiled_at_once(
    loopback: Loopback, capsys: pytest.CaptureFixture[str], own: Path
) -> None:
    asked = [
        "profile",
        "--device",
        BOARD,
        "--ssh",
        HOST,
        "--ssh",
        OTHER_HOST,
        "--ssh-python",
        loopback.python,
    ]
    asked += ["--space", "nasbench-macro", "--resolution", "16", "--classes", "2", "--networks", "12"]
    assert run([*asked, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown["boards"]) == {HOST, OTHER_HOST} and all(each > 0 for each in shown["boards"].values())
    table = find_table(find_device(BOARD))
    assert table is not None and table[1].boards == shown["boards"]


def test_a_board_that_fails_leaves_the_others_table(loopback: Loopback, own: Path) -> None:
    with pytest.raises(
        DeviceError, match=r"^nobody cannot be reached \(.+\); the table .+ is of the other 1; conn"
    ):
        profile(BOARD, **SMALL, ssh=[HOST, "nobody"], ssh_python=loopback.python)
    table = find_table(find_device(BOARD))
    assert table is not None and table[1].boards == {HOST: 1.0}


@pytest.fixture
def own(tmp_path: Path, quick_kit: Callable[[Path], None]) -> Path:
    """A working folder in which the board is known."""
    quick_kit(tmp_path)
    (tmp_path / "latency_models").mkdir()
    return tmp_path


def test_ctrl_c_ends_all_connections(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first board is interrupted here; the second would go on for minutes."""
    ended = threading.Event()

    def measure(self: SshBoard, *rest: Any) -> None:
        if self.host == "first":
            raise KeyboardInterrupt
        stopped: threading.Event = rest[-1]
        assert stopped.wait(60)
        ended.set()
        raise DeviceError("stopped", "")

    monkeypatch.setattr(SshBoard, "measure", measure)
    from edgenas.kits.kit_archive import make_timing_kit
    from edgenas.space.nasbench_macro import MacroLayout, NASBenchMacroSpace

    space = NASBenchMacroSpace(MacroLayout(resolution=16, classes=2))
    with pytest.raises(KeyboardInterrupt):
        measure_kits(
            [SshBoard("first"), SshBoard("second")],
            lambda path: make_timing_kit(
                path,
                find_device(BOARD),
                lambda maker: [maker.of_blocks("a", space.blocks(space.smallest))],
                0.1,
                silent,
            ),
            KitResults,
            silent,
        )
    assert ended.is_set()


def test_boards_are_named_once_and_not_too_many(own: Path) -> None:
    with pytest.raises(InputError, match=r"^--ssh: a board is named twice; name each once$"):
        ssh_hosts("pi@a,pi@a", "--ssh")
    with pytest.raises(InputError, match=rf"are too many; name at most {MAX_BOARDS}$"):
        ssh_hosts([f"pi{number}" for number in range(MAX_BOARDS + 1)], "--ssh")
    with pytest.raises(InputError, match=r"^--ssh: '' cannot be used"):
        ssh_hosts("pi@a,", "--ssh")
    with pytest.raises(
        InputError, match=r"^--ssh names several boards; name one of them; only profile takes"
    ):
        validate(BOARD, 2, ssh="pi@a,pi@b", resolution=16, classes=2)
