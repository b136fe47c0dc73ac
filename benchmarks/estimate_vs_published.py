"""How far the datasheet-only latency estimates are from published ones, for networks that `mbconv` can hold.

    python benchmarks/estimate_vs_published.py --published ../shared/data/published_whole_network_latency.csv

A trailing `?` in the table's precision means that the source does not say. Estimated is always the device as
its file says it runs: rows of another precision are shown, but not summarised.
"""

import argparse
import csv
import math
import statistics
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from edgenas.device.catalogue import find_device
from edgenas.device_models.roofline import INTERVAL_FACTOR, estimate_block_ms
from edgenas.space import Block, Layout, MBConvSpace, Stage
from edgenas.space.block import MBConv
from edgenas.space.layers import Activation

PUBLISHED = Path(__file__).parents[1] / "../shared/data/published_whole_network_latency.csv"

DEVICES = {
    ("jetson_orin_nano_8gb", "ORT TensorRT"): "jetson-orin-nano",
    ("Jetson Orin Nano", "TensorRT JetPack 6.0"): "jetson-orin-nano",
    ("Jetson Nano", "TensorRT JetPack 4.6"): "jetson-nano",
    ("raspberry_pi_5", "ORT CPU"): "raspberry-pi-5",
    ("raspberry_pi_4", "ORT CPU"): "raspberry-pi-4",
}
"""Published (device, runtime) -> device file that stands for it."""


class Row(NamedTuple):
    """A published latency beside the estimate."""

    device: str
    model: str
    precision: str
    published_ms: float
    estimated_ms: float
    comparable: bool


Shape = tuple[int, Literal[1, 2], str, int, Activation]
"""A stage: channels, stride, choice of each layer as in `k3e6 k3e6`, squeeze-excite reduction, activation."""


def network(stem: int, first: int, head: int, shapes: list[Shape], act: Activation) -> tuple[Block, ...]:
    """Blocks of a 224 px, 1000-class network."""
    stages = tuple(
        Stage(channels=c, depth=len(text.split()), stride=s, squeeze_excite=se, activation=a)
        for c, s, text, se, a in shapes
    )
    space = MBConvSpace(
        Layout(
            resolution=224, classes=1000, stem_channels=stem, stem_stride=2, stem_activation=act,
            first_channels=first, stages=stages, head_channels=head, head_activation=act,
            kernels=(3, 5), expansions=(2, 3, 4, 5, 6),
        )
    )  # fmt: skip
    return space.blocks(space.architecture(" ".join(shape[2] for shape in shapes).split()))


def mobilenet_v2(widths: tuple[int, ...], depths: tuple[int, ...]) -> tuple[Block, ...]:
    """MobileNetV2 from the channels of its stem and seven stages and the depths of the last six; exact."""
    strides: tuple[Literal[1, 2], ...] = (2, 2, 2, 1, 2, 1)
    rows = zip(widths[2:], strides, depths, strict=True)
    shapes: list[Shape] = [(width, stride, "k3e6 " * depth, 0, "relu6") for width, stride, depth in rows]
    return network(widths[0], widths[1], 1280, shapes, "relu6")


def mobilenet_v3_small(widths: tuple[int, ...], second: str) -> tuple[Block, ...]:
    """MobileNetV3-small, nearly: whole expansions, and without the second linear layer of its head."""
    a, b, c, d, e = widths
    shapes: list[Shape] = [
        (a, 2, "k3e2", 4, "relu"),
        (b, 2, second, 0, "relu"),
        (c, 2, "k5e4 k5e6 k5e6", 4, "hswish"),
        (d, 1, "k5e3 k5e3", 4, "hswish"),
        (e, 2, "k5e6 k5e6 k5e6", 4, "hswish"),
    ]
    stem, opening, *rest = network(16, 0, 6 * e, shapes, "hswish")
    assert isinstance(opening, MBConv)  # its expansion of 1 is what no stage can have
    return stem, replace(opening, expansion=1), *rest


def mobilenet_v3_large() -> tuple[Block, ...]:
    """MobileNetV3-large, nearly, as the small one."""
    shapes: list[Shape] = [
        (24, 2, "k3e4 k3e3", 0, "relu"),
        (40, 2, "k5e3 k5e3 k5e3", 4, "relu"),
        (80, 2, "k3e6 k3e3 k3e2 k3e2", 0, "hswish"),
        (112, 1, "k3e6 k3e6", 4, "hswish"),
        (160, 2, "k5e6 k5e6 k5e6", 4, "hswish"),
    ]
    return network(16, 16, 960, shapes, "hswish")


# The MobileNetV2 ones have timm's parameter counts, 1.97 and 4.52 million.
NETWORKS = {
    "mobilenetv2_050": mobilenet_v2((16, 8, 16, 16, 32, 48, 80, 160), (2, 3, 4, 3, 3, 1)),
    "mobilenetv2_110d": mobilenet_v2((32, 16, 24, 32, 72, 104, 176, 352), (3, 4, 5, 4, 4, 1)),
    "mobilenetv3_large_100": mobilenet_v3_large(),
    "mobilenetv3_small_050": mobilenet_v3_small((8, 16, 24, 24, 48), "k3e5 k3e4"),
    "MobileNetV3-small": mobilenet_v3_small((16, 24, 40, 48, 96), "k3e4 k3e4"),
}


def compare(path: Path) -> list[Row]:
    """Every published row whose device and network are known here, with its estimate."""
    rows = []
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            name = DEVICES.get((line["device"], line["runtime"]))
            if name is None or line["model"] not in NETWORKS:
                continue
            device = find_device(name)
            estimated = sum(estimate_block_ms(block, device) for block in NETWORKS[line["model"]])
            same = (precision := line["precision"]).rstrip("?").lower() == device.precision
            rows.append(Row(name, line["model"], precision, float(line["latency_ms"]), estimated, same))
    return rows


def main() -> None:
    """Print the rows and a summary for each device."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--published", type=Path, default=PUBLISHED, help="CSV of published latencies")
    path: Path = parser.parse_args().published
    if not path.is_file():
        sys.exit(f"{path}: no such file; give the table of published latencies with --published")
    by_device: dict[str, list[float]] = defaultdict(list)
    print(f"{'device':18}{'network':24}{'precision':11}{'published ms':>13}{'estimated ms':>13}{'ratio':>7}")
    for row in compare(path):
        ratio = row.estimated_ms / row.published_ms  # below one is optimistic
        print(f"{row.device:18}{row.model:24}{row.precision:11}{row.published_ms:13.2f}{row.estimated_ms:13.2f}"
              f"{ratio:7.2f}{'' if row.comparable else '  (other precision)'}")  # fmt: skip
        if row.comparable:
            by_device[row.device].append(ratio)
    for name, ratios in by_device.items():
        within = sum(abs(math.log(ratio)) <= math.log(INTERVAL_FACTOR) for ratio in ratios)
        print(f"{name}: geometric mean ratio {statistics.geometric_mean(ratios):.2f}, "
              f"{within} of {len(ratios)} within a factor of {INTERVAL_FACTOR:g}")  # fmt: skip


if __name__ == "__main__":
    main()
