"""`edgenas bench`: the latency of an ONNX file over many runs."""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from edgenas.cli.console import SEE, bar, print_json, print_lines, print_table
from edgenas.cli.options import command_of
from edgenas.cli.progress_display import reporting
from edgenas.settings.latency_commands import BenchSettings
from edgenas.units import counted, format_milliseconds

if TYPE_CHECKING:
    from edgenas.api.bench import BenchResult, FileTimes
    from edgenas.profiling.latency_distribution import Histogram

EXAMPLE = "Example: edgenas bench model.onnx --device cpu --against model.int8.onnx"

BAR_WIDTH = 40

MIB = 2**20

DISTURBED = "the machine was busy, or its clock changed"


@command_of(BenchSettings)
def run(keywords: dict[str, Any], json: bool) -> None:
    """Time an ONNX file over many runs, here or on a board, and compare it with another."""
    from edgenas.api.bench import bench

    with reporting() as progress:
        result = bench(**keywords, progress=progress)
    if json:
        print_json(result)
        return
    files = [result, *([result.against] if result.against else [])]
    names = _names(files)
    where = f"{result.device} ({result.host})" if result.host else result.device
    figures = [_figures(each) for each in files]
    rows = [(kind, *(each[kind] for each in figures)) for kind in figures[0]]
    print_table(f"milliseconds of {counted(result.runs, 'runs')} on {where}", ("", *names), rows)
    for name, each in zip(names, files, strict=True):
        print_lines(*_histogram_lines(name, each.histogram))
        print_lines(f"{name}: {each.conditions}, version {result.runtime_version}", *_remarks(name, each))
    print_lines(*_closing_lines(result, names))


def _names(files: Sequence["FileTimes"]) -> list[str]:
    """Names of the files; their paths if those are the same."""
    names = [each.file.name for each in files]
    return names if len(set(names)) == len(names) else [os.fspath(each.file) for each in files]


def _figures(each: "FileTimes") -> dict[str, str]:
    """What is in the table, by what it is."""
    found = each.latency_ms
    times = {
        "fastest": found.min,
        "median": found.p50,
        "mean": found.mean,
        "90 % within": found.p90,
        "95 % within": found.p95,
        "99 % within": found.p99,
        "median after idling": each.paced_ms,
        "first run": each.first_ms,
        "loading": each.load_ms,
    }
    memory = each.peak_memory_bytes
    return {
        **{name: "-" if ms is None else f"{ms:.4g}" for name, ms in times.items()},
        "images per second": f"{each.images_per_s:.4g}",
        "peak memory, MiB": "-" if memory is None else f"{memory / MIB:.1f}",
    }


def _remarks(name: str, each: "FileTimes") -> Iterator[str]:
    if each.runtime_memory_bytes is not None:
        yield f"{name}: {each.runtime_memory_bytes / MIB:.1f} MiB of the memory are Python's and the runtime's"
    else:
        yield f"{name}: its memory is not known: {each.peak_memory_reason}"
    if (predicted := each.predicted_ms) is not None:
        inside = predicted.low <= each.typical_ms <= predicted.high
        yield (
            f"{name}: predicted {predicted.text}, typically {format_milliseconds(each.typical_ms)}: "
            f"{'inside' if inside else 'outside'} the interval"
        )


def _histogram_lines(name: str, found: "Histogram | None") -> Iterator[str]:
    """A bar for each bin; none is left out that has a run."""
    if found is None:
        return
    ranges = [f"{low:.4g} to {high:.4g} ms" for low, high in pairwise(found.edges_ms)]
    most = max(found.counts)
    yield f"{name}: how often each latency occurred"
    for text, count in zip(ranges, found.counts, strict=True):
        drawn = bar(max(round(BAR_WIDTH * count / most), min(count, 1)))
        yield f"{text:>{max(map(len, ranges))}}  {drawn} {count}"


def _closing_lines(result: "BenchResult", names: Sequence[str]) -> Iterator[str]:
    """Whether to rely on the figures, and how the files compare: a disturbance slows both in the same rounds."""
    is_stable = result.stable and (result.against is None or result.against.stable)
    doubt = "" if is_stable else f"{DISTURBED} ({SEE}): do not rely on these milliseconds"
    if (found := result.comparison) is None:
        yield from filter(None, [doubt])
        return
    verdict = "" if found.differ else "; no significant difference"
    yield (
        f"{doubt and f'{doubt}, only on the ratio within rounds: '}"
        f"{names[0]} takes {found.ratio:.4g} times as long as {names[1]} "
        f"(95 %: {found.low:.4g} to {found.high:.4g}){verdict}"
    )
