"""A table from a few networks, against a clock that is a formula."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.timing import timed_by

from edgenas.board import bursts
from edgenas.device import Device
from edgenas.errors import InputError
from edgenas.latency.predictor import predictor_from_table
from edgenas.latency.table import find_table, journal_path, save_table, table_from_json
from edgenas.profiling.block_profiling import profile
from edgenas.profiling.few_samples import profile_from_few
from edgenas.profiling.validation import validate
from edgenas.space import Layout, MBConvSpace, SearchSpace, Stage
from edgenas.timing import measuring

Fake = Callable[..., Any]


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rounds whatever the clock says, and no rest in between."""
    monkeypatch.setattr(bursts, "MIN_ROUNDS", 5)
    monkeypatch.setattr(bursts, "MAX_ROUNDS", 5)
    monkeypatch.setattr(bursts, "PAUSE_S", 0)


def test_only_the_networks_are_timed(space: SearchSpace, device: Device, fake: Fake) -> None:
    runtime = fake()
    report = profile_from_few(space, device, runtime)
    # Two models more: the one that does nothing, and the sentinel.
    assert (len(runtime.loaded), runtime.networks) == (12, 10)
    assert (report.measured, report.kept, report.unstable) == (10, 0, ())
    assert (report.retaken, report.disturbed) == (0, 0)
    table = report.table
    signatures = {each.signature for each in space.of_any_channels}
    assert (table.entries, table.calibrations, set(table.inferences)) == ({}, {}, signatures)
    assert (table.device, table.runtime_version) == ("cpu", "1.0")


def test_it_predicts_what_it_has_not_seen(space: SearchSpace, device: Device, fake: Fake) -> None:
    table = profile_from_few(space, device, fake()).table
    found = validate(space, device, table, 20, timed_by(fake()))
    assert found.provenance == "calibrated"
    assert found.within_10_percent >= 0.9
    assert found.interval_coverage >= 0.8
    assert found.pace == pytest.approx(1)
    sampled = set(table.inferences[space.signature].calibration.networks)
    assert not sampled & {pair.architecture for pair in found.pairs}


def test_a_table_survives_its_file(space: SearchSpace, device: Device, fake: Fake) -> None:
    report = profile_from_few(space, device, fake())
    path = save_table(device, report.changes)
    again = table_from_json(path)
    assert again.inferences == report.table.inferences
    found = find_table(device)
    assert found is not None and found[1] == again


def test_more_samples_keep_those_there_are(space: SearchSpace, device: Device, fake: Fake) -> None:
    first = profile_from_few(space, device, fake(), samples=5)
    runtime = fake()
    second = profile_from_few(space, device, runtime, first.table, samples=12)
    assert (second.measured, second.kept, runtime.networks) == (7, 5, 7)
    old, new = (each.inferred.inference.calibration.references for each in (first, second))
    assert new[:5] == old
    assert len({each.choices for each in new}) == 12
    assert second.inferred.half_width < first.inferred.half_width


def test_enough_samples_are_not_added_to(space: SearchSpace, device: Device, fake: Fake) -> None:
    first = profile_from_few(space, device, fake(), samples=6)
    runtime = fake()
    second = profile_from_few(space, device, runtime, first.table, samples=4)
    assert (second.measured, second.kept, runtime.loaded) == (0, 6, [])
    assert second.table == first.table
    assert second.changes.inferences == first.table.inferences


def test_a_machine_at_another_speed_is_timed_anew(
    space: SearchSpace, device: Device, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    first = profile_from_few(space, device, fake(), samples=4)
    runtime = fake(slowdown=lambda number: 2.0)
    with caplog.at_level(logging.WARNING):
        second = profile_from_few(space, device, runtime, first.table, samples=6)
    assert (
        "cpu runs at a different speed than when 4 networks were timed: they are timed again" in caplog.text
    )
    assert (second.measured, second.kept) == (6, 0)
    old, new = (each.inferred.inference.calibration.references for each in (first, second))
    assert [each.measured_ms for each in new[:4]] == pytest.approx([2 * each.measured_ms for each in old])


def test_the_speed_is_that_of_its_own_session_not_of_the_tables_latest(
    space: SearchSpace, small_space: SearchSpace, device: Device, fake: Fake
) -> None:
    """Another space's profile, on a machine that was slower, does not make old times fit new ones."""
    first = profile_from_few(space, device, fake(), samples=4)
    slower = profile(small_space, device, fake(slowdown=lambda number: 2.0), first.table, networks=6).table
    usual_ms, slow_ms = first.table.sentinel_ms, slower.sentinel_ms
    assert slow_ms == pytest.approx(2 * usual_ms)
    for slowdown, kept, sentinel_ms in ((2.0, 0, slow_ms), (1.0, 4, usual_ms)):
        runtime = fake(slowdown=lambda number, slowdown=slowdown: slowdown)
        second = profile_from_few(space, device, runtime, slower, samples=6)
        assert (second.measured, second.kept) == (6 - kept, kept)
        assert second.inferred.inference.sentinel_ms == pytest.approx(sentinel_ms)
    again = profile_from_few(space, device, fake(), slower, samples=4)
    assert (again.measured, again.inferred.inference.sentinel_ms) == (0, usual_ms)


def test_another_runtime_version_starts_afresh(space: SearchSpace, device: Device, fake: Fake) -> None:
    first = profile_from_few(space, device, fake("1.0"), samples=4)
    second = profile_from_few(space, device, fake("1.1"), first.table, samples=4)
    assert (second.measured, second.kept, second.table.runtime_version) == (4, 0, "1.1")


def test_unstable_samples_count_for_less_and_are_timed_again(
    space: SearchSpace, device: Device, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bursts, "MIN_ROUNDS", 25)
    monkeypatch.setattr(bursts, "MAX_ROUNDS", 25)

    def noisy(number: int) -> float:
        return float(np.random.default_rng(number).choice([1.0, 1.14]))

    first = profile_from_few(space, device, fake(slowdown=noisy), samples=5)
    assert len(first.unstable) > 2
    uncertainties = first.inferred.inference.uncertainties
    assert sum(each >= measuring.UNSTABLE_SPREAD for each in uncertainties) == len(first.unstable)
    second = profile_from_few(space, device, fake(), first.table, samples=5)
    assert second.measured == len(first.unstable)
    assert second.unstable == ()
    assert set(second.inferred.inference.calibration.networks) == set(
        first.inferred.inference.calibration.networks
    )


def test_measured_blocks_of_another_space_stay(
    space: SearchSpace, small_space: SearchSpace, device: Device, fake: Fake
) -> None:
    measured = profile(small_space, device, fake(), networks=6).table
    report = profile_from_few(space, device, fake(), measured, samples=4)
    assert report.table.entries == measured.entries
    assert report.table.calibrations == measured.calibrations
    assert predictor_from_table(small_space, device, report.table).provenance == "measured"
    assert predictor_from_table(space, device, report.table).provenance == "calibrated"


def test_a_full_profile_takes_the_place_of_what_was_inferred(
    space: SearchSpace, device: Device, fake: Fake
) -> None:
    few = profile_from_few(space, device, fake(), samples=4).table
    report = profile(space, device, fake(), few, networks=6)
    assert report.measured_blocks == len(space.blocks_of_any_channels)
    assert report.table.inferences == {}
    assert predictor_from_table(space, device, report.table).provenance == "measured"


def test_it_repeats(space: SearchSpace, device: Device, fake: Fake) -> None:
    tables = [profile_from_few(space, device, fake(), samples=5, seed=3).table for _ in range(2)]
    assert tables[0].inferences == tables[1].inferences
    other = profile_from_few(space, device, fake(), samples=5, seed=4).table
    assert other.inferences != tables[0].inferences


def test_an_interrupted_one_goes_on(space: SearchSpace, device: Device, fake: Fake, folders: Path) -> None:
    journal = journal_path(device, f"{space.signature}-samples")

    def interrupt(phase: str, done: float, total: float, detail: str = "") -> None:
        if phase == "timing" and done > 0.5 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile_from_few(space, device, fake(), samples=4, progress=interrupt, journal=journal)
    assert journal.exists()
    first: list[float] = []

    def progress(phase: str, done: float, total: float, detail: str = "") -> None:
        if phase == "timing":
            first.append(done / total)

    profile_from_few(space, device, fake(), samples=4, progress=progress, journal=journal)
    assert first[0] > 0.3
    assert not journal.exists()


def test_a_batch_is_timed_as_one(space: SearchSpace, device: Device, fake: Fake) -> None:
    eight = device.model_copy(update={"batch": 8})
    assert profile_from_few(space, eight, fake(), samples=3).table.batch == 8


def test_a_space_of_one_network_is_refused(device: Device, fake: Fake) -> None:
    layout = Layout(
        resolution=8,
        classes=2,
        stem_channels=8,
        stem_stride=1,
        stages=(Stage(channels=8, depth=1, stride=1),),
        head_channels=8,
        kernels=(3,),
        expansions=(2,),
    )
    runtime = fake()
    with pytest.raises(InputError, match=r"^mbconv-8px-\w+ has only 1 networks; leave out --samples$"):
        profile_from_few(MBConvSpace(layout), device, runtime)
    assert runtime.loaded == []


def test_blocks_for_grey_images_are_inferred_too(space: SearchSpace, device: Device, fake: Fake) -> None:
    report = profile_from_few(space, device, fake())
    grey = space.with_channels(1)
    assert grey is not None
    own, other = (predictor_from_table(each, device, report.table) for each in (space, grey))
    assert other.provenance == "calibrated"
    for architecture in (space.smallest, space.largest):
        found = own.predict(architecture).predicted, other.predict(architecture).predicted
        assert 0.8 * found[0] < found[1] <= found[0]
    again = profile_from_few(space, device, fake(), report.table)
    assert (again.measured, again.kept) == (0, 10)
    validated = validate(grey, device, report.table, 5, timed_by(fake()))
    assert validated.provenance == "calibrated" and validated.pace is None
