"""`edgenas profile`: measure a device."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgenas.cli.console import disturbance_lines, print_json, print_lines, reporting
from edgenas.cli.options import (
    ActivationName,
    BatchOption,
    ClassesOption,
    DeviceOption,
    JsonOption,
    PowerModeOption,
    PrecisionOption,
    SeedOption,
    SqueezeExciteOption,
    ThreadsOption,
    WidthOption,
)
from edgenas.units import format_seconds

if TYPE_CHECKING:
    from edgenas.api.profile import ProfileResult
    from edgenas.profiling.few_samples import FewSamplesReport

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
    power_mode: PowerModeOption = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Time only so many whole networks, such as 10, and infer what every block costs."),
    ] = None,
    networks: Annotated[
        int | None, typer.Option(help="Whole networks timed to calibrate the blocks' sum; default 80.")
    ] = None,
    width: WidthOption = 1.0,
    squeeze_excite: SqueezeExciteOption = False,
    activation: Annotated[
        ActivationName | None, typer.Option(help="Activation of every layer; default relu6.")
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Time every block of a space on a device, or infer it from a few networks; search then uses the table."""
    from edgenas.api.profile import profile

    with reporting() as progress:
        result = profile(
            device,
            space,
            resolution=resolution,
            classes=classes,
            threads=threads,
            precision=precision.value if precision else None,
            batch=batch,
            power_mode=power_mode,
            samples=samples,
            networks=networks,
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
                **(_few_as_json(result.few_samples) if result.few_samples else {}),
            }
        )
        return
    if result.few_samples:
        _print_few(result, result.few_samples)
    else:
        _print_result(result)
    print_lines(f"table: {result.table}", *disturbance_lines(result.retaken, result.disturbed))
    if result.unstable:
        timed = "networks" if result.few_samples else "blocks"
        print_lines(
            f"unstable: {len(result.unstable)} {timed} (machine busy?); repeat the command to time them again"
        )


def _print_result(result: "ProfileResult") -> None:
    errors = sorted(abs(residual) for residual in result.calibration.residuals)
    print_lines(
        f"{result.measured} blocks measured in {format_seconds(result.seconds)}, {result.entries} in the table",
        f"whole networks: slope {result.calibration.slope:.3f}, intercept "
        f"{result.calibration.intercept_ms:.4g} ms; {len(errors)} of them, each predicted from all others, are off by "
        f"{sum(errors) / len(errors):.1%} on average, {errors[-1]:.1%} at most",
    )


def _print_few(result: "ProfileResult", found: "FewSamplesReport") -> None:
    inferred = found.inferred
    errors = sorted(abs(residual) for residual in result.calibration.residuals)
    views = sorted(inferred.inference.views.items(), key=lambda item: -item[1])
    kept = f", {found.kept} known from before" if found.kept else ""
    print_lines(
        f"{found.measured} networks measured in {format_seconds(result.seconds)}{kept}; from them and from "
        f"{len(inferred.inference.known_devices)} other devices {result.entries} blocks inferred",
        f"a network takes what is predicted within {inferred.half_width:.1%} (90 % interval); each of the "
        f"{len(errors)}, predicted from the others, is off by {sum(errors) / len(errors):.1%} on average, "
        f"{errors[-1]:.1%} at most",
        inferred.outlook,
        "features believed to cost time: "
        + ", ".join(f"{name} {weight:.0%}" for name, weight in views if weight > 0.01),
    )


def _few_as_json(found: "FewSamplesReport") -> dict[str, Any]:
    inference = found.inferred.inference
    return {
        "samples": {"measured": found.measured, "kept": found.kept},
        "interval": {
            "low": inference.low_factor,
            "high": inference.high_factor,
            "half_width_percent": 100 * found.inferred.half_width,
        },
        "halving_samples": found.inferred.halving,
        "halving_reason": None if found.inferred.halving else found.inferred.outlook,
        "noise_percent": 100 * inference.noise,
        "views": inference.views,
        "known_devices": inference.known_devices,
        "provenance": "calibrated",
    }
