"""ONNX files of torchvision's networks: are all multiplications found, and how far is the prediction from the clock?

    edgenas profile --device cpu --resolution 32   # once: times the fragments that predictions rest on
    python benchmarks/any_onnx.py [NETWORK ...] [--measure] [--static] [--devices jetson pi5 cpu]

Each network is built without weights and exported by torch, its batch left open or, with `--static`, fixed. Its
multiply-accumulates are compared with fvcore's count and with the figure torchvision publishes. `--measure` also times
each with ONNX Runtime on this processor, one thread, and compares with what is predicted for `cpu`: keep the machine
idle for it. Acceptance, over twelve of them: median error at most 8 %, each within 20 %, Spearman at least 0.98.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from fvcore.nn import FlopCountAnalysis
from torchvision import models

from edgenas import predict
from edgenas.device.onnx_process import OnnxProcess
from edgenas.latency.agreement import Agreement, agreement
from edgenas.latency.latency import Latency

ACCEPTANCE = (
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet0_5", "mnasnet1_0", "shufflenet_v2_x1_0",
    "squeezenet1_1", "resnet18", "resnet50", "efficientnet_b0", "regnet_y_400mf", "densenet121",
)  # fmt: skip
OTHERS = (
    "googlenet", "vgg11", "regnet_x_800mf", "efficientnet_v2_s", "convnext_tiny", "swin_t", "vit_b_16",
)  # fmt: skip
MOST_IN_THE_MEDIAN, MOST, LEAST_SPEARMAN = 0.08, 0.20, 0.98
PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "einsum")
SECONDS = 4.0


warnings.simplefilter("ignore", FutureWarning)


class Timed(NamedTuple):
    """A network's latency, as predicted and as timed."""

    name: str
    predicted: Latency
    measured_ms: float

    @property
    def error(self) -> float:
        """As a share of what was measured."""
        return self.predicted.predicted / self.measured_ms - 1


def export(network: torch.nn.Module, path: Path, static: bool = False) -> None:
    """Write the network as torch exports it, with a dynamic batch axis or a fixed batch of 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 224, 224),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            dynamic_axes=None if static else {"input": {0: "batch"}},
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
    session = OnnxProcess().load(path.read_bytes(), {"input": feed})
    session.time_ms(3)
    minima, end = [], time.monotonic() + SECONDS
    while time.monotonic() < end or len(minima) < 3:
        minima.append(float(session.time_ms(5).min()))
    return statistics.median(minima)


def show(name: str, path: Path, options: argparse.Namespace) -> Timed | None:
    """Print a row; what is predicted for `cpu`, and the clock, where that is asked."""
    arguments = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    network = models.get_model(name, weights=None, **arguments).eval()
    export(network, path, options.static)
    started = time.perf_counter()
    found = [predict(path, device) for device in options.devices]
    seconds = (time.perf_counter() - started) / len(found)
    counted = fvcore_macs(network)
    kinds = ", ".join(
        f"{n} {kind}" for kind, n in Counter(layer.kind for layer in found[0].layers).most_common()
    )
    row = f"{name:20} {found[0].macs / 1e6:9.2f} {found[0].macs / counted - 1:+8.3%} "
    row += f"{found[0].macs / 1e9 / published_gmacs(name) - 1:+8.2%} {len(found[0].layers):5} "
    row += "".join(f"{prediction.latency_ms.predicted:9.2f}" for prediction in found) + f" {seconds:6.2f}"
    timed = None
    if options.measure:
        timed = Timed(name, predict(path, "cpu", threads=1).latency_ms, measured_ms(path))
        row += f" {timed.predicted.predicted:9.2f} {timed.measured_ms:9.2f} {timed.error:+7.1%}"
    unknown = ", ".join(found[0].unknown_operators)
    print(f"{row}  {kinds}{unknown and '; unknown: '}{unknown}", flush=True)
    return timed


def compared(timed: list[Timed]) -> Agreement:
    """How well the predictions agree with the clock."""
    return agreement(
        [each.predicted.predicted for each in timed],
        [each.predicted.low for each in timed],
        [each.predicted.high for each in timed],
        [each.measured_ms for each in timed],
    )


def judge(timed: list[Timed]) -> None:
    """Print how far the predictions for `cpu` are off, and whether that is accepted."""
    judged = [each for each in timed if each.name in ACCEPTANCE]
    coverage = compared(timed).interval_coverage
    print(f"cpu, {timed[0].predicted.provenance}: {coverage:.0%} of {len(timed)} inside their interval")
    for name, group in (("acceptance", judged), ("all", timed)):
        errors = [abs(each.error) for each in group]
        if len(group) > 2:
            middle, worst, spearman = statistics.median(errors), max(errors), compared(group).spearman or 0.0
            print(f"{name}: {middle:.1%} off in the median, {worst:.1%} at most; Spearman {spearman:.3f}")
            if len(group) == len(ACCEPTANCE) and name == "acceptance":
                good = middle <= MOST_IN_THE_MEDIAN and worst <= MOST and spearman >= LEAST_SPEARMAN
                print("PASS" if good else "MISS")


def main() -> None:
    """Print the table, and what the measured ones come to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=[*ACCEPTANCE, *OTHERS])
    parser.add_argument("--devices", nargs="+", default=["jetson", "pi5"])
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--static", action="store_true")
    options = parser.parse_args()
    print(f"{'':20} {'MMACs':>9} {'fvcore':>8} {'publ.':>8} {'kern.':>5} ", end="")
    print("".join(f"{device[:8]:>9}" for device in options.devices), f"{'s':>6}", end="")
    print(f" {'predicted':>9} {'cpu, ms':>9} {'off by':>7}" if options.measure else "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        timed = [each for name in options.networks if (each := show(name, path, options))]
    if timed:
        judge(timed)


if __name__ == "__main__":
    main()
