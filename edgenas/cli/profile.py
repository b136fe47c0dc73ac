"""`edgenas profile`: measure a device."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgenas.cli.console import disturbance_lines, print_json, print_lines, reporting
from edgenas.cli.options import (
    ActivationName,
    BatchOption,
    ClassesOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    SeedOption,
    SqueezeExciteOption,
    ThreadsOption,
    WidthOption,
)
from edgenas.units import format_seconds

if TYPE_CHECKING:
    from edgenas.jobs.profile import ProfileResult

EXAMPLE = "Example: edgenas profile --device cpu --resolution 224"


def run(
    device: DeviceOption,
    space: Annotated[str, typer.Option(help="Whose blocks are timed: mbconv or nasbench-macro.")] = "mbconv",
    resolution: Annotated[
        int | None, typer.Option(help="Rows and columns of the images; default 224, nasbench-macro 32.")
    ] = None,
    classes: ClassesOption = None,
    threads: ThreadsOption = None,
    precision: PrecisionOption = None,
    batch: BatchOption = None,
    samples: Annotated[int, typer.Option(help="Whole networks timed for the calibration.")] = 80,
    width: WidthOption = 1.0,
    squeeze_excite: SqueezeExciteOption = False,
    activation: Annotated[
        ActivationName | None, typer.Option(help="Activation of every layer; default relu6.")
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Time every block of a space on a device; search then uses the measured table."""
    from edgenas.jobs.profile import profile

    with reporting() as progress:
        result = profile(
            device,
            space,
            resolution=resolution,
            classes=classes,
            threads=threads,
            precision=precision.value if precision else None,
            batch=batch,
            samples=samples,
            width=width,
            squeeze_excite=squeeze_excite,
            activation=activation.value if activation else None,
            seed=seed,
            progress=progress,
        )
    if json:
        print_json(
            {
                "table": str(result.table),
                "entries": result.entries,
                "measured": result.measured,
                "seconds": round(result.seconds, 3),
                "unstable_entries": len(result.unstable),
                "unstable": result.unstable,
                "retaken": result.retaken,
                "disturbed": result.disturbed,
                "calibration": result.calibration.model_dump(mode="json"),
            }
        )
        return
    _print_result(result)


def _print_result(result: "ProfileResult") -> None:
    errors = sorted(abs(residual) for residual in result.calibration.residuals)
    print_lines(
        f"{result.measured} blocks measured in {format_seconds(result.seconds)}, {result.entries} in the table",
        f"whole networks: slope {result.calibration.slope:.3f}, intercept "
        f"{result.calibration.intercept_ms:.4g} ms; {len(errors)} of them, each predicted from all others, are off by "
        f"{sum(errors) / len(errors):.1%} on average, {errors[-1]:.1%} at most",
        f"table: {result.table}",
        *disturbance_lines(result.retaken, result.disturbed),
    )
    if result.unstable:
        print_lines(
            f"unstable: {len(result.unstable)} blocks (machine busy?); repeat the command to time them again"
        )
