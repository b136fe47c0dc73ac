"""Names that settings take and files hold, below all rooms: a command line knows them without loading any."""

from typing import Literal

Activation = Literal["relu6", "hswish", "relu"]
"""After every convolution of a network but the last of a block."""

Precision = Literal["fp32", "fp16", "int8"]
"""Of a model's weights and arithmetic; int8 is quantised and dequantised in pairs (QDQ)."""

Metric = Literal["top-1", "macro-f1", "macro-precision", "macro-recall"]
"""What accuracy means."""

Objective = Literal["accuracy", "latency", "params", "macs", "peak-memory"]
"""What may be optimised: accuracy is maximised, all else minimised."""

Sampling = Literal["anchored", "uniform", "fair", "sandwich"]
"""Which paths of a supernet a training step samples; see docs/accuracy.md."""

Gates = Literal["full", "two-path", "single-path", "darts", "gumbel"]
"""How the gradient searcher estimates the gradient of a choice; see docs/searching.md."""

LatencyLoss = Literal["constraint", "mul#log", "add#linear"]
"""How latency enters the gradient searcher: a constraint with a learnt multiplier, or ProxylessNAS's fixed weights."""

Missing = Literal["refuse", "interpolate"]
"""What a predictor does about blocks that the latency table lacks."""

LatencyProtocol = Literal["all", "help"]
"""Which networks of a published table are sampled and which are predicted; see `edgenas.benchmark_latency`."""
