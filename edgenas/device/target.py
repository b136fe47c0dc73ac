"""What runs an exported file: runtimes from a version on, and the ONNX that these read.

Every runtime reads older files than the newest it knows, so a file need only be old enough. Where the usual one is, it
is written; a newer one would bring no operator that these networks use.
"""

from dataclasses import dataclass

from edgenas.board import host
from edgenas.device.device import Device
from edgenas.precision.scheme import SCHEMES, Scheme, scheme_of_provider
from edgenas.space.onnx_graph import USUAL, OnnxVersion
from edgenas.vocabulary import TargetName


@dataclass(frozen=True, slots=True)
class Target:
    """A runtime, from a version on.

    Attributes:
        name: as `--target` takes it.
        title: for people.
        onnx: of the files written for it.
        limits: the newest that it reads, as its makers say.
        sources: where that is said.
        fixed_batch: whether its files must have a batch of fixed size.
        own_format: whether it has a format of its own, into which the ONNX file is converted.
        tensorrt: major and minor version, if it is TensorRT.
        scheme: how its int8 models are quantised, or what the names of such schemes begin with; None: as the device's.
    """

    name: TargetName
    title: str
    onnx: OnnxVersion
    limits: str
    sources: tuple[str, ...]
    fixed_batch: bool = False
    own_format: bool = False
    tensorrt: tuple[int, int] | None = None
    scheme: str | None = None


_ONNX_TENSORRT = "https://github.com/onnx/onnx-tensorrt/blob/{}/docs/operators.md"
_ONNX_RUNTIME = "https://onnxruntime.ai/docs/reference/compatibility.html"

_ALL = (
    Target(
        "onnxruntime",
        "ONNX Runtime 1.12 or later",
        USUAL,
        "opset 17, IR 8 (1.15: opset 19, IR 8)",
        (_ONNX_RUNTIME,),
    ),
    Target(
        "onnxruntime-1.11",
        "ONNX Runtime 1.11 (JetPack 4.6)",
        OnnxVersion(16, 8),
        "opset 16, IR 8",
        (_ONNX_RUNTIME, "https://elinux.org/Jetson_Zoo#ONNX_Runtime"),
    ),
    Target(
        "onnxruntime-web",
        "ONNX Runtime Web (WebAssembly) 1.12 or later",
        USUAL,
        "as ONNX Runtime: its WebAssembly has all operators of ONNX",
        (_ONNX_RUNTIME, "https://www.npmjs.com/package/onnxruntime-web"),
        scheme="x86-64",  # its kernels give the same as those of x86, bit by bit, where activations are uint8
    ),
    Target(
        "tensorrt",
        "TensorRT 10 (JetPack 6.1 or later)",
        USUAL,
        "opset 9 to 20 (10.0), to 24 (10.15)",
        (
            _ONNX_TENSORRT.format("release/10.15-GA"),
            "https://docs.pytorch.org/TensorRT/getting_started/jetpack.html: JetPack 6.1 has TensorRT 10.3",
        ),
        tensorrt=(10, 0),
        scheme="tensorrt",
    ),
    Target(
        "tensorrt-8.6",
        "TensorRT 8.6 (JetPack 6.0)",
        USUAL,
        "opset 17",
        (_ONNX_TENSORRT.format("release/8.6-GA"), "https://developer.nvidia.com/embedded/jetpack-sdk-60"),
        tensorrt=(8, 6),
        scheme="tensorrt",
    ),
    Target(
        "tensorrt-8.5",
        "TensorRT 8.5 (JetPack 5.1)",
        USUAL,
        "opset 17, the first with HardSwish",
        (_ONNX_TENSORRT.format("release/8.5-GA"), "https://developer.nvidia.com/embedded/jetpack-sdk-51"),
        tensorrt=(8, 5),
        scheme="tensorrt",
    ),
    Target(
        "tensorrt-8.2",
        "TensorRT 8.2 (JetPack 4.6.1)",
        OnnxVersion(13, 7),
        "opset 13; IR 7 is that of the ONNX release that has opset 13 (1.8)",
        (_ONNX_TENSORRT.format("release/8.2-GA"), "https://developer.nvidia.com/jetpack-sdk-461"),
        tensorrt=(8, 2),
        scheme="tensorrt",
    ),
    Target(
        "openvino",
        "OpenVINO 2024 or later",
        USUAL,
        "not stated; each operator is listed with its versions",
        ("https://github.com/openvinotoolkit/openvino/blob/master/src/frontends/onnx/docs/supported_ops.md",),
        own_format=True,
        scheme="x86-64",
    ),
    Target(
        "ort-mobile",
        "ONNX Runtime's .ort format (1.13 or later)",
        USUAL,
        "version 5 of the format, whose operators are those of the version of ONNX Runtime that reads it",
        ("https://onnxruntime.ai/docs/performance/model-optimizations/ort-format-models.html",),
        own_format=True,
        scheme="arm64",
    ),
    Target(
        "litert",
        "LiteRT (TensorFlow Lite)",
        USUAL,
        "no ONNX: it is converted from the PyTorch module",
        ("https://github.com/google-ai-edge/litert-torch",),
        fixed_batch=True,
        own_format=True,
    ),
)

TARGETS: dict[TargetName, Target] = {each.name: each for each in _ALL}

_OF_RUNTIME: dict[str, TargetName] = {"tensorrt": "tensorrt", "tflite": "litert"}


def target_of(device: Device) -> Target:
    """What files for a device are for: as its file says, else as its runtime asks for."""
    return TARGETS[device.target or _OF_RUNTIME.get(device.runtime, "onnxruntime")]


def searched_target_of(device: Device) -> Target:
    """What the files that a search writes are for; formats other than ONNX are left to `edgenas export`."""
    target = target_of(device)
    return TARGETS["onnxruntime"] if target.own_format else target


def scheme_for(target: Target, device: Device) -> Scheme:
    """How int8 models for a target are quantised, where the device is to run them."""
    own = _scheme_of_runtime(device)
    return own if target.scheme is None or own.name.startswith(target.scheme) else SCHEMES[target.scheme]


def searched_scheme_of(device: Device) -> Scheme:
    """How int8 models are quantised that are timed for a search, evaluated by it, and written as its files."""
    return scheme_for(searched_target_of(device), device)


def _scheme_of_runtime(device: Device) -> Scheme:
    if device.runtime == "tensorrt":
        return SCHEMES["tensorrt"]
    processor = device.processor or (host.instructions() if device.is_host else "arm64")
    return scheme_of_provider(device.provider, processor)
