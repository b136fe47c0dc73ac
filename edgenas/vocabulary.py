"""Names used in settings and files, below all rooms: the command line needs them without loading any room."""

from typing import Literal

Activation = Literal["relu6", "hswish", "relu"]
"""Activation after every convolution of a network except the last one of a block."""

Precision = Literal["fp32", "fp16", "int8"]
"""Precision of a model's weights and arithmetic; int8 models have quantise/dequantise pairs (QDQ)."""

TargetName = Literal[
    "onnxruntime",
    "onnxruntime-1.11",
    "onnxruntime-web",
    "tensorrt",
    "tensorrt-8.6",
    "tensorrt-8.5",
    "tensorrt-8.2",
    "openvino",
    "ort-mobile",
    "litert",
]
"""What an exported file is for; `device/target.py` tells what each reads."""

Processor = Literal["x86-64", "x86-64-vnni", "arm64"]
"""Instructions that decide how int8 models are quantised for a processor."""

Fit = Literal["crop", "pad", "stretch"]
"""How a picture becomes a square: its centre; all of it, with margins; or distorted."""

CameraLayout = Literal["nhwc", "nchw"]
"""Order of the axes of a camera's pictures: channels last or first."""

Embedding = Literal["none", "nhwc", "nchw"]
"""Whether an exported file has the preprocessing inside, and the layout of the pictures it then takes."""

Channels = Literal[1, 3]
"""Channels of the images: grey or RGB."""

Metric = Literal["top-1", "macro-f1", "macro-precision", "macro-recall"]
"""The metric that accuracy refers to."""

Objective = Literal["accuracy", "latency", "params", "macs", "peak-memory"]
"""What can be optimised: accuracy is maximised, the others are minimised."""

Sampling = Literal["anchored", "uniform", "fair", "sandwich"]
"""How a training step samples paths of a supernet; see docs/accuracy.md."""

Tuned = Literal["network", "classifier"]
"""What is trained of pretrained weights."""

Gates = Literal["full", "two-path", "single-path", "darts", "gumbel"]
"""How the gradient searcher estimates the gradients of choices; see docs/searching.md."""

LatencyLoss = Literal["constraint", "mul#log", "add#linear"]
"""How latency enters the gradient searcher: a constraint with a learnt multiplier, or ProxylessNAS's fixed weights."""

Missing = Literal["refuse", "interpolate"]
"""How a predictor treats blocks that are missing from the latency table."""

LatencyProtocol = Literal["all", "help"]
"""Which networks of a published table are sampled and which are predicted; see `edgenas.benchmark_latency`."""

DEVICE_NAME, MAX_DEVICE_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$", 64
"""Also the name of its file, and its most characters."""

RUN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""Also the name of its folder."""

MODEL_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$"
"""Of an architecture ten hex digits, of a baseline its name; the names of its files begin with it."""

SHA256 = r"^[0-9a-f]{64}$"

_USER, _NAME = "([A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}@)?", "[A-Za-z0-9][A-Za-z0-9_.-]{0,252}"

SSH_HOST = rf"^({_USER}{_NAME}|ssh://{_USER}({_NAME}|\[[0-9A-Fa-f:.]{{2,45}}\])(:[0-9]{{1,5}})?)$"
"""USER@HOST, ssh://USER@HOST:PORT, or a name of ssh's configuration: nothing that ssh takes for an option, and nothing
that means something to a shell, in which ssh's configuration may use it."""

SSH_PYTHON = r"^(~/)?[A-Za-z0-9_./][A-Za-z0-9_./+-]{0,200}$"
"""An interpreter on a board; it becomes part of a command of the board's shell."""
