"""`edgenas search`: the main job."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from edgenas.api.search import search
from edgenas.board.ending import INTERRUPTED
from edgenas.cli.console import print_json, print_lines, print_table
from edgenas.cli.options import command_of
from edgenas.cli.progress_display import reporting
from edgenas.settings.search import SearchSettings
from edgenas.units import counted, format_count, format_milliseconds, format_seconds

if TYPE_CHECKING:
    from edgenas.storage.search_result import Model, SearchResult

EXAMPLE = "Example: edgenas search --device jetson --max-latency 20ms --data photos/"

Column = Callable[["Model"], str]

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

    models = (*result.front, *result.baselines)
    columns = _columns(result, models)
    rows = [tuple(column(model) for column in columns.values()) for model in models]
    print_table(
        f"{result.run}: {counted(len(result.front), 'models')} for {result.device}", list(columns), rows
    )
    print_lines(_caption(result, models))
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


def _columns(result: "SearchResult", models: Sequence["Model"]) -> dict[str, Column]:
    """What a table says of each model, by the columns' names; what is the same of all is left to `_caption`."""
    bases, kinds, sizes, precisions = _varying(models)

    def named(model: "Model") -> str:
        marks = f"{' *' if model.leads else ''}{' @' if model.id == result.chosen else ''}"
        return f"{model.name or model.id}{marks}"

    def accuracy(model: "Model") -> str:
        if model.name and model.accuracies.validation is None:  # a baseline without any
            return "-"
        return f"{model.accuracy.value:.2%}{f' {model.accuracy.kind}' if len(kinds) > 1 else ''}"

    columns: dict[str, Column] = {
        "id": named,
        "predicted": lambda model: (
            f"{_ms(model.latency_ms.predicted)}{f' {model.provenance.basis}' if len(bases) > 1 else ''}"
        ),
        "interval": lambda model: f"{model.latency_ms.low:.3g}..{model.latency_ms.high:.3g}",
        "measured": lambda model: _ms(model.latency_ms.measured),
        _value(result): accuracy,
        "test": lambda model: "-" if model.accuracies.test is None else f"{model.accuracies.test:.2%}",
    }
    if len(sizes) > 1:
        columns["px"] = lambda model: f"{model.resolution or '-'}"
    columns |= {
        "params": lambda model: format_count(model.params),
        "MACs": lambda model: format_count(model.macs),
    }
    if "peak-memory" in result.objectives:
        columns["memory"] = lambda model: (
            f"{format_count(model.peak_memory_bytes)}B" if model.peak_memory_bytes else "-"
        )
    if len(precisions) > 1:
        columns["precision"] = lambda model: model.precision
    if any(model.energy_mj for model in models):
        columns["energy"] = lambda model: f"{model.energy_mj.predicted:.4g} mJ" if model.energy_mj else "-"
    return columns


def _caption(result: "SearchResult", models: Sequence["Model"]) -> str:
    """What holds for all models of the table, and what its figures are."""
    bases, kinds, sizes, precisions = _varying(models)
    return "; ".join(
        [
            f"latencies in ms{f', {bases[0]}' if len(bases) == 1 else ''}, 90 % of them within the interval",
            *([f"{_value(result)}: {kinds[0]}"] if len(kinds) == 1 else []),
            *([f"images of {sizes[0]} px"] if len(sizes) == 1 else []),
            *([f"all in {precisions[0]}"] if len(precisions) == 1 and precisions != ["fp32"] else []),
        ]
    )


def _varying(models: Sequence["Model"]) -> tuple[list[str], list[str], list[int | None], list[str]]:
    """Provenances of latencies, kinds of accuracies, sizes of images and precisions among models."""
    return (
        sorted({model.provenance.basis for model in models}),
        sorted({model.accuracy.kind for model in models}),
        list({model.resolution: None for model in models}),
        list({model.precision: None for model in models}),
    )


def _value(result: "SearchResult") -> str:
    return "accuracy" if result.metric == "top-1" else result.metric


def _ms(latency_ms: float | None) -> str:
    return "-" if latency_ms is None else format_milliseconds(latency_ms).removesuffix(" ms")
