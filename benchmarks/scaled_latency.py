"""ONNX files at other batches and threads than those of the profile: how far is the prediction from the clock?

    edgenas profile --device cpu --resolution 32   # once: times the fragments that predictions rest on
    python benchmarks/scaled_latency.py [NETWORK ...] [--batches 1 2 8] [--threads 1 2] [--save FILE]

Networks of timm without weights are predicted for `cpu` and timed with ONNX Runtime on this processor: keep the machine
idle for it. `widening` is the factor by which the interval of costs that are not scaled would have to be wider on both
sides to cover nine tenths of the measured latencies: the factors in `edgenas/onnx_latency/scaled_costs.py` rest on it.
Bars at another batch: median error at most 15 %, each within a factor of 1.5.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import timm
import torch

from edgenas import predict
from edgenas.device import find_device
from edgenas.device.onnx_process import OnnxProcess
from edgenas.onnx_latency.scaled_costs import widening

NETWORKS = (
    "mobilenetv2_100", "mobilenetv3_large_100", "mnasnet_100", "efficientnet_b0", "ghostnet_100", "resnet18",
    "resnet50", "regnety_004", "densenet121", "convnext_atto", "vit_tiny_patch16_224", "mobilevit_xs", "repvgg_a0",
    "inception_v3",
)  # fmt: skip
SECONDS, MIN_BURSTS = 2.0, 3
MOST_IN_THE_MEDIAN, MOST_FACTOR = 0.15, 1.5


class Point(NamedTuple):
    """Threads, and images in a call."""

    threads: int
    batch: int


class Timed(NamedTuple):
    """A network at a point: milliseconds, and the factor by which its interval was widened."""

    network: str
    point: Point
    predicted_ms: float
    low_ms: float
    high_ms: float
    measured_ms: float
    widened: float

    @property
    def ratio(self) -> float:
        """Predicted / measured."""
        return self.predicted_ms / self.measured_ms

    @property
    def inside(self) -> bool:
        """Whether the interval covers what was measured."""
        return self.low_ms <= self.measured_ms <= self.high_ms

    @property
    def needed(self) -> float:
        """Factor by which the interval would have had to be widened, at least 1."""
        low_ms, high_ms = self.low_ms * self.widened, self.high_ms / self.widened
        return max(1.0, low_ms / self.measured_ms, self.measured_ms / high_ms)


def export(name: str, path: Path) -> None:
    """Write a network of timm with an open batch."""
    network = timm.create_model(name, pretrained=False, exportable=True).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, 224, 224),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            dynamic_axes={"input": {0: "batch"}},
        )


def measured_ms(path: Path, point: Point) -> float:
    """Median of the bursts' minima, over some seconds."""
    shape = (point.batch, 3, 224, 224)
    feed = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    session = OnnxProcess(threads=point.threads).load(path.read_bytes(), {"input": feed})
    session.time_ms(2)
    minima, end = [], time.monotonic() + SECONDS
    while time.monotonic() < end or len(minima) < MIN_BURSTS:
        minima.append(float(session.time_ms(3).min()))
    return statistics.median(minima)


def timed(name: str, path: Path, point: Point) -> Timed:
    """Predict and time a network at a point."""
    found = predict(path, "cpu", threads=point.threads, batch=point.batch)
    factor = widening(find_device("cpu"), find_device("cpu", point.threads, batch=point.batch))
    latency = found.latency_ms
    return Timed(name, point, latency.predicted, latency.low, latency.high, measured_ms(path, point), factor)


def show(found: Sequence[Timed]) -> None:
    """Print one point: errors, coverage, and the widening that was needed."""
    errors = [abs(each.ratio - 1) for each in found]
    ratios = sorted(each.ratio for each in found)
    needed = sorted(each.needed for each in found)
    covering = needed[min(len(needed), math.ceil(0.9 * (len(needed) + 1))) - 1]
    inside = sum(each.inside for each in found)
    threads, batch = found[0].point
    print(
        f"{threads} threads, batch {batch}: {statistics.median(errors):.1%} off in the median, predicted / measured "
        f"{ratios[0]:.2f} to {ratios[-1]:.2f} (median {statistics.median(ratios):.2f}); "
        f"{inside} of {len(found)} inside their interval, widened by {found[0].widened:.2f}; widening {covering:.2f}"
    )


def is_good(found: Sequence[Timed]) -> bool:
    """Whether the bars are met."""
    middle = statistics.median(abs(each.ratio - 1) for each in found)
    return middle <= MOST_IN_THE_MEDIAN and all(
        1 / MOST_FACTOR <= each.ratio <= MOST_FACTOR for each in found
    )


def main() -> None:
    """Print a row for each network and point, then a summary of each point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 8])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--save", type=Path, help="JSON file for the rows")
    options = parser.parse_args()
    points = [Point(threads, batch) for threads in options.threads for batch in options.batches]
    rows: list[Timed] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        for name in options.networks:
            export(name, path)
            for point in points:
                row = timed(name, path, point)
                rows.append(row)
                print(
                    f"{name:24} t{point.threads} b{point.batch} {row.predicted_ms:9.2f} {row.measured_ms:9.2f} ms "
                    f"{row.ratio:6.2f} {'' if row.inside else f'needs {row.needed:.2f}'}",
                    flush=True,
                )
    if options.save:
        options.save.write_text(json.dumps([row._asdict() for row in rows], indent=1), encoding="utf-8")
    by_point = {point: [row for row in rows if row.point == point] for point in points}
    for found in by_point.values():
        show(found)
    judged = [by_point[point] for point in points if point.threads == 1 and point.batch != 1]
    if judged:
        print("PASS" if all(map(is_good, judged)) else "MISS")


if __name__ == "__main__":
    main()
