"""Profiling against a clock that is a formula; once, for its structure only, against ONNX Runtime."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgenas.device import Device, host
from edgenas.device.onnx_runtime import OnnxRuntime
from edgenas.errors import DeviceError
from edgenas.latency import profiling
from edgenas.latency.predictor import predictor_from_table
from edgenas.latency.profiling import interleaved_samples, profile
from edgenas.latency.table import LatencyTable, find_table, save_table
from edgenas.space import Layout, MBConvSpace, SearchSpace, mbconv

NETWORKS = 10
Fake = Callable[..., Any]


def test_every_block_is_timed_once(space: SearchSpace, device: Device, fake: Fake) -> None:
    runtime = fake()
    report = profile(space, device, runtime)
    blocks = len(space.distinct_blocks)
    assert (report.measured_blocks, report.calibration_networks) == (blocks, NETWORKS)
    assert set(report.table.entries) == {block.key for block in space.distinct_blocks}
    # One model more: the one that does nothing, for the overhead.
    assert len(runtime.loaded) == blocks + NETWORKS + 1
    assert runtime.loaded.count(1) == 1


def test_only_missing_blocks_are_timed(space: SearchSpace, device: Device, fake: Fake) -> None:
    known = profile(space, device, fake()).table
    gone = [block.key for block in space.distinct_blocks[3:6]]
    rest = {key: entry for key, entry in known.entries.items() if key not in gone}
    runtime = fake()
    report = profile(space, device, runtime, known.model_copy(update={"entries": rest}))
    assert report.measured_blocks == 3
    assert len(runtime.loaded) == 3 + NETWORKS + 1
    assert {key: report.table.entries[key] for key in rest} == rest
    assert set(report.table.entries) == set(known.entries)


def test_a_complete_table_only_needs_the_calibration(space: SearchSpace, device: Device, fake: Fake) -> None:
    known = profile(space, device, fake()).table
    assert profile(space, device, fake(), known).measured_blocks == 0


def test_another_space_keeps_the_first_ones_figures(space: SearchSpace, device: Device, fake: Fake) -> None:
    known = profile(space, device, fake()).table
    other = mbconv(16, 4)
    report = profile(other, device, fake(), known)
    # The spaces differ in the head alone.
    assert report.measured_blocks == 1
    assert set(report.table.calibrations) == {space.signature, other.signature}
    assert report.table.calibrations[space.signature] == known.calibrations[space.signature]
    for each in (space, other):
        predictor_from_table(each, device, report.table)


def test_another_runtime_version_starts_afresh(space: SearchSpace, device: Device, fake: Fake) -> None:
    known = profile(mbconv(16, 4), device, fake("1.0")).table
    report = profile(space, device, fake("1.1"), known)
    assert report.measured_blocks == len(space.distinct_blocks)
    assert set(report.table.entries) == {block.key for block in space.distinct_blocks}
    assert set(report.table.calibrations) == {space.signature}
    assert report.table.runtime_version == "1.1"


def test_entries_hold_the_clocks_figures(space: SearchSpace, device: Device, fake: Fake) -> None:
    table = profile(space, device, fake(overhead_ms=0.25)).table
    assert table.overhead_ms == pytest.approx(0.25)
    for entry in table.entries.values():
        assert entry.min_ms > 0.25
        assert entry.min_ms <= entry.p50_ms <= entry.p90_ms <= entry.min_ms * 1.1 + 1e-12
        assert entry.spread == pytest.approx(entry.p90_ms / entry.min_ms - 1)
        assert entry.n >= 2 * profiling.PASSES
        assert not entry.unstable


@pytest.mark.parametrize(
    ("overhead_ms", "slope", "constant_ms"), [(0.5, 0.9, 0.2), (0.0, 1.0, 0.0), (2.0, 1.3, 0.05)]
)
def test_overhead_is_taken_off_and_the_line_recovered(
    space: SearchSpace, device: Device, fake: Fake, overhead_ms: float, slope: float, constant_ms: float
) -> None:
    runtime = fake(overhead_ms=overhead_ms + 1e-3, slope=slope, constant_ms=constant_ms)
    table = profile(space, device, runtime).table
    calibration = table.calibrations[space.signature]
    assert calibration.slope == pytest.approx(slope, rel=0.01)
    # What a whole network costs beside its blocks: one call, and the constant.
    assert calibration.intercept_ms == pytest.approx(
        overhead_ms + 1e-3 + constant_ms, abs=0.02 * slope + 0.01
    )
    assert max(map(abs, calibration.residuals)) < 0.01


def test_prediction_of_unseen_networks(space: SearchSpace, device: Device, fake: Fake) -> None:
    runtime = fake()
    predictor = predictor_from_table(space, device, profile(space, device, runtime).table)
    rng = np.random.default_rng(99)
    for _ in range(20):
        architecture = space.sample(rng)
        session = profiling._session(space.blocks(architecture), 1, runtime, 0)
        measured_ms = float(session.time_ms(1)[0])
        assert predictor.predict(architecture).predicted_ms == pytest.approx(measured_ms, rel=0.01)


def test_noise_on_whole_networks_widens_the_interval(space: SearchSpace, device: Device, fake: Fake) -> None:
    quiet = profile(space, device, fake()).table
    noisy = profile(space, device, fake(disturbance=lambda number: 1 + 0.1 * (-1) ** number)).table
    widths = []
    for table in (quiet, noisy):
        latency = predictor_from_table(space, device, table).predict(space.sample(np.random.default_rng(0)))
        widths.append((latency.high_ms - latency.low_ms) / latency.predicted_ms)
    assert widths[0] < 0.02 < 0.1 < widths[1]


def test_a_restless_machine_is_recorded(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    restless = np.array([1.0, 1.6, 1.7, 2.0])
    monkeypatch.setattr(profiling, "_timed", lambda session, _: session.time_ms(1) * restless)
    table = profile(space, device, fake()).table
    assert all(entry.unstable for entry in table.entries.values())


def test_a_slow_moment_hits_no_figure(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet, turns = profile(space, device, fake()).table, itertools.count()
    monkeypatch.setattr(
        profiling, "_timed", lambda session, _: session.time_ms(2) * (10 if next(turns) < 30 else 1)
    )
    table = profile(space, device, fake()).table
    assert table.overhead_ms == pytest.approx(quiet.overhead_ms)
    for key, entry in table.entries.items():
        assert entry.min_ms == pytest.approx(quiet.entries[key].min_ms)


def test_table_says_how_it_was_measured(space: SearchSpace, device: Device, fake: Fake) -> None:
    table = profile(space, device, fake()).table
    assert (table.device, table.precision, table.power_mode) == ("cpu", "fp32", device.power_mode)
    assert (table.runtime, table.runtime_version, table.provider) == (
        "onnxruntime",
        "1.0",
        "CPUExecutionProvider",
    )
    assert (table.threads, table.batch) == (1, 1)
    assert table.host == host.fingerprint()
    assert table.measured_at.endswith("+00:00")


def test_same_seed_same_table(space: SearchSpace, device: Device, fake: Fake) -> None:
    tables = [profile(space, device, fake(), seed=seed).table for seed in (3, 3, 4)]
    fields = [table.model_dump(exclude={"measured_at", "frequency_mhz", "temperature_c"}) for table in tables]
    assert fields[0] == fields[1]
    assert fields[0]["calibrations"] != fields[2]["calibrations"]


def test_progress_rises_to_its_total(space: SearchSpace, device: Device, fake: Fake) -> None:
    seen: dict[str, list[tuple[float, float]]] = {}
    profile(
        space,
        device,
        fake(),
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
        DeviceError, match=rf"{networks} networks cannot calibrate a table; use --samples 3 or more"
    ):
        profile(space, device, runtime, networks=networks)
    assert runtime.loaded == []


def test_calibration_networks_span_the_space(space: SearchSpace) -> None:
    chosen = profiling._spread_networks(space, 10, seed=0)
    macs = [space.macs(architecture) for architecture in chosen]
    assert macs == sorted(macs)
    assert len({architecture.id for architecture in chosen}) == 10
    assert macs[-1] > 1.5 * macs[0]


def test_samples_are_interleaved() -> None:
    order: list[str] = []

    class Recorder:
        def __init__(self, name: str) -> None:
            self.name = name

        def time_ms(self, calls: int) -> Any:
            order.append(self.name)
            return np.full(calls, 4.0)

    sessions: Any = [Recorder("a"), Recorder("b")]
    samples = interleaved_samples(sessions, passes=3, pass_ms=12.0)
    assert [len(times) for times in samples] == [12, 12]
    timed = "".join(order)[-12:]
    assert timed == "aabb" * 3


def test_batch_reaches_the_feeds(space: SearchSpace, device: Device, fake: Fake) -> None:
    shapes = []
    runtime = fake()
    load = runtime.load

    def record(model: bytes, feeds: Any) -> Any:
        shapes.append(feeds["input"].shape[0])
        return load(model, feeds)

    runtime.load = record
    report = profile(space, device.model_copy(update={"batch": 4}), runtime)
    assert report.table.batch == 4
    assert shapes[0] in (1, 4)
    assert set(shapes[1:]) <= {1, 4} and shapes.count(4) >= len(space.distinct_blocks) + NETWORKS


def test_a_runtime_that_cannot_run_a_block(space: SearchSpace, device: Device, fake: Fake) -> None:
    runtime = fake()

    def refuse(*_: object) -> None:
        raise DeviceError("cannot load the model", "update it")

    runtime.load = refuse
    with pytest.raises(DeviceError, match="cannot load the model; update it"):
        profile(space, device, runtime)


def test_real_profile_has_the_right_structure(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "PASSES", 4)
    monkeypatch.setattr(profiling, "PASS_MS", 2.0)
    stages = [{"channels": 16, "depth": 2, "stride": 2, "squeeze_excite": 4}] * 2
    fields = {"resolution": 24, "classes": 3, "stem_channels": 16, "stem_stride": 1, "head_channels": 64}
    space = MBConvSpace(Layout.model_validate({**fields, "stages": stages}))
    report = profile(space, device, OnnxRuntime(), networks=5)
    path = save_table(device, report.table)
    found = find_table(device)
    assert found is not None and found[0] == path
    table: LatencyTable = found[1]
    assert set(table.entries) == {block.key for block in space.distinct_blocks}
    assert all(entry.min_ms > 0 and entry.n >= 4 for entry in table.entries.values())
    assert table.overhead_ms > 0
    assert len(table.calibrations[space.signature].residuals) == report.calibration_networks == 5
    assert table.runtime_version == OnnxRuntime().version
    latency = predictor_from_table(space, device, table).predict(space.sample(np.random.default_rng(0)))
    assert latency.low_ms <= latency.predicted_ms <= latency.high_ms
    assert latency.provenance == "measured"
