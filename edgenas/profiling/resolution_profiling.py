"""Profiling a space at several image sizes: a few are timed, those between are interpolated by whoever predicts."""

from collections.abc import Callable, Iterator, Sequence

from edgenas.latency.size_interpolation import MIN_SIZES
from edgenas.latency.table import LatencyTable
from edgenas.profiling.block_profiling import ProfileReport
from edgenas.progress import Progress, named
from edgenas.space import NetworkSpace, SearchSpace

STEP = 32
"""Multiples of this are timed: the sizes at which every halving of a network is exact."""

Profile = Callable[[SearchSpace, LatencyTable | None, Progress], ProfileReport]
"""Times a space, given the table so far."""


def timed_sizes(resolutions: Sequence[int]) -> tuple[int, ...]:
    """The sizes to time: the ends, the multiples of 32 between, and more if those are fewer than three."""
    ends = {resolutions[0], resolutions[-1]}
    chosen = ends | {size for size in resolutions if size % STEP == 0}
    left = [size for size in resolutions if size not in chosen]
    while len(chosen) < MIN_SIZES and left:
        chosen.add(left.pop(len(left) // 2))
    return tuple(sorted(chosen))


def profile_sizes(
    space: NetworkSpace, known: LatencyTable | None, profile: Profile, progress: Progress
) -> Iterator[tuple[int, ProfileReport]]:
    """Profile the space at its `timed_sizes`, one after the other; the last report has the whole table.

    Blocks that several sizes have in common are timed once.
    """
    table = known
    for size in timed_sizes(space.resolutions):
        report = profile(space.at(size), table, _named(progress, size, len(space.resolutions)))
        table = report.table
        yield size, report


def _named(progress: Progress, size: int, sizes: int) -> Progress:
    """The progress of one size, named where there are several."""
    return progress if sizes == 1 else named(progress, f"{size} px")
