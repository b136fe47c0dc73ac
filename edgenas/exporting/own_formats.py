"""Files in a target's own format, beside the ONNX file that they come from; each is run and compared with it."""

import copy
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgenas.board.onnx_sessions import CPU, OnnxLoader
from edgenas.errors import InputError, VerificationError, first_line, is_full, unwritable
from edgenas.exporting.export_form import ExportForm
from edgenas.formats import write_bytes
from edgenas.vocabulary import Precision, TargetName

Images = NDArray[np.float32] | NDArray[np.uint8]

TOLERANCES: dict[Precision, float] = {"fp32": 1e-3, "fp16": 0.02, "int8": 0.1}
"""Largest accepted difference of logits, as a share of the largest: runtimes add up, and round, in another order."""

BYTES_SINCE = (8, 5)
"""First version of TensorRT whose inputs may be uint8."""

_EXTRAS: dict[TargetName, tuple[str, str]] = {
    "openvino": ("openvino", "openvino"),
    "litert": ("litert_torch", "litert"),
}
"""The package that a target needs, and the extra that brings it."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a file in another format is made of.

    Attributes:
        onnx: the finished ONNX file.
        form: of it.
        network: the module, in evaluation mode, on the CPU.
        images: normalised, (N, C, H, W).
        classes: their names.
    """

    onnx: Path
    form: ExportForm
    network: nn.Module
    images: Tensor
    classes: Sequence[str]

    @property
    def batch(self) -> Images:
        """Images of one call: those given, repeated where they are too few, or noise as of a camera."""
        size, camera = self.form.batch or len(self.images), self.form.camera
        if camera is None:
            return np.resize(self.images.numpy(), (size, *self.images.shape[1:]))
        axes = camera.likely_shape(self.images.shape[1], self.images.shape[2])
        return np.random.default_rng(0).integers(0, 256, (size, *axes), np.uint8)

    def beside(self, suffix: str) -> Path:
        """A file beside the ONNX file."""
        return self.onnx.with_suffix(suffix)


class _Format(NamedTuple):
    """How files are written, the one that is loaded first, and how it is run."""

    write: Callable[[Source], tuple[Path, ...]]
    run: Callable[[Path, Images], NDArray[np.float32]]


def check_can_write(form: ExportForm) -> None:
    """Raise an InputError if files for the target cannot be written, as a package is missing or in this precision."""
    name = form.target.name
    if form.camera is not None and form.target.tensorrt is not None and form.target.tensorrt < BYTES_SINCE:
        raise InputError(
            f"--target {name} takes no uint8 input, which TensorRT has since 8.5",
            "leave out --embed-preprocessing",
        )
    if name == "litert" and form.camera is not None:
        raise InputError(
            "--target litert is converted from the PyTorch module, which takes prepared pictures",
            "leave out --embed-preprocessing, or use --target ort-mobile",
        )
    if name == "litert" and form.precision != "fp32":
        raise InputError(
            f"--target litert is converted from the PyTorch module, in fp32, not {form.precision}",
            "give --precision fp32, or use --target ort-mobile",
        )
    package, extra = _EXTRAS.get(name, ("", ""))
    if package and find_spec(package) is None:
        raise InputError(
            f"--target {name} needs the package {package}", f"install it: pip install 'edgenas[{extra}]'"
        )


def write_own_format(source: Source) -> tuple[Path, ...]:
    """Write the files of the target's own format; none for a target that reads ONNX.

    Converters write where nobody looks: a file has its name once it is whole and computes what the ONNX file does.

    Raises:
        VerificationError: the converter fails, or its file computes something else than the ONNX file.
        UnwritableError: the files cannot be written.
    """
    if source.form.target.name not in _FORMATS:
        return ()
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder:
        apart = replace(source, onnx=Path(folder, source.onnx.name))
        write_bytes(apart.onnx, source.onnx.read_bytes())
        made = _converted(apart)
        paths = tuple(source.onnx.with_name(each.name) for each in made)
        for path, each in zip(paths, made, strict=True):
            write_bytes(path, each.read_bytes())
    return paths


def _converted(source: Source) -> tuple[Path, ...]:
    """The files in the target's own format, written beside the ONNX file and verified."""
    name = source.form.target.name
    try:
        with _silent():
            paths = _FORMATS[name].write(source)
            found = _FORMATS[name].run(paths[0], source.batch)
    except Exception as error:  # the converters' exceptions have no common base class
        if is_full(error):
            raise unwritable(error) from None
        raise VerificationError(
            f"{source.onnx.name} cannot be converted for {name} ({first_line(error)})",
            "use --target onnxruntime, or another version of the converter's package",
        ) from error
    _check_same(source, found)
    return paths


@contextmanager
def _silent() -> Iterator[None]:
    """Drop what converters, and libraries below them, tell of their steps."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
            os.dup2(nothing.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _check_same(source: Source, found: NDArray[np.float32]) -> None:
    feeds = {source.form.input_name: source.batch}
    expected = OnnxLoader(CPU, threads=1).load(source.onnx.read_bytes(), feeds).run()[0]
    same_shape = found.shape == expected.shape
    off = float(np.abs(found - expected).max() / np.abs(expected).max()) if same_shape else float("inf")
    allowed = TOLERANCES[source.form.precision]
    if not off <= allowed:
        raise VerificationError(
            f"{source.onnx.name}: the file for {source.form.target.name} differs from it by {off:.2g} of the largest "
            f"logit (at most {allowed:g} passes)",
            "use --target onnxruntime, or another version of the converter's package",
        )


def _write_ort(source: Source) -> tuple[Path, ...]:
    """ONNX Runtime's format, and the operators that a build reduced to them must have."""
    from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

    convert_onnx_models_to_ort(
        source.onnx, optimization_styles=[OptimizationStyle.Fixed], target_platform="arm"
    )
    return source.beside(".ort"), source.beside(".required_operators.config")


def _run_ort(path: Path, images: Images) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=[CPU])
    (given,) = session.get_inputs()
    return np.asarray(session.run(None, {given.name: images})[0])


def _openvino() -> Any:
    """The package; without its telemetry, which reports each import and keeps an id in the user's home."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed
    import openvino

    return openvino


def _write_openvino(source: Source) -> tuple[Path, ...]:
    """OpenVINO's format; class names as its Model API reads them: separated by spaces, which none may have."""
    openvino = _openvino()
    model = openvino.Core().read_model(source.onnx)
    if source.form.names_classes:
        names = " ".join("_".join(name.split()) for name in source.classes)
        model.set_rt_info(names, ["model_info", "labels"])
        model.set_rt_info("Classification", ["model_info", "model_type"])
    openvino.save_model(model, source.beside(".xml"), compress_to_fp16=False)
    return source.beside(".xml"), source.beside(".bin")


def _run_openvino(path: Path, images: Images) -> NDArray[np.float32]:
    openvino = _openvino()
    # Left to itself it computes in bfloat16 where the processor can.
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(images)[0])


def _write_litert(source: Source) -> tuple[Path, ...]:
    """LiteRT's format; class names one a line, as its examples read them."""
    import litert_torch

    batch = torch.from_numpy(source.batch)
    litert_torch.convert(copy.deepcopy(source.network), (batch,)).export(str(source.beside(".tflite")))
    if not source.form.names_classes:
        return (source.beside(".tflite"),)
    lines = "".join(f"{' '.join(name.split())}\n" for name in source.classes)
    write_bytes(source.beside(".labels.txt"), lines.encode())
    return source.beside(".tflite"), source.beside(".labels.txt")


def _run_litert(path: Path, images: Images) -> NDArray[np.float32]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (given,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(given["index"], images)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(found["index"]))


_FORMATS: dict[TargetName, _Format] = {
    "ort-mobile": _Format(_write_ort, _run_ort),
    "openvino": _Format(_write_openvino, _run_openvino),
    "litert": _Format(_write_litert, _run_litert),
}
