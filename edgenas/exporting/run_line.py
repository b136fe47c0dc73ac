"""The line that runs an exported file on what it was made for."""

import json
from pathlib import Path
from typing import NamedTuple

from edgenas.board.trtexec import DIALECTS
from edgenas.device import CPU, Device
from edgenas.exporting.export_form import ExportForm

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"


class RunLine(NamedTuple):
    """A line of `sh`, `python` or `javascript`, to be run in the folder of the file."""

    language: str
    text: str


def run_line(file: str, shape: tuple[int, ...], form: ExportForm, device: Device) -> RunLine:
    """How to run a file.

    Args:
        file: name of the ONNX file; those in the target's own format lie beside it.
        shape: of the input of one call, batch first.
        form: of the file.
        device: where it was made to run.
    """
    match form.target.name:
        case "openvino":
            dims = "" if form.has_fixed_shape else f' -shape "{form.input_name}[{",".join(map(str, shape))}]"'
            return RunLine("sh", f"benchmark_app -m {_beside(file, '.xml')} -d CPU -hint latency{dims}")
        case "litert":
            name = json.dumps(_beside(file, ".tflite"))
            return RunLine("python", f"interpreter = ai_edge_litert.interpreter.Interpreter({name})")
        case "ort-mobile":
            return _session(_beside(file, ".ort"), [CPU])
        case "onnxruntime-web":
            text = f"const session = await ort.InferenceSession.create({json.dumps(file)});"
            return RunLine("javascript", text)
    if form.target.tensorrt is not None:
        return RunLine("sh", _trtexec(file, shape, form, device, form.target.tensorrt))
    return _session(file, _providers(device))


def _beside(file: str, suffix: str) -> str:
    return str(Path(file).with_suffix(suffix))


def _session(file: str, providers: list[object]) -> RunLine:
    """A session of ONNX Runtime."""
    text = f"session = onnxruntime.InferenceSession({json.dumps(file)}, providers={providers!r})"
    return RunLine("python", text.replace("'", '"'))


def _providers(device: Device) -> list[object]:
    """Of ONNX Runtime, with their options; CUDA takes what TensorRT cannot build."""
    if device.provider == TENSORRT:
        return [(TENSORRT, {"trt_fp16_enable": device.precision == "fp16"}), CUDA]
    return [CUDA if device.uses_gpu else CPU]


def _trtexec(
    file: str, shape: tuple[int, ...], form: ExportForm, device: Device, version: tuple[int, int]
) -> str:
    """A fp32 file for a device of fp16 comes with the leave to compute in fp16."""
    dialect = next(each for each in DIALECTS if version >= each.since)
    flags = {"fp32": (), "fp16": dialect.fp16, "int8": dialect.int8}[form.precision]
    if form.precision == "fp32" and device.precision == "fp16":
        flags = ("--fp16",)
    shapes = () if form.has_fixed_shape else (f"--shapes={form.input_name}:{'x'.join(map(str, shape))}",)
    engine = f"--saveEngine={_beside(file, '.engine')}"
    return " ".join(("trtexec", f"--onnx={file}", *shapes, *flags, engine))
