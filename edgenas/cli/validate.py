"""`edgenas validate`: how good predictions are on a device."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgenas.cli.console import disturbance_lines, print_json, print_lines, reporting
from edgenas.cli.options import (
    ActivationName,
    BatchOption,
    ClassesOption,
    DeviceOption,
    JsonOption,
    MissingName,
    MissingOption,
    PowerModeOption,
    PrecisionOption,
    SeedOption,
    SqueezeExciteOption,
    ThreadsOption,
    WidthOption,
)
from edgenas.units import format_milliseconds

if TYPE_CHECKING:
    from edgenas.api.validate import ValidationResult
    from edgenas.profiling.validation import Pair, Validation

WORST = 3
EXAMPLE = "Example: edgenas validate --device cpu --networks 50"


def run(
    device: DeviceOption,
    networks: Annotated[int, typer.Option(help="Random whole networks that are timed.")] = 50,
    space: Annotated[
        str, typer.Option(help="Whose networks are drawn: mbconv or nasbench-macro.")
    ] = "mbconv",
    resolution: Annotated[
        int | None, typer.Option(help="Rows and columns of the images; default 224, nasbench-macro 32.")
    ] = None,
    classes: ClassesOption = None,
    threads: ThreadsOption = None,
    precision: PrecisionOption = None,
    batch: BatchOption = None,
    power_mode: PowerModeOption = None,
    width: WidthOption = 1.0,
    squeeze_excite: SqueezeExciteOption = False,
    activation: Annotated[
        ActivationName | None, typer.Option(help="Activation of every layer; default relu6.")
    ] = None,
    missing: MissingOption = MissingName.refuse,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Predict and measure random whole networks that were not used in calibration."""
    from edgenas.api.validate import validate

    with reporting() as progress:
        result = validate(
            device,
            networks,
            seed=seed,
            space=space,
            resolution=resolution,
            classes=classes,
            threads=threads,
            precision=precision.value if precision else None,
            batch=batch,
            power_mode=power_mode,
            width=width,
            squeeze_excite=squeeze_excite,
            activation=activation.value if activation else None,
            missing=missing.value,
            progress=progress,
        )
    if json:
        found = result.validation.model_dump(mode="json")
        print_json({**found, "picture": str(result.picture), "file": str(result.file)})
        return
    _print_result(result)


def _print_result(result: "ValidationResult") -> None:
    from edgenas.reporting.report_content import rank_text

    found = result.validation
    print_lines(
        f"{found.networks} networks of {found.space} on {found.device}, predicted "
        f"({found.provenance.basis}) and measured",
        f"rank correlation: Spearman {rank_text(found.spearman)}, Kendall {rank_text(found.kendall)}",
        f"off by {found.mape_percent:.3g}% on average, {found.within_5_percent:.0%} within 5%, "
        f"{found.within_10_percent:.0%} within 10%; {found.interval_coverage:.0%} inside their interval",
        *_pace_lines(found),
        "worst:",
        *(_line(pair) for pair in found.worst[:WORST]),
    )
    print_lines(*disturbance_lines(found.retaken, found.disturbed))
    print_lines(f"figures: {result.file}", f"picture: {result.picture}")


def _pace_lines(found: "Validation") -> list[str]:
    if found.pace is None or found.at_table_pace is None:
        return []
    change = f"{abs(found.pace - 1):.1%} {'slower' if found.pace > 1 else 'faster'}"
    there = found.at_table_pace
    return [
        f"the machine runs {change} than when it was profiled (networks timed then and now); at the table's pace: "
        f"off by {there.mape_percent:.3g}% on average, {there.within_5_percent:.0%} within 5%, "
        f"{there.interval_coverage:.0%} inside their interval"
    ]


def _line(pair: "Pair") -> str:
    return (
        f"  {pair.architecture}: predicted {format_milliseconds(pair.latency.predicted)} "
        f"({pair.latency.low:.4g} to {pair.latency.high:.4g} ms), measured {format_milliseconds(pair.measured_ms)}: "
        f"{pair.error:+.1%}"
    )
