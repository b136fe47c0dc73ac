"""`edgenas runs`: listing, showing, comparing and removing runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgenas.cli.completion import run_names
from edgenas.cli.console import print_json, print_lines, print_table
from edgenas.cli.options import JsonOption
from edgenas.errors import InputError
from edgenas.storage.run_names import NO_RUNS
from edgenas.units import counted, format_count, format_milliseconds

if TYPE_CHECKING:
    from edgenas.api.remove_runs import RemovedRuns
    from edgenas.api.runs import RunInfo, RunsResult

EXAMPLE = "Example: edgenas runs photos photos-1"


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Run to show; several to compare; default: list all.",
            autocompletion=run_names,
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove these runs; exported files stay.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    json: JsonOption = False,
) -> None:
    """List the runs here, show one, compare several, or remove some."""
    from edgenas.api.runs import runs

    given = names or []
    if remove:
        _remove(given, yes, json)
        return
    result = runs(*given)
    if json:
        print_json(result)
    elif not result.runs:
        print_lines(NO_RUNS)
    elif len(given) == 1:
        _print_one(result)
    else:
        _print_several(result)


def _remove(names: list[str], yes: bool, json: bool) -> None:
    from edgenas.api.remove_runs import remove_runs
    from edgenas.api.runs import runs

    if names and not yes:
        _ask(runs(*names))
    removed = remove_runs(*names)
    if json:
        print_json(removed)
    else:
        _print_removed(removed)


def _ask(found: "RunsResult") -> None:
    """Raise Abort unless the user agrees; where nobody can be asked, an InputError."""
    if not sys.stdin.isatty():
        raise InputError("--remove asks first, and there is no terminal to ask on", "give --yes")
    described = "; ".join(f"{each.name} ({_summary(each)})" for each in found.runs)
    typer.confirm(f"remove {described}?", abort=True, err=True)


def _print_removed(result: "RemovedRuns") -> None:
    print_lines(f"removed: {', '.join(result.removed)} ({_size(result.freed_bytes)})")


def _print_several(result: "RunsResult") -> None:
    columns = ("run", "status", "device", "data", "limit", "evaluations", "best", "models", "age", "size")
    print_table("runs", columns, [_row(each) for each in result.runs], left=("status", "device", "data"))
    print_lines(*(f"{each.name}: {each.problem}" for each in result.runs if each.problem))
    names = [each.name for each in result.runs]
    if result.differences:
        rows = [
            (each.setting, *(_text(each.values.get(name)) for name in names)) for each in result.differences
        ]
        print_table("settings that differ", ("setting", *names), rows)
    if result.fronts:
        compared = list(result.fronts[0].accuracies)
        best = [
            (format_milliseconds(each.latency_ms), *(_share(each.accuracies[name]) for name in compared))
            for each in result.fronts
        ]
        print_table("best accuracy within a latency (validation)", ("predicted", *compared), best)
    print_lines(*(f"note: {note}" for note in result.notes))


def _print_one(result: "RunsResult") -> None:
    from edgenas.cli.search import print_result

    (info,) = result.runs
    print_lines(f"{info.name}: {_summary(info)}", *([f"problem: {info.problem}"] if info.problem else []))
    if info.device is not None:
        print_lines(
            f"device {info.device}, data {info.data}, limit {info.max_latency_ms:g} ms, begun {info.created_at}"
        )
    if result.result is not None:
        print_result(result.result)
    elif info.best_accuracy is not None:
        print_lines(f"best so far: {info.best_accuracy:.2%} {info.accuracy_kind}")


def _summary(info: "RunInfo") -> str:
    """Such as `complete, 150 evaluations, 8 models, 12 MB, 3 days old`."""
    parts = [
        info.status,
        *([counted(info.evaluations, "evaluations")] if info.evaluations is not None else []),
        *([counted(info.models, "models")] if info.models is not None else []),
        _size(info.size_bytes),
        *([f"{_age(info.age_s)} old"] if info.age_s is not None else []),
    ]
    return ", ".join(parts)


def _row(info: "RunInfo") -> tuple[str, ...]:
    best = "" if info.best_accuracy is None else f"{info.best_accuracy:.2%} {info.accuracy_kind}"
    return (
        info.name,
        info.status,
        _text(info.device),
        "-" if info.data is None else Path(info.data).name,  # all of it where one run is shown
        "-" if info.max_latency_ms is None else f"{info.max_latency_ms:g} ms",
        _text(info.evaluations),
        best or "-",
        _text(info.models),
        "-" if info.age_s is None else _age(info.age_s),
        _size(info.size_bytes),
    )


def _age(seconds: float) -> str:
    """In the largest unit of which there are two: `3 days`, `5 h`, `2 min`, `90 s`."""
    for unit_s, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _size(count: int) -> str:
    return f"{format_count(count)}B"


def _share(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{accuracy:.2%}"


def _text(value: object) -> str:
    return "-" if value is None else str(value)
