"""Energies of a profile of this machine, by a meter that counts as the test says."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.power import CountingMeter

from edgenas.board import bursts, energy
from edgenas.board.power import MeterError, Reading
from edgenas.device import Device
from edgenas.errors import DeviceError
from edgenas.latency.table import LatencyTable
from edgenas.profiling import block_energies
from edgenas.profiling.block_energies import add_energies
from edgenas.profiling.block_profiling import profile
from edgenas.progress import silent
from edgenas.space import SearchSpace

Fake = Callable[..., Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rounds, and no waiting."""
    monkeypatch.setattr(bursts, "MIN_ROUNDS", 3)
    monkeypatch.setattr(bursts, "MAX_ROUNDS", 3)
    monkeypatch.setattr(bursts, "PAUSE_S", 0)
    monkeypatch.setattr(energy, "SETTLE_S", 0.0)
    monkeypatch.setattr(energy, "BURST_S", 1e-3)
    monkeypatch.setattr(energy, "IDLE_S", 0.0)


def _meter(monkeypatch: pytest.MonkeyPatch, meter: CountingMeter) -> None:
    def found(gpu: bool) -> CountingMeter:
        assert not gpu
        return meter

    monkeypatch.setattr(block_energies, "find_meter", found)


def _profile(space: SearchSpace, device: Device, runtime: Any, journal: Path | None = None) -> LatencyTable:
    return profile(space, device, runtime, networks=6, journal=journal).table


def test_energies_of_blocks_are_part_of_the_table(
    small_space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two watts above the idle machine, for the time beyond the overhead of a call."""
    _meter(monkeypatch, CountingMeter(models=energy.GROUP))
    table = _profile(small_space, device, fake())
    keys = [block.key for block in small_space.blocks_of_any_channels]
    assert table.energies.keys() == set(keys)
    first = keys[0]
    ms = table.entries[first].typical_ms
    # The fake runs of a burst take up to a tenth more than the shortest, which is the time of the table.
    assert table.energies[first].mj == pytest.approx(2 * (ms - table.overhead_ms), rel=0.1)
    assert {each.meter for each in table.energies.values()} == {"counting"}


def test_without_a_meter_there_are_none_and_the_log_says_why(
    small_space: SearchSpace, device: Device, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "edgenas"):
        assert _profile(small_space, device, fake()).energies == {}
    assert "power meter: " in caplog.text
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []


class Failing(CountingMeter):
    """Fails at a reading, after those for 16 models."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error, self._left = error, (energy.GROUP + 4) * (energy.BATCHES + 1)

    def read(self) -> Reading:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return super().read()


def test_a_meter_that_is_gone_costs_energies_alone(
    space: SearchSpace,
    device: Device,
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _meter(monkeypatch, Failing(MeterError("the meter is gone")))
    table = _profile(space, device, fake())
    assert len(table.entries) == len(space.blocks_of_any_channels) and table.calibrations
    assert len(table.energies) == energy.GROUP
    assert "the meter is gone: no more energies are measured" in caplog.text


def test_a_runtime_that_dies_ends_the_profile_which_then_goes_on(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever it is asked for after that, such as fragments, would fail and be missing without a word."""
    journal = tmp_path / "unfinished"
    _meter(monkeypatch, Failing(DeviceError("the runtime died", "try again")))
    with pytest.raises(DeviceError, match="the runtime died"):
        _profile(space, device, fake(), journal)
    assert journal.is_file()


def test_an_interrupted_profile_goes_on_with_the_energies_it_lacks(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    journal = tmp_path / "unfinished"
    _meter(monkeypatch, Failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        _profile(space, device, fake(), journal)
    measured: list[str] = []
    take = block_energies.take_energies

    def counted(meter: Any, sessions: Any, energies: Any, commit: Any, progress: Any) -> list[str]:
        measured.extend(key for key in sessions if key not in energies)
        return take(meter, sessions, energies, commit, progress)

    monkeypatch.setattr(block_energies, "take_energies", counted)
    _meter(monkeypatch, CountingMeter(models=energy.GROUP))
    table = _profile(space, device, fake(), journal)
    assert len(measured) == len(space.blocks_of_any_channels) - energy.GROUP
    assert table.energies.keys() == table.entries.keys() and not journal.exists()


def test_less_than_nothing_is_told(
    small_space: SearchSpace,
    device: Device,
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _meter(monkeypatch, CountingMeter(2.0, 3.0, models=1))
    (session,) = (fake().load(model, {}) for model in [_model()])
    energies: energy.Energies = {}
    add_energies({"a": session}, device, energies, lambda: None, silent)
    assert energies == {}
    assert (
        "1 energies that cannot be right are left out, such as that of a; close other programs" in caplog.text
    )


def _model() -> bytes:
    from edgenas.timing.loaded_models import empty_model

    return empty_model().SerializeToString()
