"""Profiling at several image sizes."""

import numpy as np
import pytest
from fixtures.timing import timed_by
from hypothesis import given
from hypothesis import strategies as st

from edgenas.device import Device, Provenance
from edgenas.errors import IncompleteTableError
from edgenas.latency.predictor import predictor_for
from edgenas.latency.size_interpolation import MIN_SIZES
from edgenas.latency.table import LatencyTable, save_table
from edgenas.profiling.block_profiling import ProfileReport, profile
from edgenas.profiling.resolution_profiling import profile_sizes, timed_sizes
from edgenas.profiling.validation import validate
from edgenas.progress import Progress
from edgenas.space import ResolutionSpace, SearchSpace
from edgenas.units import parse_resolutions

SIZES = (8, 12, 16, 20, 24)


@pytest.mark.parametrize(
    ("asked", "timed"),
    [
        ("160", (160,)),
        ("96,128", (96, 128)),
        ("16,24,32", (16, 24, 32)),
        ("96..224", (96, 128, 160, 192, 224)),
        ("112..208", (112, 128, 160, 192, 208)),
        ("16..64", (16, 32, 64)),
        ("96..128", (96, 112, 128)),
        ("100,110,120,130", (100, 120, 130)),
    ],
)
def test_ends_and_multiples_of_32_are_timed(asked: str, timed: tuple[int, ...]) -> None:
    assert timed_sizes(parse_resolutions(asked, "--resolution")) == timed


@given(st.lists(st.integers(8, 512), min_size=1, max_size=16, unique=True).map(sorted))
def test_sizes_that_are_not_timed_lie_between_timed_ones(sizes: list[int]) -> None:
    timed = timed_sizes(sizes)
    assert set(timed) <= set(sizes) and list(timed) == sorted(timed)
    assert len(timed) >= min(len(sizes), MIN_SIZES)
    assert all(timed[0] <= size <= timed[-1] for size in sizes)


def test_all_sizes_can_be_predicted_after_it(
    small_space: SearchSpace, device: Device, fake: type, table: LatencyTable
) -> None:
    space, seen = ResolutionSpace(small_space, SIZES), list[str]()

    def timed(part: SearchSpace, known: LatencyTable | None, progress: Progress) -> ProfileReport:
        return profile(part, device, fake(), known, networks=12, progress=progress)

    def progress(phase: str, done: float, total: float, detail: str = "") -> None:
        seen.append(phase)

    with pytest.raises(IncompleteTableError):
        save_table(device, table)  # of another space
        predictor_for(space, device)
    for _, report in profile_sizes(space, table, timed, progress):
        save_table(device, report.changes)
    assert {phase.partition(":")[0] for phase in seen} == {"8 px", "16 px", "24 px"}
    predictor = predictor_for(space, device)
    provenances = {}
    for size in SIZES:
        latency = predictor.predict(space.joined(size, space.at(size).largest))
        assert latency.low < latency.predicted < latency.high
        provenances[size] = latency.provenance
    between = {size for size, each in provenances.items() if each is Provenance.CALIBRATED}
    assert between == {12, 20} and provenances[8] is Provenance.MEASURED
    assert predictor.provenance is Provenance.CALIBRATED

    grey = space.with_channels(1)
    assert grey is not None
    of_grey = predictor_for(grey, device)
    for size, provenance in provenances.items():
        largest = space.joined(size, space.at(size).largest)
        latency = of_grey.predict(largest)
        assert latency.provenance is provenance and latency.predicted < predictor.predict(largest).predicted

    found = validate(space, device, report.table, 30, timed_by(fake()))
    drawn = [space.architecture(pair.choices) for pair in found.pairs]
    assert {space.resolution_of(architecture) for architecture in drawn} == set(SIZES)
    assert found.mape_percent < 2 and found.space == space.signature
    assert found.pace == pytest.approx(1, abs=0.05)
    calibrated = {id_ for each in report.table.calibrations.values() for id_ in each.networks}
    assert calibrated.isdisjoint(space.sized(architecture).architecture.id for architecture in drawn)


def test_one_size_is_profiled_as_ever(small_space: SearchSpace) -> None:
    asked: list[SearchSpace] = []
    progress = object()

    def timed(part: SearchSpace, known: LatencyTable | None, given: Progress) -> ProfileReport:
        asked.append(part)
        assert given is progress and known is None
        return np.array([])  # type: ignore[return-value]  # stands in for a report

    with pytest.raises(AttributeError):
        list(profile_sizes(small_space, None, timed, progress))  # type: ignore[arg-type]
    assert asked == [small_space]
