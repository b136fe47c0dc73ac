"""ONNX files of torchvision's networks: are all multiplications found, and how far is the datasheet from the clock?

    python benchmarks/any_onnx.py [NETWORK ...] [--measure] [--devices jetson pi5 cpu]

Each network is built without weights and exported by torch. Its multiply-accumulates are compared with fvcore's
count and with the figure torchvision publishes. `--measure` also times each with ONNX Runtime on this processor, one
thread: keep the machine idle for it.
"""

import argparse
import math
import statistics
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from fvcore.nn import FlopCountAnalysis
from scipy.stats import spearmanr
from torchvision import models

from edgenas import predict
from edgenas.device.onnx_runtime import OnnxRuntime

NETWORKS = (
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet0_5", "mnasnet1_0", "shufflenet_v2_x1_0",
    "squeezenet1_1", "resnet18", "resnet50", "efficientnet_b0", "regnet_y_400mf", "densenet121", "googlenet",
    "convnext_tiny", "swin_t", "vit_b_16",
)  # fmt: skip
PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "einsum")
SECONDS = 4.0


warnings.simplefilter("ignore", FutureWarning)


def export(network: torch.nn.Module, path: Path) -> None:
    """Write the network as torch exports it, with a dynamic batch axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 224, 224),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            dynamic_axes={"input": {0: "batch"}},
        )


def fvcore_macs(network: torch.nn.Module) -> int:
    """What fvcore counts of convolutions and matrix products."""
    analysis = FlopCountAnalysis(network, torch.zeros(1, 3, 224, 224))
    counts = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    return sum(int(counts[name]) for name in PRODUCTS)


def published_gmacs(name: str) -> float:
    """What torchvision publishes, 10^9."""
    return float(models.get_model_weights(name).DEFAULT.meta["_ops"])


def measured_ms(path: Path) -> float:
    """Median of the bursts' minima, over some seconds."""
    feed = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    session = OnnxRuntime().load(path.read_bytes(), {"input": feed})
    session.time_ms(3)
    minima, end = [], time.monotonic() + SECONDS
    while time.monotonic() < end or len(minima) < 3:
        minima.append(float(session.time_ms(5).min()))
    return statistics.median(minima)


def show(name: str, path: Path, devices: list[str], measure: bool) -> tuple[float, float] | None:
    """Print a row; predicted (on `cpu`) and measured milliseconds where measured."""
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    network = models.get_model(name, weights=None, **options).eval()
    export(network, path)
    started = time.perf_counter()
    found = [predict(path, device) for device in devices]
    seconds = (time.perf_counter() - started) / len(devices)
    counted = fvcore_macs(network)
    kinds = ", ".join(
        f"{n} {kind}" for kind, n in Counter(layer.kind for layer in found[0].layers).most_common()
    )
    row = f"{name:20} {found[0].macs / 1e6:9.2f} {found[0].macs / counted - 1:+8.3%} "
    row += f"{found[0].macs / 1e9 / published_gmacs(name) - 1:+8.2%} {len(found[0].layers):5} "
    row += "".join(f"{prediction.latency.predicted_ms:9.2f}" for prediction in found) + f" {seconds:6.2f}"
    pair = None
    if measure:
        pair = (predict(path, "cpu", threads=1).latency.predicted_ms, measured_ms(path))
        row += f" {pair[1]:9.2f} {pair[0] / pair[1] - 1:+8.0%}"
    unknown = ", ".join(found[0].unknown_operators)
    print(f"{row}  {kinds}{unknown and '; unknown: '}{unknown}", flush=True)
    return pair


def main() -> None:
    """Print the table, and what the measured ones come to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--devices", nargs="+", default=["jetson", "pi5"])
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    print(f"{'':20} {'MMACs':>9} {'fvcore':>8} {'publ.':>8} {'kern.':>5} ", end="")
    print("".join(f"{device[:8]:>9}" for device in options.devices), f"{'s':>6}", end="")
    print(f" {'cpu, ms':>9} {'off by':>8}" if options.measure else "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        pairs = [show(name, path, options.devices, options.measure) for name in options.networks]
    timed = [pair for pair in pairs if pair]
    if len(timed) > 2:
        predicted, measured = zip(*timed, strict=True)
        factors = [p / m for p, m in timed]
        level = math.exp(statistics.median(map(math.log, factors)))
        spread = statistics.median(abs(factor / level - 1) for factor in factors)
        print(
            f"cpu: {statistics.median(abs(f - 1) for f in factors):.0%} off in the median, between "
            f"{min(factors):.2f} and {max(factors):.2f} times the clock; {spread:.0%} once scaled by "
            f"{1 / level:.2f}; Spearman {spearmanr(predicted, measured).statistic:.3f}"
        )


if __name__ == "__main__":
    main()
