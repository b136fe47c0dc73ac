"""Several boards of one kind: their times taken together, and boards that deviate named."""

import copy
import json
import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.boards import BOARD, MeasuredKit, quick_kit, timing_results
from fixtures.loopback import HOST, OTHER_HOST, Loopback, loopback

from edgenas import profile, validate
from edgenas.cli.main import run
from edgenas.device import find_device
from edgenas.errors import DeviceError, InputError
from edgenas.kits import ssh
from edgenas.kits.fleet import FleetResults, fleet_results
from edgenas.kits.kit_archive import MadeKit, make_timing_kit
from edgenas.kits.kit_results import KitResults, TimingResults, table_from_results
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_kit import measure_kits
from edgenas.kits.ssh_profile import save_fleet
from edgenas.latency.table import find_table
from edgenas.progress import silent
from edgenas.settings.latency_commands import MAX_BOARDS, ssh_hosts
from edgenas.space.nasbench_macro import MacroLayout, NASBenchMacroSpace

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


@pytest.mark.parametrize("factor", [1.08, 1.3])
def test_their_times_are_between_those_of_the_boards_and_the_table_says_how_much_they_differ(
    factor: float, measured_kit: MeasuredKit, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(measured_kit.folder)
    device, path = find_device(BOARD), Path("results")
    alone = table_from_results(KitResults.model_validate(results), device, path)
    both = table_from_results(_fleet({"a": results, "b": _slower(results, factor)}), device, path)
    for key, entry in alone.table.entries.items():
        assert entry.typical_ms < both.table.entries[key].typical_ms < factor * entry.typical_ms
    assert both.disturbed == 0
    size = max(alone.calibrations)
    errors = [np.ptp(each.calibrations[size].residuals) for each in (alone, both)]
    assert errors[1] > errors[0] or factor < 1.3


def test_energies_are_the_mean_of_those_that_measured_them(results: Results) -> None:
    """The deviation is that of a board, which may be unlike the others."""
    found = [copy.deepcopy(results) for _ in range(3)]
    for each, mj in zip(found, (1.0, 3.0, None), strict=True):
        each["energies"] = {"overhead": [mj, 0.6, "PMIC"]} if mj else {}
    fleet = _fleet({str(number): each for number, each in enumerate(found)})
    assert fleet.energies == {"overhead": (2.0, pytest.approx((2 + 2 * 0.6**2 / 4) ** 0.5), "PMIC")}
    assert _fleet({"a": found[0]}).energies == {"overhead": (1.0, 0.6, "PMIC")}


def test_energies_of_different_meters_are_left_out(
    results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    other = copy.deepcopy(results)
    results["energies"], other["energies"] = ({"overhead": [1.0, 0.1, name]} for name in ("RAPL", "PMIC"))
    assert _fleet({"a": results, "b": other}).energies == {}
    assert "the boards have different power meters (PMIC, RAPL): energies are left out" in caplog.text


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
        DeviceError, match=r"^1 of 2 boards could not be measured .+; the table .+ is that of board; repeat"
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


@pytest.fixture
def asked(own: Path) -> dict[str, Any]:
    """Arguments of `measure_kits` for a kit of one model."""
    space = NASBenchMacroSpace(MacroLayout(resolution=16, classes=2))

    def make(path: Path) -> MadeKit[Any]:
        blocks = space.blocks(space.smallest)
        return make_timing_kit(
            path, find_device(BOARD), lambda maker: [maker.of_blocks("a", blocks)], 0.1, silent
        )

    return {"make": make, "kind": TimingResults, "progress": silent}


def _fake_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """It interrupts, also where these tests run in the background of a shell, which ignores it there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_all_connections_and_makes_no_other(
    own: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, ctrl_c: None
) -> None:
    """Both boards take minutes; the interruption comes once both have begun."""
    count = own / "connections"
    answers = """echo '{"folder": "/x", "kit": "present"}'; echo '{"phase": "timing", "share": 0.5}'"""
    _fake_ssh(own, monkeypatch, f"echo >> {count}; cat > /dev/null & {answers}; exec sleep 200")
    monkeypatch.setattr(ssh, "WATCH_S", 0.05)
    boards = [SshBoard("first"), SshBoard("second")]
    begun = threading.Barrier(2)

    def progress(phase: str, done: float, total: float, detail: str = "") -> None:
        if phase.endswith(": timing"):
            threading.Thread(target=lambda: (begun.wait(60), os.kill(os.getpid(), signal.SIGINT))).start()

    with pytest.raises(KeyboardInterrupt):
        measure_kits(boards, **{**asked, "progress": progress}, accept=lambda found, failures: None)
    assert len(count.read_text().splitlines()) == 2


def _answering(host: str, change: Callable[[Results], None], received: list[str]) -> SshBoard:
    """A board that answers with results of the kit; those that were acknowledged are in the list."""

    class Answering(SshBoard):
        def measure(self, archive: bytes, accept: Callable[[str], None], *rest: Any) -> None:
            found = timing_results(archive)
            change(found)
            accept(json.dumps(found))
            received.append(host)

    return Answering(host)


def test_boards_keep_their_results_until_those_of_all_are_saved(asked: dict[str, Any]) -> None:
    received: list[str] = []
    boards = [_answering(host, lambda _: None, received) for host in ("a", "b")]

    def accept(found: dict[str, TimingResults], failures: list[DeviceError]) -> list[str]:
        assert received == [] and failures == []
        return list(found)

    assert measure_kits(boards, **asked, accept=accept) == ["a", "b"]
    assert sorted(received) == ["a", "b"]

    def refuse(found: dict[str, TimingResults], failures: list[DeviceError]) -> None:
        raise InputError("the disk is full", "free it")

    received.clear()
    with pytest.raises(InputError, match="the disk is full"):
        measure_kits(boards, **asked, accept=refuse)
    assert received == []


def test_one_board_s_wrong_results_are_its_own_failure(asked: dict[str, Any]) -> None:
    boards = [
        _answering("a", lambda _: None, []),
        _answering("b", lambda results: results.update(retaken=-1), []),
    ]
    found, failures = measure_kits(boards, **asked, accept=lambda found, failures: (found, failures))
    assert list(found) == ["a"]
    assert [str(each) for each in failures] == [
        "b sent what cannot be used (retaken: input should be greater than or equal to 0 (found -1)); "
        "repeat the command"
    ]


def test_odd_results_of_one_board_are_refused_in_one_line(
    results: Results, measured_kit: MeasuredKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(measured_kit.folder)
    device, boards = find_device(BOARD), [SshBoard("a"), SshBoard("b")]
    lacking = copy.deepcopy(results)
    key = next(key for key in results["bursts"] if key.startswith("network/"))
    del lacking["bursts"][key]
    good, bad = KitResults.model_validate(results), KitResults.model_validate(lacking)
    with pytest.raises(DeviceError, match=r"^b sent what cannot be used \(bursts.network/.+ is missing\)"):
        save_fleet(boards, {"a": good, "b": bad}, [], device)
    keys = list(results["bursts"])
    halves = [copy.deepcopy(results) for _ in range(2)]
    for half, gone in zip(halves, (keys[::2], keys[1::2]), strict=True):
        for each in gone:
            del half["bursts"][each]
            half["failed"][each] = "no memory"
    with pytest.raises(DeviceError, match=r"^there is no model that all boards can run"):
        _fleet({"a": halves[0], "b": halves[1]})
    many = copy.deepcopy(results)
    many["bursts"] = {each: bursts * 200 for each, bursts in results["bursts"].items()}
    assert max(map(len, _fleet({"a": many, "b": many}).bursts.values())) <= 1000


def test_facts_of_the_fleet_are_those_of_all_boards(results: Results) -> None:
    other = {**copy.deepcopy(results), "throttle_events": 7}
    assert _fleet({"a": {**results, "throttle_events": 2}, "b": other}).throttle_events == 9
    assert _fleet({"a": {**results, "throttle_events": None}, "b": other}).throttle_events is None
    revised = {**copy.deepcopy(results), "host_description": "Raspberry Pi 5 Model B Rev 1.1, 4 cores"}
    first = {**copy.deepcopy(results), "host_description": "Raspberry Pi 5 Model B Rev 1.0, 4 cores"}
    assert _fleet({"a": first, "b": revised}).boards == {"a": 1.0, "b": 1.0}


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
