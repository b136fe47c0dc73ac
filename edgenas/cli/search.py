"""`edgenas search`: the main job."""

from typing import TYPE_CHECKING, Any

from edgenas.api.search import search
from edgenas.board.ending import INTERRUPTED
from edgenas.cli.console import print_json, print_lines, print_table, reporting
from edgenas.cli.options import command_of
from edgenas.settings.search import SearchSettings
from edgenas.units import format_count, format_milliseconds, format_seconds

if TYPE_CHECKING:
    from edgenas.storage.search_result import Model, SearchResult

EXAMPLE = "Example: edgenas search --device jetson --max-latency 20ms --data photos/"

NOTHING_LEFT = 1
"""Exit code if every finalist was dropped."""


DRY_RUN = (
    "Show the plan, with time, disk and memory estimated from a few timed steps; train and write nothing."
)


@command_of(SearchSettings, {"dry_run": DRY_RUN})
def run(keywords: dict[str, Any], json: bool, dry_run: bool) -> int:
    """Search for the networks worth deploying on a device; train, export and verify them."""
    if dry_run:
        from edgenas.cli.search_plan import show_plan

        return show_plan(keywords, json)
    with reporting() as progress:
        result = search(**keywords, progress=progress)
    if json:
        print_json(result)
    else:
        print_result(result)
    if result.status == "interrupted":
        return INTERRUPTED
    return 0 if result.front else NOTHING_LEFT


def print_result(result: "SearchResult") -> None:
    """Print the front as a table, and what is to know of it."""
    from edgenas.reporting.baseline_comparison import lead_sentence

    title = f"{result.run}: {len(result.front)} models for {result.device}"
    value = "accuracy" if result.metric == "top-1" else result.metric
    columns = ["id", "predicted", "interval", "measured", value, "test", "px", "params", "MACs"]
    if with_memory := "peak-memory" in result.objectives:
        columns.append("memory")
    models = (*result.front, *result.baselines)
    rows = [_row(model, model.id == result.chosen, with_memory) for model in models]
    if any(model.precision != "fp32" for model in models):
        columns.append("precision")
        rows = [(*row, model.precision) for row, model in zip(rows, models, strict=True)]
    if any(model.energy_mj for model in models):
        columns.append("energy")
        rows = [(*row, _energy(model)) for row, model in zip(rows, models, strict=True)]
    print_table(title, columns, rows)
    if any(model.leads for model in result.front):
        leader = "more accurate than every faster model"
        print_lines(
            f"* {leader if len(result.objectives) == 2 else 'no other model matches it in every objective'}"
        )
    if any(model.id == result.chosen for model in (*result.front, *result.dropped)):
        print_lines("@ chosen: learnt for the limit itself")
    for model in result.dropped:
        print_lines(f"dropped {model.id}{' @' if model.id == result.chosen else ''}: {model.note}")
    print_lines(*(f"{model.name}: {model.note}" for model in result.baselines if model.note))
    print_lines(*(f"note: {note}" for note in result.notes))
    phases = ", ".join(f"{phase} {format_seconds(s)}" for phase, s in result.seconds.items())
    if result.status == "interrupted":
        print_lines("interrupted: repeat the command to resume")
    else:
        print_lines(f"models: exports/{result.run}/")
    print_lines(f"report: {result.report}", f"time: {phases}")
    if lead := lead_sentence(result):
        print_lines(lead)


def _row(model: "Model", chosen: bool, with_memory: bool) -> tuple[str, ...]:
    latency, test, memory = model.latency_ms, model.accuracies.test, model.peak_memory_bytes
    failed = model.name and model.accuracies.validation is None  # a baseline without any accuracy
    return (
        f"{model.name or model.id}{' *' if model.leads else ''}{' @' if chosen else ''}",
        f"{format_milliseconds(latency.predicted)} {model.provenance.basis}",
        f"{latency.low:.3g} to {latency.high:.3g} ms",
        format_milliseconds(latency.measured) if latency.measured else "-",
        "-" if failed else f"{model.accuracy.value:.2%} {model.accuracy.kind}",
        "-" if test is None else f"{test:.2%}",
        "-" if model.resolution is None else f"{model.resolution}",
        format_count(model.params),
        format_count(model.macs),
        *([f"{format_count(memory)}B" if memory else "-"] if with_memory else []),
    )


def _energy(model: "Model") -> str:
    return f"{model.energy_mj.predicted:.4g} mJ" if model.energy_mj else "-"
