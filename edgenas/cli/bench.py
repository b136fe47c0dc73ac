"""`edgenas bench`: the latency of an ONNX file over many runs."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgenas.cli.console import SEE, print_json, print_lines, print_table, reporting
from edgenas.cli.options import command_of
from edgenas.settings.latency_commands import BenchSettings
from edgenas.units import format_milliseconds

if TYPE_CHECKING:
    from edgenas.api.bench import BenchResult, FileTimes

EXAMPLE = "Example: edgenas bench model.onnx --device cpu --against model.int8.onnx"

COLUMNS = ("file", "min", "mean", "median", "90 %", "95 %", "99 %", "after idling", "images/s")


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
    print_table(
        f"milliseconds of {result.runs} runs on {where}",
        COLUMNS,
        [_row(name, each) for name, each in zip(names, files, strict=True)],
    )
    for name, each in zip(names, files, strict=True):
        print_lines(f"{name}: {each.conditions}, version {result.runtime_version}", *_remarks(name, each))
    print_lines(*_comparison_lines(result, names))


def _names(files: Sequence["FileTimes"]) -> list[str]:
    """Names of the files; their paths if those are the same."""
    names = [each.file.name for each in files]
    return names if len(set(names)) == len(names) else [os.fspath(each.file) for each in files]


def _row(name: str, each: "FileTimes") -> tuple[str, ...]:
    found = each.latency_ms
    times = (found.min, found.mean, found.p50, found.p90, found.p95, found.p99, each.paced_ms)
    return (name, *("-" if ms is None else f"{ms:.4g}" for ms in times), f"{each.images_per_s:.4g}")


def _remarks(name: str, each: "FileTimes") -> list[str]:
    found = []
    if each.load_ms is not None and each.first_ms is not None:
        found.append(
            f"{name}: loaded in {format_milliseconds(each.load_ms)}, first run {format_milliseconds(each.first_ms)}"
        )
    if (predicted := each.predicted_ms) is not None:
        inside = predicted.low <= each.typical_ms <= predicted.high
        found.append(
            f"{name}: predicted {predicted.text}, typically {format_milliseconds(each.typical_ms)}: "
            f"{'inside' if inside else 'outside'} the interval"
        )
    if not each.stable:
        found.append(
            f"{name}: the machine was busy, or its clock changed: do not rely on these figures ({SEE})"
        )
    return found


def _comparison_lines(result: "BenchResult", names: Sequence[str]) -> list[str]:
    if (found := result.comparison) is None:
        return []
    verdict = "" if found.differ else "; no significant difference"
    return [
        f"{names[0]} takes {found.ratio:.4g} times as long as {names[1]} "
        f"(95 %: {found.low:.4g} to {found.high:.4g}){verdict}"
    ]
