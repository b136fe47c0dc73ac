"""What a table records of the machine: its state at the end, and what changed meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.board.conditions import Condition
from edgenas.board.host import HostState
from edgenas.device import Device
from edgenas.latency.table import LatencyTable
from edgenas.profiling import machine_facts as module
from edgenas.profiling.block_profiling import profile
from edgenas.profiling.machine_facts import MachineState, facts_here
from edgenas.space import SearchSpace

STEADY = [Condition("throttling", "none now")]
THROTTLED = [Condition("throttling", "throttling", "cool the board")]
CHANGE = "throttling: throttling (before: none now); cool the board"


def _state(events: int | None, conditions: list[Condition]) -> MachineState:
    return MachineState(HostState("performance", 2400.0, 50.0, 0.1, events), conditions)


@pytest.mark.parametrize(
    ("before", "after", "events"), [(3, 5, 2), (5, 3, 0), (None, 5, None), (3, None, None)]
)
def test_throttling_is_counted_from_before_to_after(
    before: int | None,
    after: int | None,
    events: int | None,
    device: Device,
    fake: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "machine_state", lambda _: _state(after, STEADY))
    found = facts_here(device, fake(), _state(before, STEADY))
    assert (found.throttle_events, found.changed) == (events, ())
    assert (found.governor, found.frequency_mhz, found.temperature_c) == ("performance", 2400.0, 50.0)


def test_what_changed_is_kept_and_marks_the_entries_until_they_are_timed_again(
    space: SearchSpace, device: Device, fake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [_state(0, STEADY), _state(0, THROTTLED)]
    monkeypatch.setattr("edgenas.profiling.block_profiling.machine_state", lambda _: states[0])
    monkeypatch.setattr(module, "machine_state", lambda _: states[-1])
    table = profile(space, device, fake(), networks=12).table
    assert table.changed == (CHANGE,)
    assert all(entry.unstable for entry in table.entries.values())
    assert LatencyTable.model_validate_json(table.model_dump_json()) == table

    states[1] = states[0]
    again = profile(space, device, fake(), table, networks=12)
    assert again.measured_blocks == len(table.entries)
    assert again.table.changed == () and not any(entry.unstable for entry in again.table.entries.values())
    unmarked = again.table.model_copy(update={"changed": ()})
    assert unmarked.content_checksum() == again.table.content_checksum()
