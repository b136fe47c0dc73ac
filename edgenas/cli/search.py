"""`edgenas search`: the main job."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgenas.api.search import search
from edgenas.cli.console import print_json, print_lines, print_table, reporting
from edgenas.cli.options import (
    ActivationName,
    ActivationOption,
    DeviceOption,
    EvaluatorChoice,
    GatesName,
    JsonOption,
    LatencyLossName,
    MetricName,
    MissingName,
    MissingOption,
    PowerModeOption,
    SamplingName,
    SeedOption,
    SqueezeExciteOption,
    ThreadsOption,
    WidthOption,
)
from edgenas.searchers.registry import ALL_SEARCHERS, DEFAULT_SEARCHER
from edgenas.units import format_count, format_milliseconds, format_seconds

if TYPE_CHECKING:
    from edgenas.storage.search_result import Model, SearchResult

EXAMPLE = "Example: edgenas search --device jetson --max-latency 20ms --data photos/"

INTERRUPTED, NOTHING_LEFT = 130, 1
"""Exit codes: Ctrl-C; every finalist was dropped, for the reasons printed."""


def run(
    device: DeviceOption,
    max_latency: Annotated[str, typer.Option(help="Latency limit with its unit, such as 20ms.")],
    data: Annotated[
        str, typer.Option(help="digits, cifar10, cifar100, fashion-mnist, or a folder train/<class>/*.")
    ] = "digits",
    searcher: Annotated[str, typer.Option(help=f"{', '.join(ALL_SEARCHERS)}.")] = DEFAULT_SEARCHER,
    evaluator: Annotated[
        EvaluatorChoice, typer.Option(help="supernet, or trained: each candidate from scratch (slow).")
    ] = EvaluatorChoice.supernet,
    metric: Annotated[
        MetricName, typer.Option(help="What accuracy means; macro-f1 for rare classes.")
    ] = MetricName.top_1,
    objective: Annotated[
        str, typer.Option(help="accuracy,latency and, after them, any of params, macs, peak-memory.")
    ] = "accuracy,latency",
    evaluations: Annotated[int, typer.Option(min=1, help="Distinct architectures to evaluate.")] = 150,
    finalists: Annotated[int, typer.Option(min=1, help="Models to train and export.")] = 8,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also train MobileNetV2 and V3-small, scaled to the limit.")
    ] = False,
    time_budget: Annotated[
        str | None, typer.Option(help="Such as 10min: train and search as much as fits.")
    ] = None,
    seed: SeedOption = 0,
    run: Annotated[str | None, typer.Option(help="Name under runs/; the same name goes on.")] = None,
    warm_start: Annotated[
        str | None, typer.Option(metavar="RUN", help="Begin from what this earlier run evaluated.")
    ] = None,
    threads: ThreadsOption = None,
    power_mode: PowerModeOption = None,
    missing: MissingOption = MissingName.refuse,
    resolution: Annotated[int | None, typer.Option(help="Bring images to this size.")] = None,
    width: WidthOption = 1.0,
    squeeze_excite: SqueezeExciteOption = False,
    activation: ActivationOption = ActivationName.relu6,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Whether mirrored images keep their class.")
    ] = None,
    augment: Annotated[
        str, typer.Option(help="crop, randaugment, mixup, cutmix: any, between commas; or none.")
    ] = "crop",
    sampling: Annotated[
        SamplingName, typer.Option(help="Paths a step of the supernet trains; see docs/accuracy.md.")
    ] = SamplingName.anchored,
    gates: Annotated[
        GatesName | None,
        typer.Option(
            help="Of proxyless: full, the default; two-path for many choices a layer; others to compare."
        ),
    ] = None,
    latency_loss: Annotated[
        LatencyLossName | None,
        typer.Option(help="Of proxyless: how latency enters; constraint, the default; two for comparison."),
    ] = None,
    distillation: Annotated[
        float, typer.Option(min=0, max=1, help="Weight of the supernet's largest network as a teacher.")
    ] = 0.0,
    json: JsonOption = False,
) -> int:
    """Search the networks worth deploying on a device; train, export and verify them."""
    with reporting() as progress:
        result = search(
            device,
            max_latency,
            data,
            searcher=searcher,
            evaluator=evaluator.value,
            metric=metric.value,
            objective=objective,
            evaluations=evaluations,
            finalists=finalists,
            baselines=baselines,
            time_budget=time_budget,
            seed=seed,
            run=run,
            warm_start=warm_start,
            threads=threads,
            power_mode=power_mode,
            missing=missing.value,
            resolution=resolution,
            width=width,
            squeeze_excite=squeeze_excite,
            activation=activation.value,
            flip=flip,
            augment=augment,
            sampling=sampling.value,
            gates=gates.value if gates else None,
            latency_loss=latency_loss.value if latency_loss else None,
            distillation=distillation,
            progress=progress,
        )
    if json:
        print_json(result.model_dump(mode="json"))
    else:
        _print_result(result)
    if result.status == "interrupted":
        return INTERRUPTED
    return 0 if result.front else NOTHING_LEFT


def _print_result(result: "SearchResult") -> None:
    title = f"{result.run}: {len(result.front)} models for {result.device}"
    value = "accuracy" if result.metric == "top-1" else result.metric
    columns = ["id", "predicted", "interval", "measured", value, "test", "params", "MACs"]
    if with_memory := "peak-memory" in result.objectives:
        columns.append("memory")
    models = (*result.front, *result.baselines)
    print_table(title, columns, [_row(model, model.id == result.chosen, with_memory) for model in models])
    if any(model.leads for model in result.front):
        alone = "more accurate than every faster model"
        print_lines(f"* {alone if len(result.objectives) == 2 else 'no other is as good in every objective'}")
    if any(model.id == result.chosen for model in (*result.front, *result.dropped)):
        print_lines("@ chosen: what was learnt for the limit itself")
    for model in result.dropped:
        print_lines(f"dropped {model.id}{' @' if model.id == result.chosen else ''}: {model.note}")
    print_lines(*(f"{model.name}: {model.note}" for model in result.baselines if model.note))
    print_lines(*(f"note: {note}" for note in result.notes))
    phases = ", ".join(f"{phase} {format_seconds(s)}" for phase, s in result.seconds.items())
    if result.status == "interrupted":
        print_lines("interrupted: the same command goes on from here")
    else:
        print_lines(f"models: exports/{result.run}/")
    print_lines(f"report: {result.report}", f"time: {phases}")


def _row(model: "Model", chosen: bool, with_memory: bool) -> tuple[str, ...]:
    latency, test = model.latency_ms, model.accuracies.test
    failed = model.name and model.accuracies.validation is None  # a baseline: nothing is known of it
    return (
        f"{model.name or model.id}{' *' if model.leads else ''}{' @' if chosen else ''}",
        f"{format_milliseconds(latency.predicted)} {model.provenance.basis}",
        f"{latency.low:.3g} to {latency.high:.3g} ms",
        format_milliseconds(latency.measured) if latency.measured else "-",
        "-" if failed else f"{model.accuracy.value:.2%} {model.accuracy.kind}",
        "-" if test is None else f"{test:.2%}",
        format_count(model.params),
        format_count(model.macs),
        *([f"{format_count(model.peak_memory_bytes or 0)}B"] if with_memory else []),
    )
