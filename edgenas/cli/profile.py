"""`edgenas profile`: measure a device."""

from typing import Annotated

import typer

from edgenas.cli.console import print_json, print_lines, reporting
from edgenas.cli.options import (
    ActivationName,
    ActivationOption,
    DeviceOption,
    JsonOption,
    SeedOption,
    SqueezeExciteOption,
    ThreadsOption,
    WidthOption,
)
from edgenas.units import format_seconds

EXAMPLE = "Example: edgenas profile --device cpu --resolution 224"


def run(
    device: DeviceOption,
    space: Annotated[str, typer.Option(help="Search space whose blocks are timed.")] = "mbconv",
    resolution: Annotated[int, typer.Option(help="Rows and columns of the images.")] = 224,
    classes: Annotated[
        int | None, typer.Option(min=2, help="Classes; default 10 up to 64 px, else 1000.")
    ] = None,
    threads: ThreadsOption = None,
    precision: Annotated[str | None, typer.Option(help="Precision; must be the device's own.")] = None,
    samples: Annotated[int, typer.Option(help="Whole networks timed for the calibration.")] = 10,
    width: WidthOption = 1.0,
    squeeze_excite: SqueezeExciteOption = False,
    activation: ActivationOption = ActivationName.relu6,
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
            precision=precision,
            samples=samples,
            width=width,
            squeeze_excite=squeeze_excite,
            activation=activation.value,
            seed=seed,
            progress=progress,
        )
    worst = max(abs(residual) for residual in result.calibration.residuals)
    if json:
        print_json(
            {
                "table": str(result.table),
                "entries": result.entries,
                "measured": result.measured,
                "seconds": round(result.seconds, 3),
                "unstable_entries": len(result.unstable),
                "unstable": result.unstable,
                "calibration": result.calibration.model_dump(mode="json"),
            }
        )
        return
    print_lines(
        f"{result.measured} blocks measured in {format_seconds(result.seconds)}, {result.entries} in the table",
        f"whole networks: slope {result.calibration.slope:.3f}, intercept "
        f"{result.calibration.intercept_ms:.4g} ms, predicted within {worst:.1%} when left out",
        f"table: {result.table}",
    )
    if result.unstable:
        print_lines(f"unstable: {len(result.unstable)} blocks (machine busy?); see edgenas doctor")
