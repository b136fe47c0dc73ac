"""Profiling against a clock that is a formula; for its structure only, against ONNX Runtime."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.board import bursts, host
from edgenas.device import Device, find_device, runtime_for
from edgenas.errors import DeviceError, IncompleteTableError
from edgenas.formats import read_json
from edgenas.fragments import drawing
from edgenas.latency.calibration_networks import informative_networks
from edgenas.latency.predictor import predictor_from_table
from edgenas.latency.table import (
    LatencyTable,
    find_table,
    journal_path,
    save_table,
    table_from_json,
    tables_of,
)
from edgenas.onnx_latency import fragment_timing
from edgenas.profiling import block_profiling
from edgenas.profiling.block_profiling import profile
from edgenas.profiling.machine_facts import machine_text
from edgenas.space import Layout, MBConvSpace, SearchSpace, mbconv
from edgenas.timing import measuring
from edgenas.timing.journal import Journal
from edgenas.timing.loaded_models import load_blocks
from edgenas.vocabulary import Precision

NETWORKS = 6
ROUNDS = 5
Fake = Callable[..., Any]


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rounds whatever the clock says, and no rest in between."""
    monkeypatch.setattr(bursts, "MIN_ROUNDS", ROUNDS)
    monkeypatch.setattr(bursts, "MAX_ROUNDS", ROUNDS)
    monkeypatch.setattr(bursts, "PAUSE_S", 0)


def _noisy(number: int) -> float:
    """Steps of 14 %, too small to count as disturbed."""
    return float(np.random.default_rng(number).choice([1.0, 1.14]))


def _figures(table: LatencyTable) -> dict[str, Any]:
    """What was measured, not when."""
    return table.model_dump(
        exclude={"measured_at", "frequency_mhz", "temperature_c", "governor", "throttle_events"}
    )


def test_every_block_is_timed_once(space: SearchSpace, device: Device, fake: Fake) -> None:
    runtime = fake()
    report = profile(space, device, runtime, networks=NETWORKS)
    blocks = len(space.blocks_of_any_channels)
    assert (report.measured_blocks, report.calibration_networks) == (blocks, NETWORKS)
    assert (report.retaken, report.disturbed) == (0, 0)
    assert set(report.table.entries) == {block.key for block in space.blocks_of_any_channels}
    # Two models more: the one that does nothing, for the overhead, and the sentinel.
    assert len(runtime.loaded) == blocks + NETWORKS + 2
    assert runtime.loaded.count(1) == 1


def test_only_missing_blocks_are_timed(space: SearchSpace, device: Device, fake: Fake) -> None:
    known = profile(space, device, fake(), networks=NETWORKS).table
    gone = [block.key for block in space.distinct_blocks[3:6]]
    rest = {key: entry for key, entry in known.entries.items() if key not in gone}
    runtime = fake()
    report = profile(space, device, runtime, known.model_copy(update={"entries": rest}), NETWORKS)
    assert report.measured_blocks == 3
    assert len(runtime.loaded) == 3 + NETWORKS + 2
    assert {key: report.table.entries[key] for key in rest} == rest
    assert set(report.table.entries) == set(known.entries)


def test_a_complete_table_only_needs_the_calibration(space: SearchSpace, device: Device, fake: Fake) -> None:
    known = profile(space, device, fake(), networks=NETWORKS).table
    assert profile(space, device, fake(), known, NETWORKS).measured_blocks == 0


def test_changes_are_what_was_measured_now(space: SearchSpace, device: Device, fake: Fake) -> None:
    first = profile(space, device, fake(), networks=NETWORKS)
    assert first.changes == first.table
    other = mbconv(32, 4)
    report = profile(other, device, fake(), first.table, NETWORKS)
    assert set(report.changes.entries) == {other.distinct_blocks[-1].key}
    assert set(report.changes.calibrations) == {each.signature for each in other.of_any_channels}
    left_out = {"entries", "calibrations"}
    assert report.changes.model_dump(exclude=left_out) == report.table.model_dump(exclude=left_out)
    for each in (first, report):
        save_table(device, each.changes)
    found = find_table(device)
    assert found is not None
    assert (found[1].entries, found[1].calibrations) == (report.table.entries, report.table.calibrations)


def test_unstable_entries_are_timed_again(space: SearchSpace, device: Device, fake: Fake) -> None:
    known = profile(space, device, fake(), networks=NETWORKS).table
    doubtful = {block.key for block in space.distinct_blocks[2:6]}
    entries = {
        key: entry.model_copy(update={"unstable": key in doubtful, "typical_ms": 2 * entry.typical_ms})
        for key, entry in known.entries.items()
    }
    report = profile(space, device, fake(), known.model_copy(update={"entries": entries}), NETWORKS)
    assert report.measured_blocks == len(doubtful)
    for key, entry in report.table.entries.items():
        assert entry == (known.entries if key in doubtful else entries)[key]
    assert profile(space, device, fake(), report.table, NETWORKS).measured_blocks == 0


def test_a_noisy_machine_is_recorded_and_fixed_later(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bursts, "MAX_ROUNDS", 25)
    monkeypatch.setattr(bursts, "MIN_ROUNDS", 25)
    table = profile(space, device, fake(slowdown=_noisy), networks=NETWORKS).table
    unstable = [key for key, entry in table.entries.items() if entry.unstable]
    assert len(unstable) > 0.8 * len(table.entries)
    report = profile(space, device, fake(), table, NETWORKS)
    assert report.measured_blocks == len(unstable)
    assert not any(entry.unstable for entry in report.table.entries.values())


def test_another_space_keeps_the_first_ones_figures(space: SearchSpace, device: Device, fake: Fake) -> None:
    known = profile(space, device, fake(), networks=NETWORKS).table
    other = mbconv(32, 4)
    report = profile(other, device, fake(), known, NETWORKS)
    # The spaces differ in the head alone.
    assert report.measured_blocks == 1
    signatures = {each.signature for every in (space, other) for each in every.of_any_channels}
    assert set(report.table.calibrations) == signatures
    assert report.table.calibrations[space.signature] == known.calibrations[space.signature]
    for each in (space, other):
        predictor_from_table(each, device, report.table)


def test_another_runtime_version_starts_afresh(space: SearchSpace, device: Device, fake: Fake) -> None:
    known = profile(mbconv(32, 4), device, fake("1.0"), networks=NETWORKS).table
    report = profile(space, device, fake("1.1"), known, NETWORKS)
    assert report.measured_blocks == len(space.blocks_of_any_channels)
    assert set(report.table.entries) == {block.key for block in space.blocks_of_any_channels}
    assert set(report.table.calibrations) == {each.signature for each in space.of_any_channels}
    assert report.table.runtime_version == "1.1"


def test_entries_hold_the_clocks_figures(space: SearchSpace, device: Device, fake: Fake) -> None:
    table = profile(space, device, fake(overhead_ms=0.25), networks=NETWORKS).table
    assert table.overhead_ms == pytest.approx(0.25)
    assert table.sentinel_ms > 0.25
    assert table.disturbed == 0
    for entry in table.entries.values():
        assert entry.min_ms > 0.25
        assert entry.typical_ms == pytest.approx(entry.min_ms)
        assert entry.min_ms <= entry.p50_ms <= entry.p90_ms <= entry.min_ms * 1.1 + 1e-12
        assert entry.spread == pytest.approx(entry.p90_ms / entry.min_ms - 1)
        assert entry.n >= ROUNDS * bursts.MIN_CALLS
        assert not entry.unstable


@pytest.mark.parametrize(
    ("overhead_ms", "slope", "constant_ms"), [(0.5, 0.9, 0.2), (0.001, 1.0, 0.0), (2.0, 1.3, 0.05)]
)
def test_overhead_is_taken_off_and_the_line_recovered(
    space: SearchSpace, device: Device, fake: Fake, overhead_ms: float, slope: float, constant_ms: float
) -> None:
    runtime = fake(overhead_ms=overhead_ms, slope=slope, constant_ms=constant_ms)
    table = profile(space, device, runtime).table
    calibration = table.calibrations[space.signature]
    assert calibration.overhead_ms == table.overhead_ms == pytest.approx(overhead_ms)
    assert calibration.slope == pytest.approx(slope, rel=0.01)
    # What a whole network costs beside its blocks: one call, and the constant.
    assert calibration.intercept_ms == pytest.approx(overhead_ms + constant_ms, abs=0.02 * slope + 0.01)
    assert max(map(abs, calibration.residuals)) < 0.01


def test_prediction_of_unseen_networks(space: SearchSpace, device: Device, fake: Fake) -> None:
    runtime = fake()
    table = profile(space, device, runtime, networks=NETWORKS).table
    predictor = predictor_from_table(space, device, table)
    rng = np.random.default_rng(99)
    for _ in range(20):
        architecture = space.sample(rng)
        session = load_blocks(space.blocks(architecture), 1, runtime)
        measured_ms = float(session.time_ms(1)[0])
        assert predictor.predict(architecture).predicted == pytest.approx(measured_ms, rel=0.01)


def test_noise_on_whole_networks_widens_the_interval(space: SearchSpace, device: Device, fake: Fake) -> None:
    quiet = profile(space, device, fake()).table
    noisy = profile(space, device, fake(disturbance=lambda number: 1 + 0.1 * (-1) ** number)).table
    widths = []
    for table in (quiet, noisy):
        latency = predictor_from_table(space, device, table).predict(space.sample(np.random.default_rng(0)))
        widths.append((latency.high - latency.low) / latency.predicted)
    assert widths[0] < 0.02 < 0.05 < widths[1]


def test_a_machine_that_changes_over_time_widens_the_interval(
    space: SearchSpace, device: Device, fake: Fake
) -> None:
    """A tenth slower in the second half: too little to be disturbed, but another day may be as far off."""
    quiet = fake()
    steady = profile(space, device, quiet).table
    drifting = profile(
        space, device, fake(slowdown=lambda number: 1.1 if 2 * number > quiet.timings else 1.0)
    ).table
    assert (steady.disturbed, drifting.disturbed) == (0, 0)
    widths = []
    for table in (steady, drifting):
        latency = predictor_from_table(space, device, table).predict(space.sample(np.random.default_rng(0)))
        widths.append((latency.high - latency.low) / latency.predicted)
    assert widths[0] < 0.02 < 0.05 < widths[1]


def test_a_slow_moment_hits_no_figure(space: SearchSpace, device: Device, fake: Fake) -> None:
    quiet = profile(space, device, fake(), networks=NETWORKS)
    slow = range(300, 360)  # thirty bursts and the sentinel's readings around them, amid the rounds
    report = profile(
        space, device, fake(slowdown=lambda number: 10.0 if number in slow else 1.0), networks=NETWORKS
    )
    assert 29 <= report.retaken <= 32
    assert report.disturbed == report.table.disturbed == 0
    assert _figures(report.table) == _figures(quiet.table)


def test_a_machine_that_stays_uneasy_is_recorded(space: SearchSpace, device: Device, fake: Fake) -> None:
    report = profile(
        space, device, fake(slowdown=lambda number: 2.0 if number % 10 < 5 else 1.0), networks=NETWORKS
    )
    assert report.retaken > 0
    assert 0.2 < report.disturbed == report.table.disturbed <= 1


def test_table_says_how_it_was_measured(space: SearchSpace, device: Device, fake: Fake) -> None:
    runtime = fake()
    runtime.cores = (1, 3)
    table = profile(space, device, runtime, networks=NETWORKS).table
    assert (table.device, table.precision, table.power_mode) == ("cpu", "fp32", device.power_mode)
    assert (table.runtime, table.runtime_version, table.provider) == (
        "onnxruntime",
        "1.0",
        "CPUExecutionProvider",
    )
    assert (table.threads, table.batch) == (1, 1)
    assert table.cores == (1, 3)
    assert table.host == host.fingerprint()
    assert table.measured_at.endswith("+00:00")


def test_rounds_of_another_power_mode_are_not_taken_over(device: Device, fake: Fake) -> None:
    slow = device.model_copy(update={"power_mode": "slow"})
    assert machine_text(device, fake()) == machine_text(device, fake()) != machine_text(slow, fake())


POINTS: list[dict[str, Any]] = [
    {},
    {"precision": "fp16"},
    {"precision": "int8"},
    {"threads": 2},
    {"batch": 4},
    {"precision": "int8", "threads": 2, "batch": 8},
]


def test_every_operating_point_has_a_table_of_its_own(space: SearchSpace, fake: Fake) -> None:
    paths = []
    for i, point in enumerate(POINTS):
        device = find_device("cpu", **point)
        assert find_table(device) is None
        report = profile(space, device, fake(overhead_ms=i + 1), networks=3)
        paths.append(save_table(device, report.table))
    assert len(set(paths)) == len(POINTS)
    assert len({journal_path(find_device("cpu", **point), "a-space") for point in POINTS}) == len(POINTS)
    assert sorted(paths) == tables_of("cpu")
    for i, point in enumerate(POINTS):
        found = find_table(find_device("cpu", **point))
        assert found is not None and found[0] == paths[i]
        table = found[1]
        expected = {"precision": "fp32", "threads": 1, "batch": 1, **point}
        assert {field: getattr(table, field) for field in expected} == expected
        assert table.overhead_ms == pytest.approx(i + 1)


def test_same_seed_same_table(space: SearchSpace, device: Device, fake: Fake) -> None:
    tables = [profile(space, device, fake(), networks=NETWORKS, seed=seed).table for seed in (3, 3, 4)]
    figures = [_figures(table) for table in tables]
    assert figures[0] == figures[1]
    assert figures[0]["calibrations"] != figures[2]["calibrations"]
    assert figures[0]["entries"] == figures[2]["entries"]


def test_calibration_networks_are_recorded(space: SearchSpace, device: Device, fake: Fake) -> None:
    table = profile(space, device, fake(), networks=NETWORKS, seed=9).table
    chosen = informative_networks(space, device, NETWORKS, seed=9)
    assert table.calibrations[space.signature].networks == tuple(each.id for each in chosen)


def test_progress_rises_to_its_total(space: SearchSpace, device: Device, fake: Fake) -> None:
    seen: dict[str, list[tuple[float, float]]] = {}
    profile(
        space,
        device,
        fake(),
        networks=NETWORKS,
        progress=lambda phase, done, total, detail="": seen.setdefault(phase, []).append((done, total)),
    )
    assert list(seen) == ["loading models", "timing"]
    for reports in seen.values():
        done = [each for each, _ in reports]
        assert done == sorted(done)
        assert len({total for _, total in reports}) == 1
        assert (done[0], done[-1]) == (0, reports[-1][1])


@pytest.mark.parametrize("networks", [1, 2])
def test_too_few_networks_are_refused_before_anything_is_timed(
    space: SearchSpace, device: Device, fake: Fake, networks: int
) -> None:
    runtime = fake()
    with pytest.raises(
        DeviceError, match=rf"^{networks} networks cannot calibrate a table; use --networks 3 or more$"
    ):
        profile(space, device, runtime, networks=networks)
    assert runtime.loaded == []


@pytest.mark.parametrize("batch", [1, 4])
def test_batch_reaches_the_feeds(
    space: SearchSpace, fake: Fake, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []
    runtime = fake()
    load = runtime.load

    def record(model: bytes, feeds: Any) -> Any:
        shapes.append(feeds["input"].shape[0])
        return load(model, feeds)

    monkeypatch.setattr(runtime, "load", record)
    report = profile(space, find_device("cpu", batch=batch), runtime, networks=NETWORKS)
    assert report.table.batch == batch
    # The empty model first and the sentinel last are the same at every batch.
    assert shapes == [1, *[batch] * (len(space.blocks_of_any_channels) + NETWORKS), 1]


def test_a_runtime_that_cannot_run_a_block(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = fake()

    def refuse(*_: object) -> None:
        raise DeviceError("cannot load the model", "update it")

    monkeypatch.setattr(runtime, "load", refuse)
    with pytest.raises(DeviceError, match=r"^cannot load the model; update it$"):
        profile(space, device, runtime)


def test_blocks_that_cost_nothing(space: SearchSpace, device: Device, fake: Fake) -> None:
    with pytest.raises(DeviceError, match=r"^blocks took no longer than an empty call; profile again"):
        profile(space, device, fake(weight_ms=0.0), networks=NETWORKS)


def _tiny_layout() -> MBConvSpace:
    stages = [{"channels": 8, "depth": 2, "stride": 2, "squeeze_excite": 4}]
    fields = {
        "resolution": 16,
        "classes": 3,
        "stem_channels": 8,
        "stem_stride": 1,
        "head_channels": 32,
        "kernels": [3, 5],
        "expansions": [2],
    }
    return MBConvSpace(Layout.model_validate({**fields, "stages": stages}))


@pytest.mark.parametrize(
    ("precision", "threads", "batch"), [("fp32", 1, 1), ("fp16", 1, 1), ("int8", 1, 1), ("fp32", 2, 3)]
)
def test_real_profile_has_the_right_structure(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, threads: int, batch: int
) -> None:
    monkeypatch.setattr(bursts, "BURST_MS", 0.2)
    space, device = _tiny_layout(), find_device("cpu", threads, precision, batch)
    runtime = runtime_for(device)
    report = profile(space, device, runtime, networks=4, journal=journal_path(device, "a-space"))
    path = save_table(device, report.table)
    found = find_table(device)
    assert found is not None and found[0] == path
    table: LatencyTable = found[1]
    assert set(table.entries) == {block.key for block in space.blocks_of_any_channels}
    assert all(entry.min_ms > 0 and entry.n >= bursts.MIN_CALLS for entry in table.entries.values())
    assert table.overhead_ms > 0 and table.sentinel_ms > 0
    assert len(table.calibrations[space.signature].residuals) == report.calibration_networks == 4
    assert table.runtime_version == runtime.version
    assert (table.precision, table.threads, table.batch) == (precision, threads, batch)
    if hasattr(os, "sched_setaffinity"):
        assert len(set(table.cores)) == min(threads, host.cores())
    latency = predictor_from_table(space, device, table).predict(space.sample(np.random.default_rng(0)))
    assert latency.low <= latency.predicted <= latency.high
    assert latency.provenance == "measured"
    assert [each.name for each in path.parent.iterdir() if not each.name.startswith(".")] == [path.name]
    assert block_profiling.profile(space, device, runtime, table, 4).measured_blocks == sum(
        entry.unstable for entry in table.entries.values()
    )


def test_a_third_of_many_networks_is_random_and_judges(
    space: SearchSpace, device: Device, fake: Fake
) -> None:
    few = profile(space, device, fake(), networks=20).table.calibrations[space.signature]
    many = profile(space, device, fake(), networks=40).table.calibrations[space.signature]
    assert (len(few.networks), len(few.residuals)) == (20, 20)
    assert (len(many.networks), len(many.residuals)) == (40, 12)


def test_fragments_of_other_networks_are_timed_once(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "COUNT", 8)
    monkeypatch.setattr(fragment_timing, "RUNS", 1)
    monkeypatch.setattr(drawing, "FURTHER", 0)
    runtime = fake()
    first = profile(space, device, runtime, networks=NETWORKS)
    assert first.changes.fragments is not None
    assert len(first.changes.fragments.times) == 8
    assert len(runtime.loaded) == len(space.blocks_of_any_channels) + NETWORKS + 2 + 8 + 2
    again = profile(space, device, fake(), first.table, NETWORKS)
    assert again.changes.fragments is None
    assert again.table.fragments == first.table.fragments
    other = profile(space, device, fake("2.0"), first.table, NETWORKS)
    assert other.changes.fragments is not None
    old = first.table.fragments
    assert old is not None
    earlier = first.table.model_copy(update={"fragments": old.model_copy(update={"channel_block": 8})})
    anew = profile(space, device, fake(), earlier, NETWORKS).table.fragments
    assert anew is not None and (anew.times, anew.is_of_earlier_version) == (old.times, False)


@pytest.mark.parametrize("pace", [1 / 1.3, 1.1, 1.3])
@pytest.mark.parametrize("dated", [False, True], ids=["of an earlier version", "dated"])
def test_fragments_hold_as_long_as_the_machine_keeps_its_pace(
    space: SearchSpace,
    device: Device,
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pace: float,
    dated: bool,
) -> None:
    monkeypatch.setattr(drawing, "COUNT", 8)
    monkeypatch.setattr(fragment_timing, "RUNS", 1)
    known = profile(space, device, fake(), networks=NETWORKS).table
    old = known.fragments
    assert old is not None
    date = "2026-01-01T00:00:00+00:00" if dated else None
    old = old.model_copy(update={"measured_at": date, "sentinel_ms": old.sentinel_ms if dated else None})
    known = known.model_copy(update={"fragments": old})
    found = profile(space, device, fake(slowdown=lambda number: pace), known, NETWORKS).table.fragments
    assert found is not None
    if pace == 1.1:
        assert found == old and not caplog.messages
        return
    assert found.times != old.times and found.measured_at not in (None, date)
    speed = "30% slower" if pace > 1 else "30% faster"
    when = f" ({date})" if dated else ""
    assert (
        f"cpu is {speed} than when fragments of networks were timed on it{when}: they are timed again"
        in caplog.messages
    )


def test_fragments_keep_their_date_in_a_table_that_grows(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "COUNT", 8)
    monkeypatch.setattr(fragment_timing, "RUNS", 1)
    first = profile(space, device, fake(), networks=NETWORKS).table
    assert first.fragments is not None
    old = first.fragments.model_copy(update={"measured_at": "2026-01-01T00:00:00+00:00"})
    save_table(device, first.model_copy(update={"fragments": old}))
    found = find_table(device)
    assert found is not None
    path = save_table(device, profile(mbconv(32, 4), device, fake(), found[1], NETWORKS).changes)
    grown = table_from_json(path)
    assert grown.fragments == old and grown.measured_at > "2026-01-02"


def test_interrupted_in_the_fragments_it_goes_on_with_the_blocks_times(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    journal = tmp_path / "journal"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(block_profiling, "timed_fragments", interrupted)
        profile(space, device, fake(), networks=NETWORKS, journal=journal)
    kept = read_json(journal, Journal)
    shape_nodes = []
    with monkeypatch.context() as patch:
        patch.setattr(
            block_profiling,
            "measure",
            lambda *args, **_: shape_nodes.append(args[3]) or measuring.measure(*args),
        )
        profile(space, device, fake(), networks=NETWORKS, journal=journal)
    assert shape_nodes == [kept.bursts]
    assert not journal.exists()


def test_interrupted_in_the_fragments_it_goes_on_with_theirs_too(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(drawing, "COUNT", 8)
    monkeypatch.setattr(fragment_timing, "RUNS", 1)
    monkeypatch.setattr(drawing, "FURTHER", 0)
    whole = fake()
    table = profile(space, device, whole, networks=NETWORKS).table
    loaded_of_fragments = False

    def stop(phase: str, done: float, total: float, detail: str = "") -> None:
        nonlocal loaded_of_fragments
        loaded_of_fragments |= phase == "loading fragments of networks"
        if loaded_of_fragments and phase == "timing" and done == total:
            raise KeyboardInterrupt

    journal = tmp_path / "table.unfinished"
    with pytest.raises(KeyboardInterrupt):
        profile(space, device, fake(), networks=NETWORKS, journal=journal, progress=stop)
    assert {path.name for path in tmp_path.iterdir()} == {journal.name, "table.fragments.unfinished"}
    resumed = fake()
    found = profile(space, device, resumed, networks=NETWORKS, journal=journal).table
    assert found.fragments is not None and table.fragments is not None
    assert found.fragments.times == table.fragments.times
    assert 5 * resumed.timings < whole.timings  # to warm up
    assert not [*tmp_path.iterdir()]


def test_a_table_serves_grey_images_too(space: SearchSpace, device: Device, fake: Fake) -> None:
    table = profile(space, device, fake(), networks=NETWORKS).table
    grey = space.with_channels(1)
    assert grey is not None and {"stem/k3/s1/relu6/1-16/32x32", "stem/k3/s1/relu6/3-16/32x32"} <= set(
        table.entries
    )
    own, other = (predictor_from_table(each, device, table) for each in (space, grey))
    assert other.provenance == own.provenance == "measured" and not other.interpolated
    stem_ms = {key: each.typical_ms for key, each in table.entries.items() if key.startswith("stem/")}
    saved = stem_ms["stem/k3/s1/relu6/3-16/32x32"] - stem_ms["stem/k3/s1/relu6/1-16/32x32"]
    for architecture in (space.smallest, space.largest):
        found = own.predict(architecture).predicted - other.predict(architecture).predicted
        assert found == pytest.approx(saved, rel=0.2) and found > 0


def test_a_grey_space_makes_the_same_table(space: SearchSpace, device: Device, fake: Fake) -> None:
    grey = space.with_channels(1)
    assert grey is not None
    table = profile(grey, device, fake(), networks=NETWORKS).table
    assert set(table.entries) == {block.key for block in space.blocks_of_any_channels}
    assert predictor_from_table(space, device, table).provenance == "measured"


def test_a_table_of_an_earlier_version_gets_the_grey_stem(
    space: SearchSpace, device: Device, fake: Fake
) -> None:
    known = profile(space, device, fake(), networks=NETWORKS).table
    grey = space.with_channels(1)
    assert grey is not None
    stem = grey.fixed_blocks[0].key
    earlier = known.model_copy(
        update={
            "entries": {key: each for key, each in known.entries.items() if key != stem},
            "calibrations": {space.signature: known.calibrations[space.signature]},
        }
    )
    with pytest.raises(
        IncompleteTableError, match=rf"lacks 1 block, such as {stem}; add them: edgenas profile"
    ):
        predictor_from_table(grey, device, earlier)
    assert predictor_from_table(grey, device, earlier, "interpolate").interpolated == (stem,)
    report = profile(space, device, fake(), earlier, NETWORKS)
    assert report.measured_blocks == 1
    assert predictor_from_table(grey, device, report.table).provenance == "measured"


def test_a_space_without_grey_networks_is_timed_as_it_is(device: Device, fake: Fake) -> None:
    space = _OfRGBAlone(mbconv(32, 10).layout)
    table = profile(space, device, fake(), networks=NETWORKS).table
    assert set(table.entries) == {block.key for block in space.distinct_blocks}
    assert set(table.calibrations) == {space.signature}


class _OfRGBAlone(MBConvSpace):
    def config(self) -> dict[str, Any]:
        return {key: value for key, value in super().config().items() if key != "in_channels"}
