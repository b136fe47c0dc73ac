"""`edgenas devices`: listing devices; `edgenas devices add`: describing a new one."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgenas.cli.completion import device_names
from edgenas.cli.console import print_json, print_lines, print_table
from edgenas.cli.options import JsonOption, command_of
from edgenas.settings.latency_commands import DevicesAddSettings

if TYPE_CHECKING:
    from edgenas.api.devices import DeviceInfo, TableInfo

EXAMPLE = "Example: edgenas devices jetson"
ADD_EXAMPLE = "Example: edgenas devices add my-board --ssh pi@raspberrypi.local"


def run(
    name: Annotated[
        str | None, typer.Argument(help="Device to show; default: all.", autocompletion=device_names)
    ] = None,
    json: JsonOption = False,
) -> None:
    """List devices, their latency tables and the provenance of their latencies."""
    from edgenas.api.devices import devices

    result = devices(name)
    if json:
        print_json(result)
        return
    columns = ("device", "aliases", "runtime", "precision", "threads", "latencies", "tables")
    print_table("devices", columns, [_row(info) for info in result.devices], wrapped=("aliases",))
    print_lines(*(f"{each.name} cannot be used: {each.problem}" for each in result.damaged))
    if name:
        _print_details(result.devices[0])


@command_of(DevicesAddSettings)
def add(keywords: dict[str, Any], json: bool) -> None:
    """Look at a board, or at this machine, and describe it in a device file."""
    from edgenas.api.devices_add import devices_add

    result = devices_add(**keywords)
    if json:
        print_json(result)
        return
    facts = result.facts
    print_lines(
        f"{result.device}: {result.description}",
        f"processor: {facts.processor}, {facts.cores} cores, {facts.machine}; "
        f"{facts.memory_bytes / 2**30:.1f} GiB of memory",
        *([f"GPU: {facts.gpu}"] if facts.gpu else []),
        f"power mode: {result.power_mode}",
        *([f"L4T: {facts.l4t}"] if facts.l4t else []),
        f"Python {facts.python}, numpy {facts.numpy or '-'}, ONNX Runtime {facts.onnxruntime or '-'} "
        f"({', '.join(facts.providers) or 'no providers'})",
        f"written: {result.file}",
    )
    if result.problem:
        print_lines(f"it cannot measure yet: {result.problem}", result.next)
    else:
        print_lines(f"next, with the sizes and classes of your images: {result.next}")


def _row(info: "DeviceInfo") -> tuple[str, ...]:
    return (
        info.name,
        ", ".join(info.aliases) or "-",
        info.runtime,
        info.precision,
        str(info.threads),
        info.provenance,
        str(len(info.tables)),
    )


def _print_details(info: "DeviceInfo") -> None:
    sheet = info.datasheet
    print_lines(
        info.description,
        f"power mode: {info.power_mode}{_other_modes(info)}",
        f"exported files are for {info.target}",
        f"peak {sheet.peak_gflops:g} GFLOP/s, {sheet.memory_bandwidth_gb_s:g} GB/s, "
        f"{sheet.kernel_launch_us:g} us per kernel",
        *_calibration_lines(info),
        *(f"source: {source}" for source in info.sources),
        *(f"table: {_table_text(item)}" for item in info.tables),
    )


def _other_modes(device: "DeviceInfo") -> str:
    others = [mode for mode in device.power_modes if mode != device.power_mode]
    return f" (also: {', '.join(others)})" if others else ""


def _calibration_lines(device: "DeviceInfo") -> list[str]:
    fitted = device.calibrated
    if fitted is None:
        return []
    return [
        f"calibrated for {fitted.precision}, threads {fitted.threads}, batch {fitted.batch}, {fitted.power_mode}, "
        f"on {fitted.networks} networks: median error of left-out networks {fitted.median_error_percent:g} % "
        f"(Spearman {fitted.spearman:g})",
        *(f"figures: {figures}" for figures in fitted.figures),
    ]


def _table_text(item: "TableInfo") -> str:
    return item.problem or f"{item.path} ({item.history})"
