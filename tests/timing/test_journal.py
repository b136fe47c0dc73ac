"""Interrupted profiles, against a clock that is a formula."""

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.board import bursts, host
from edgenas.device import Device
from edgenas.errors import DeviceError
from edgenas.latency.predictor import predictor_from_table
from edgenas.latency.table import LatencyTable, journal_path, save_table, tables_of
from edgenas.profiling.block_profiling import ProfileReport, profile
from edgenas.space import SearchSpace, mbconv
from edgenas.timing.journal import MAX_AGE_S

NETWORKS = 6
ROUNDS = 5
Fake = Callable[..., Any]


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rounds whatever the clock says, and no rest in between."""
    monkeypatch.setattr(bursts, "MIN_ROUNDS", ROUNDS)
    monkeypatch.setattr(bursts, "MAX_ROUNDS", ROUNDS)
    monkeypatch.setattr(bursts, "PAUSE_S", 0)


def _figures(table: LatencyTable) -> dict[str, Any]:
    """What was measured, not when."""
    return table.model_dump(
        exclude={"measured_at", "frequency_mhz", "temperature_c", "governor", "throttle_events"}
    )


class Interruption:
    """Ctrl-C at the n-th report of a phase."""

    def __init__(self, phase: str, number: int) -> None:
        self._phase = phase
        self._left = number

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        self._left -= phase == self._phase
        if self._left == 0:
            raise KeyboardInterrupt


def _interrupt(
    space: SearchSpace, device: Device, runtime: Any, number: int, phase: str = "timing", **arguments: Any
) -> Path:
    """Start a profile that is interrupted; its journal."""
    journal = journal_path(device, "a-space")
    with pytest.raises(KeyboardInterrupt):
        profile(
            space,
            device,
            runtime,
            networks=NETWORKS,
            progress=Interruption(phase, number),
            journal=journal,
            **arguments,
        )
    return journal


def _resume(space: SearchSpace, device: Device, runtime: Any, **arguments: Any) -> ProfileReport:
    """Profile on; the journal must be gone afterwards, and nothing else be left."""
    journal = journal_path(device, "a-space")
    report = profile(space, device, runtime, **{"networks": NETWORKS, "journal": journal, **arguments})
    assert not journal.exists()
    assert not journal.parent.is_dir() or not [*journal.parent.glob(f"*{journal.name}*")]
    return report


def _whole(space: SearchSpace, device: Device, fake: Fake, **arguments: Any) -> tuple[LatencyTable, int]:
    """What an uninterrupted profile gives, and how often it times."""
    runtime = fake()
    return profile(space, device, runtime, **{"networks": NETWORKS, **arguments}).table, runtime.timings


def _models(space: SearchSpace) -> int:
    return len(space.blocks_of_any_channels) + NETWORKS + 1


@pytest.mark.parametrize(
    ("rounds", "models"),
    [(0, 1), (0, 30), (1, 1), (2, 44), (3, 46), (ROUNDS - 1, 7)],
    ids=["first", "first round", "second", "third round", "end of a round", "last round"],
)
def test_an_interrupted_profile_goes_on_with_the_rounds_it_lacks(
    space: SearchSpace, device: Device, fake: Fake, rounds: int, models: int
) -> None:
    table, timings = _whole(space, device, fake)
    per_round = _models(space)
    assert models <= per_round == 46
    journal = _interrupt(space, device, fake(), rounds * per_round + models)
    assert journal.exists() == (rounds > 0)
    runtime = fake()
    report = _resume(space, device, runtime)
    # A round times each model once, the sentinel between them and once before.
    assert runtime.timings == timings - rounds * (2 * per_round + 1)
    assert _figures(report.table) == _figures(table)


def test_interrupted_again_and_again_it_still_ends(space: SearchSpace, device: Device, fake: Fake) -> None:
    table, timings = _whole(space, device, fake)
    per_round = _models(space)
    for _ in range(ROUNDS - 1):
        _interrupt(space, device, fake(), per_round + 3)
    runtime = fake()
    assert _figures(_resume(space, device, runtime).table) == _figures(table)
    assert runtime.timings == timings - (ROUNDS - 1) * (2 * per_round + 1)


def test_interrupted_while_loading_there_is_nothing_to_keep(
    space: SearchSpace, device: Device, fake: Fake
) -> None:
    assert not _interrupt(space, device, fake(), 10, "loading models").exists()


def test_interrupted_while_times_are_taken_again_no_round_is_repeated(
    space: SearchSpace, device: Device, fake: Fake
) -> None:
    table, timings = _whole(space, device, fake)
    journal = _interrupt(
        space,
        device,
        fake(slowdown=lambda number: 10.0 if number in range(300, 340) else 1.0),
        5,
        "repeating disturbed timings",
    )
    assert journal.exists()
    runtime = fake()
    report = _resume(space, device, runtime)
    assert 19 <= report.retaken <= 22
    rounds = ROUNDS * (2 * _models(space) + 1)
    assert runtime.timings == timings - rounds + 2 * report.retaken + 1
    assert _figures(report.table) == _figures(table)


@pytest.mark.parametrize("number", [1, 9, 25, 40])
def test_an_interruption_leaves_the_table_as_it_was(
    space: SearchSpace, device: Device, fake: Fake, number: int
) -> None:
    known = profile(mbconv(32, 4), device, fake(), networks=NETWORKS).table
    path = save_table(device, known)
    before = path.read_bytes()
    _interrupt(space, device, fake(), number, known=known)
    assert path.read_bytes() == before
    assert tables_of("cpu") == [path]
    report = _resume(space, device, fake(), known=known)
    save_table(device, report.table)
    assert predictor_from_table(mbconv(32, 4), device, report.table)
    assert len(report.table.entries) == len(space.blocks_of_any_channels) + 1


def test_a_journal_of_other_models_is_ignored(space: SearchSpace, device: Device, fake: Fake) -> None:
    table, timings = _whole(space, device, fake)
    others: list[tuple[SearchSpace, dict[str, Any]]] = [
        (mbconv(32, 4), {}),
        (space, {"seed": 1}),
        (space, {"known": table}),
    ]
    for other, arguments in others:
        assert _interrupt(other, device, fake(), 130 if not arguments.get("known") else 30, **arguments)
        assert journal_path(device, "a-space").exists()
        runtime = fake()
        assert _figures(_resume(space, device, runtime).table) == _figures(table)
        assert runtime.timings == timings
    _interrupt(space, device, fake(), 130)
    runtime = fake()
    assert _figures(_resume(space, device, runtime, networks=7).table) != _figures(table)
    assert runtime.timings > timings


def test_a_journal_of_another_runtime_or_machine_is_ignored(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, timings = _whole(space, device, fake)
    _interrupt(space, device, fake("1.0"), 130)
    runtime = fake("1.1")
    assert _resume(space, device, runtime).table.runtime_version == "1.1"
    assert runtime.timings == timings
    _interrupt(space, device, fake(), 130)
    monkeypatch.setattr(host, "fingerprint", lambda *_: "another")
    runtime = fake()
    assert _resume(space, device, runtime).table.host == "another"
    assert runtime.timings == timings


def _cut(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(share * len(content))]


def _edited(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def edit(content: bytes) -> bytes:
        document = json.loads(content)
        change(document)
        return json.dumps(document).encode()

    return edit


def _each_burst(position: int, value: float) -> Callable[[bytes], bytes]:
    def change(document: dict[str, Any]) -> None:
        for burst in itertools.chain(*document["bursts"].values()):
            burst[position] = value

    return _edited(change)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": _cut(0),
    "one byte": lambda content: content[:1],
    "half": _cut(0.5),
    "nearly whole": _cut(0.999),
    "binary": lambda content: bytes(range(256)),
    "not text": lambda content: content[:100] + b"\xff\xfe" + content[102:],
    "a list": lambda content: b"[]",
    "another document": lambda content: b'{"schema": "edgenas.table/1"}',
    "a model less": _edited(lambda document: document["bursts"].pop("overhead")),
    "a model more": _edited(lambda document: document["bursts"].update(more=[])),
    "a field less": _edited(lambda document: document.pop("machine")),
    "short bursts": _edited(lambda document: document["bursts"]["overhead"][0].pop()),
    "text for a time": _each_burst(0, "fast"),  # type: ignore[arg-type]
    "NaN": _each_burst(0, float("nan")),
    "infinity": _each_burst(4, float("inf")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_journal_is_ignored(
    space: SearchSpace, device: Device, fake: Fake, damage: Callable[[bytes], bytes]
) -> None:
    table, timings = _whole(space, device, fake)
    journal = _interrupt(space, device, fake(), 130)
    journal.write_bytes(damage(journal.read_bytes()))
    runtime = fake()
    assert _figures(_resume(space, device, runtime).table) == _figures(table)
    assert runtime.timings == timings


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "times of zero": _each_burst(0, 0.0),
    "negative times": _each_burst(0, -1.0),
    "no runs": _each_burst(3, 0),
    "sentinel at zero": _each_burst(5, 0.0),
    "one model lacks its rounds": _edited(lambda document: document["bursts"].update(overhead=[])),
    "others lack their rounds": _edited(
        lambda document: document["bursts"].update(
            {key: [] for key in list(document["bursts"])[1:]},
        )
    ),
}


@pytest.mark.parametrize("damage", WRONG.values(), ids=WRONG)
def test_a_journal_of_impossible_figures_is_ignored(
    space: SearchSpace, device: Device, fake: Fake, damage: Callable[[bytes], bytes]
) -> None:
    table, timings = _whole(space, device, fake)
    journal = _interrupt(
        space,
        device,
        fake(slowdown=lambda number: 10.0 if number in range(300, 340) else 1.0),
        1,
        "repeating disturbed timings",
    )
    journal.write_bytes(damage(journal.read_bytes()))
    runtime = fake()
    assert _figures(_resume(space, device, runtime).table) == _figures(table)
    assert runtime.timings == timings


def test_a_journal_of_more_rounds_than_are_made_now_is_used(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of rounds follows from how fast the machine is; it may have become slower meanwhile."""

    def slowdown(number: int) -> float:
        return 1.0 if number % 4 < 2 else 2.0

    _interrupt(space, device, fake(slowdown=slowdown), 1, "repeating disturbed timings")
    monkeypatch.setattr(bursts, "MIN_ROUNDS", 2)
    monkeypatch.setattr(bursts, "MAX_ROUNDS", 2)
    report = _resume(space, device, fake(slowdown=slowdown))
    assert 0 < report.disturbed <= 1


def test_after_a_failed_calibration_times_are_taken_anew(
    space: SearchSpace, device: Device, fake: Fake
) -> None:
    """The message says: profile again on an idle machine. That must then not replay the loud one's times."""
    journal = journal_path(device, "a-space")
    with pytest.raises(DeviceError, match="profile again on an idle machine"):
        profile(space, device, fake(weight_ms=0.0), networks=NETWORKS, journal=journal)
    table, _ = _whole(space, device, fake)
    assert _figures(_resume(space, device, fake()).table) == _figures(table)


def test_without_a_journal_nothing_is_written(
    space: SearchSpace, device: Device, fake: Fake, folders: Path
) -> None:
    profile(space, device, fake(), networks=NETWORKS)
    assert not [path for path in folders.rglob("*") if path.is_file()]


# Against ONNX Runtime.


def test_rounds_of_another_day_are_ignored(space: SearchSpace, device: Device, fake: Fake) -> None:
    table, timings = _whole(space, device, fake)
    journal = _interrupt(space, device, fake(), 2 * _models(space) + 1)
    earlier = journal.stat().st_mtime - MAX_AGE_S - 60
    os.utime(journal, (earlier, earlier))
    runtime = fake()
    assert _figures(_resume(space, device, runtime).table) == _figures(table)
    assert runtime.timings == timings
