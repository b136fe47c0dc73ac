"""What is known of a model's latency once it is converted to another precision than the one searched for."""

from collections.abc import Callable
from dataclasses import replace

from edgenas.device import CPU, Device, find_device
from edgenas.device.target import scheme_for, searched_scheme_of
from edgenas.errors import IncompleteTableError
from edgenas.exporting.export_form import ExportForm
from edgenas.latency.latency import Latency
from edgenas.latency.table import find_table
from edgenas.units import format_milliseconds
from edgenas.vocabulary import Precision

Predict = Callable[[Device], Latency]
"""The latency of the model on a device."""

FEW_KERNELS = "fp16 is usually slower than fp32 on processors, for which ONNX Runtime has few fp16 kernels"


def latency_after(
    device: Device, known: Latency, form: ExportForm, predict: Predict
) -> tuple[Latency, Device, str]:
    """The predicted latency of a converted model, the device at the precision that it holds for, and a note on that.

    Args:
        device: at the precision of the file that the search wrote.
        known: the latency at that precision.
        form: converted to.
        predict: asked where the device has a table for that precision.
    """
    precision = form.precision
    found = known if precision == device.precision else _from_table(device, precision, predict)
    note = f"converted to {precision}"
    if found is None:
        return replace(known, measured=None), device, f"{note}; latency is predicted for {device.precision}"
    scheme, timed = scheme_for(form.target, device), searched_scheme_of(device)
    if precision == "int8" and scheme != timed:
        note = f"{note} in the form {scheme.name}; latency is predicted for the form {timed.name}"
    return replace(found, measured=None), find_device(device, precision=precision), note


def slower_in_fp16(device: Device, form: ExportForm, predict: Predict) -> str:
    """Why a model should not be run in fp16, in words; empty if nothing speaks against it.

    Latencies are quoted where the device has tables for both precisions.
    """
    by_onnx_runtime = form.target.name.startswith(("onnxruntime", "ort-"))
    if form.precision != "fp16" or device.provider != CPU or not by_onnx_runtime:
        return ""
    half, full = (_from_table(device, precision, predict) for precision in ("fp16", "fp32"))
    if half is None or full is None:
        return FEW_KERNELS
    if half.predicted <= full.predicted:
        return ""
    took, takes = (format_milliseconds(each.predicted) for each in (full, half))
    return f"fp16 is slower than fp32 on {device.name}: {takes} predicted, against {took}"


def _from_table(device: Device, precision: Precision, predict: Predict) -> Latency | None:
    """The latency by the device's table for a precision; None if it has none, or one that lacks parts of the model."""
    there = find_device(device, precision=precision)
    if find_table(there) is None:
        return None
    try:
        return predict(there)
    except IncompleteTableError:
        return None
