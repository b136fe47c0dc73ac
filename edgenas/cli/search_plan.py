"""`edgenas search --dry-run`: the plan of a search."""

from typing import TYPE_CHECKING, Any

from edgenas.cli.console import print_json, print_lines, print_table
from edgenas.cli.progress_display import reporting
from edgenas.units import counted, format_count, format_milliseconds, format_seconds

if TYPE_CHECKING:
    from edgenas.api.search_plan import SearchPlan

INFEASIBLE = 1
"""Exit code if nothing in the space is predicted within the limit."""


def show_plan(keywords: dict[str, Any], json: bool) -> int:
    """Print the plan of a search with these settings, and return the exit code."""
    from edgenas.api.search_plan import search_plan

    with reporting() as progress:
        plan = search_plan(**keywords, progress=progress)
    if json:
        print_json(plan)
    else:
        _print_plan(plan)
    return 0 if plan.feasible else INFEASIBLE


def _print_plan(plan: "SearchPlan") -> None:
    data = plan.data
    print_lines(
        f"device: {plan.device}, {', '.join(plan.precisions)}; latencies are {plan.provenance}",
        f"space: {plan.space}, {plan.choices:.3g} combinations of choices",
        f"begins from: {plan.pretrained or 'random weights'}",
        f"data: {data.name}, {data.classes} classes at {data.resolution} px: {data.train} images to train on, "
        f"{data.validation} to validate, {data.test} to test",
        f"limit: {plan.max_latency_ms:g} ms, {_feasibility(plan)}",
    )
    if plan.phases:
        rows = [(each.name, each.what, _seconds(each.seconds)) for each in plan.phases]
        print_table(counted(plan.trainings, "trainings"), ("phase", "what", "about"), rows, left=("what",))
        print_lines(
            f"time: about {_seconds(plan.seconds)}",
            f"disk: about {_bytes(plan.disk_bytes)}; memory: about {_bytes(plan.memory_bytes)}",
        )
    print_lines(*(f"note: {note}" for note in plan.notes), "nothing was trained or written")


def _feasibility(plan: "SearchPlan") -> str:
    ends = f"{format_milliseconds(plan.fastest_ms)} to {format_milliseconds(plan.slowest_ms)}"
    if not plan.feasible:
        least = format_milliseconds(plan.fastest_ms)
        return f"below all networks of the space ({ends}): the fastest needs {least}"
    if plan.slowest_ms <= plan.max_latency_ms:
        return f"above all networks of the space ({ends}): it excludes none"
    return f"feasible: the space's networks take {ends}"


def _seconds(seconds: float | None) -> str:
    return "not known" if seconds is None else format_seconds(seconds)


def _bytes(count: int | None) -> str:
    return "-" if count is None else f"{format_count(count)}B"
