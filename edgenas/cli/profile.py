"""`edgenas profile`: measure a device."""

from typing import TYPE_CHECKING, Any

from edgenas.cli.console import disturbance_lines, print_json, print_lines
from edgenas.cli.options import command_of
from edgenas.cli.progress_display import reporting
from edgenas.settings.latency_commands import ProfileSettings
from edgenas.units import counted, format_seconds

if TYPE_CHECKING:
    from edgenas.api.profile import FewSamplesResult, ProfileResult

EXAMPLE = "Example: edgenas profile --device cpu --resolution 224"


@command_of(ProfileSettings)
def run(keywords: dict[str, Any], json: bool) -> None:
    """Time every block of a space on a device, or infer it from a few networks; search then uses the table."""
    from edgenas.api.profile import FewSamplesResult, profile

    with reporting() as progress:
        result = profile(**keywords, progress=progress)
    if json:
        print_json(result)
        return
    inferred = isinstance(result, FewSamplesResult)
    if isinstance(result, FewSamplesResult):
        _print_few(result)
    else:
        _print_result(result)
    print_lines(f"table: {result.table}", *disturbance_lines(result.retaken, result.disturbed))
    if result.boards:
        listed = ", ".join(f"{host} {ratio:.3f}" for host, ratio in result.boards.items())
        print_lines(f"times as a multiple of those of the other boards: {listed}")
    print_lines(*(f"changed meanwhile: {each}" for each in result.changed))
    if result.unstable:
        timed = counted(len(result.unstable), "networks" if inferred else "blocks")
        print_lines(f"unstable: {timed} (machine busy?); repeat the command to time them again")


def _print_result(result: "ProfileResult") -> None:
    print_lines(
        f"{counted(result.measured, 'blocks')} measured in {format_seconds(result.seconds)}, "
        f"{result.entries} in the table"
    )
    for size, calibration in result.calibrations.items():
        errors = sorted(abs(residual) for residual in calibration.residuals)
        at_size = f" of {size} px" if len(result.calibrations) > 1 else ""
        print_lines(
            f"whole networks{at_size}: slope {calibration.slope:.3f}, intercept {calibration.intercept_ms:.4g} ms; "
            f"{len(errors)} of them, each predicted from all others, have errors of "
            f"{sum(errors) / len(errors):.1%} on average, {errors[-1]:.1%} at most"
        )


def _print_few(result: "FewSamplesResult") -> None:
    errors = sorted(abs(residual) for residual in result.calibration.residuals)
    features = sorted(result.views.items(), key=lambda item: -item[1])
    others = counted(len(result.known_devices), "other devices")
    kept = f", {result.samples.kept} kept from earlier profiles" if result.samples.kept else ""
    print_lines(
        f"{counted(result.measured, 'networks')} measured in {format_seconds(result.seconds)}{kept}; "
        f"{counted(result.entries, 'blocks')} inferred from them and from {others}",
        f"predictions are accurate to ±{result.interval.half_width_percent:.1f}% (90 % interval); the {len(errors)} "
        f"networks, each predicted from the others, have errors of {sum(errors) / len(errors):.1%} on average, "
        f"{errors[-1]:.1%} at most",
        result.outlook,
        "probability of each feature set: "
        + ", ".join(f"{name} {weight:.0%}" for name, weight in features if weight > 0.01),
    )
