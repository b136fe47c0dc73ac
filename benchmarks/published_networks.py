"""The networks whose latencies are published, without weights, and the work of their kernels.

Most are torchvision's or timm's. YOLOX (Ge et al., arXiv:2107.08430) is defined here from its description; its
multiply-accumulates agree with the published ones (26.8, 73.8 and 155.6 GFLOPs at 640 px are twice 13.3, 36.8, 77.6
billion). PIDNet and SegFormer are in neither library and are left out.
"""

import functools
import hashlib
import json
import tempfile
import warnings
from dataclasses import astuple
from pathlib import Path

import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision import models

from edgenas.device_models import work
from edgenas.device_models.work import Work
from edgenas.onnx_latency import kernel_fusion, onnx_reading, shape_inference

NAMES = {
    "EfficientFormer-l1": "efficientformer_l1",
    "MixNet-s": "mixnet_s",
    "MixNet-l": "mixnet_l",
    "MobileNetV3-small": "mobilenetv3_small_100",
    "MovileViT-s": "mobilevit_s",
    "ViT-tiny": "vit_tiny_patch16_224",
    "ResNet18": "resnet18",
    "ResNet50": "resnet50",
}
"""Published name -> the library's."""

YOLOX = {"YOLOX-s": (1, 32), "YOLOX-m": (2, 48), "YOLOX-l": (3, 64)}
"""Published name -> bottlenecks of a short stage, channels of the stem."""


def network_name(published: str) -> str:
    """One name for a network, however a source spells it; batch norm folds away, so vgg13_bn is vgg13."""
    return NAMES.get(published, published).removesuffix("_bn")


def works_of(published: str, pixels: int, cache: Path) -> list[Work] | None:
    """The kernels of a network on one image; None for one that cannot be built here.

    Kept in the cache folder for as long as the code that makes them stays the same.
    """
    kept = cache / _code_digest() / f"{published}-{pixels}.json"
    if kept.is_file():
        return [Work(*row) for row in json.loads(kept.read_text(encoding="utf-8"))]
    network = _network(published)
    if network is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        _export(network.eval(), pixels, path)
        kernels = kernel_fusion.fused_kernels(shape_inference.shaped(onnx_reading.read_model(path, batch=1)))
    works = [kernel.work for kernel in kernels]
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps([astuple(work) for work in works]), encoding="utf-8")
    return works


@functools.cache
def _code_digest() -> str:
    """Of all that a network's kernels depend on."""
    files = [Path(__file__), Path(work.__file__), *sorted(Path(kernel_fusion.__file__).parent.glob("*.py"))]
    versions = f"{torch.__version__} {torchvision.__version__} {timm.__version__}"
    content = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(content + versions.encode()).hexdigest()[:16]


def _network(published: str) -> nn.Module | None:
    name = NAMES.get(published, published)
    if published in YOLOX:
        return Yolox(*YOLOX[published])
    if name in models.list_models():
        return models.get_model(name, weights=None)
    return timm.create_model(name, pretrained=False) if timm.is_model(name) else None


def _export(network: nn.Module, pixels: int, path: Path) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        image = torch.zeros(1, 3, pixels, pixels)
        torch.onnx.export(network, (image,), str(path), dynamo=False, opset_version=17)


class ConvUnit(nn.Sequential):
    """Convolution, batch norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs), nn.SiLU())


class Bottleneck(nn.Module):
    """A pointwise and a 3x3 convolution, with a skip connection or without."""

    def __init__(self, channels: int, skips: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvUnit(channels, channels), ConvUnit(channels, channels, 3))
        self.skips = skips

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return x + self.body(x) if self.skips else self.body(x)


class PartialStage(nn.Module):
    """Half of the channels pass the bottlenecks, half do not (CSP: Wang et al., CVPRW 2020)."""

    def __init__(self, inputs: int, outputs: int, depth: int, skips: bool = False) -> None:
        super().__init__()
        half = outputs // 2
        units = [Bottleneck(half, skips) for _ in range(depth)]
        self.long = nn.Sequential(ConvUnit(inputs, half), *units)
        self.short = ConvUnit(inputs, half)
        self.merge = ConvUnit(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Other channels."""
        return self.merge(torch.cat([self.long(x), self.short(x)], 1))


class PyramidPool(nn.Module):
    """The features beside their maxima over three windows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = ConvUnit(channels, channels // 2)
        self.pools = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))
        self.leave = ConvUnit(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        x = self.enter(x)
        return self.leave(torch.cat([x, *(pool(x) for pool in self.pools)], 1))


class Head(nn.Module):
    """Classes, boxes and objectness of one scale, with towers of their own."""

    def __init__(self, inputs: int, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = ConvUnit(inputs, channels)
        towers = [
            nn.Sequential(ConvUnit(channels, channels, 3), ConvUnit(channels, channels, 3)) for _ in range(2)
        ]
        self.class_tower, self.box_tower = towers
        self.classes = nn.Conv2d(channels, classes, 1)
        self.boxes, self.objectness = nn.Conv2d(channels, 4, 1), nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, 5 + classes, positions)."""
        x = self.stem(x)
        boxes = self.box_tower(x)
        found = [self.boxes(boxes), self.objectness(boxes), self.classes(self.class_tower(x))]
        return torch.cat(found, 1).flatten(2)


class Yolox(nn.Module):
    """YOLOX up to its raw predictions, for images whose sides divide by 32."""

    def __init__(self, depth: int, width: int, classes: int = 80) -> None:
        super().__init__()
        c = width
        self.stem = nn.Sequential(ConvUnit(12, c, 3), ConvUnit(c, 2 * c, 3, 2))
        self.stage2 = nn.Sequential(
            PartialStage(2 * c, 2 * c, depth, skips=True), ConvUnit(2 * c, 4 * c, 3, 2)
        )
        self.stage3 = PartialStage(4 * c, 4 * c, 3 * depth, skips=True)
        self.stage4 = nn.Sequential(
            ConvUnit(4 * c, 8 * c, 3, 2), PartialStage(8 * c, 8 * c, 3 * depth, skips=True)
        )
        self.stage5 = nn.Sequential(
            ConvUnit(8 * c, 16 * c, 3, 2), PyramidPool(16 * c), PartialStage(16 * c, 16 * c, depth)
        )
        self.larger = nn.Upsample(scale_factor=2)
        self.narrow5, self.narrow4 = ConvUnit(16 * c, 8 * c), ConvUnit(8 * c, 4 * c)
        self.up4, self.up3 = PartialStage(16 * c, 8 * c, depth), PartialStage(8 * c, 4 * c, depth)
        self.half3, self.half4 = ConvUnit(4 * c, 4 * c, 3, 2), ConvUnit(8 * c, 8 * c, 3, 2)
        self.down4, self.down5 = PartialStage(8 * c, 8 * c, depth), PartialStage(16 * c, 16 * c, depth)
        self.heads = nn.ModuleList(Head(inputs, 4 * c, classes) for inputs in (4 * c, 8 * c, 16 * c))

    def forward(self, image: Tensor) -> Tensor:
        """Shape (batch, 5 + classes, positions of all scales)."""
        parts = [image[..., i::2, j::2] for j in (0, 1) for i in (0, 1)]
        three = self.stage3(self.stage2(self.stem(torch.cat(parts, 1))))
        four = self.stage4(three)
        narrow5 = self.narrow5(self.stage5(four))
        narrow4 = self.narrow4(self.up4(torch.cat([self.larger(narrow5), four], 1)))
        out3 = self.up3(torch.cat([self.larger(narrow4), three], 1))
        out4 = self.down4(torch.cat([self.half3(out3), narrow4], 1))
        out5 = self.down5(torch.cat([self.half4(out4), narrow5], 1))
        found = [head(x) for head, x in zip(self.heads, (out3, out4, out5), strict=True)]
        return torch.cat(found, 2)
