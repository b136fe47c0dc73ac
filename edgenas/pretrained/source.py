"""A source of pretrained weights: which network, where its file is, how its images were normalised. Without torch."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field

from edgenas.formats import Document
from edgenas.space.architecture import Architecture
from edgenas.space.block import Block
from edgenas.space.mbconv import MBConvSpace
from edgenas.space.mbconv_layout import Layout

Dialect = Literal["edgenas", "efficientnet-pytorch", "timm", "torchvision-mobilenetv2", "torchvision-mnasnet"]
"""How a source names its parameters; see `parameter_names`."""


def figures_for(channels: int, figures: tuple[float, ...]) -> tuple[float, ...]:
    """Mean or standard deviation for as many channels: as they are, or their mean for each."""
    return figures if len(figures) == channels else (sum(figures) / len(figures),) * channels


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file in an installed Python package.

    Attributes:
        package: name of the distribution on PyPI.
        path: the file, relative to the folder into which packages are installed.
        sha256: of the file as it was published.
        extra: the extra of edgenas that brings the package; empty if edgenas depends on it.
    """

    package: str
    path: str
    sha256: str
    extra: str = ""


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """A file downloaded once, into the folder of `torch.hub`, as timm and torchvision do.

    Attributes:
        url: its address. By PyTorch's convention the name ends in the first digits of its SHA-256, as in
            `mobilenet_v2-7ebf99e0.pth`.
    """

    url: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]

    @property
    def sha256(self) -> str:
        """The first digits of the published file's SHA-256."""
        return self.name.rpartition("-")[2].partition(".")[0]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the user's own; its content is not known in advance."""

    path: Path
    sha256: str = ""


Location = PackageFile | DownloadedFile | LocalFile


class WeightsOrigin(Document):
    """Where the weights come from that a model's training began with."""

    name: str = Field(description="as on the command line, or as in the file's own description")
    licence: str = Field(description="SPDX identifier where the publisher states one")
    origin: str = Field(description="who published them, as a URL where there is one")
    note: str = Field(default="", description="what the publisher leaves open")


class PretrainedRecord(WeightsOrigin):
    """What a run, a card or `--json` tells about the weights that training began from."""

    sha256: str = Field(
        pattern="[0-9a-f]{64}",
        description="of the bytes of the file; where a library downloads and reads it, of its tensors as safetensors",
    )


@dataclass(frozen=True)
class PretrainedSource:
    """Weights to begin from, and the network that they belong to.

    Attributes:
        name: as on the command line, such as `efficientnet-lite0`.
        title: for people, such as `EfficientNet-Lite0`.
        licence: SPDX identifier of the weights' licence.
        origin: URL of the publisher.
        mean: of each channel, of images scaled to 0..1, subtracted in the pretraining.
        std: of each channel, of images scaled to 0..1, by which they were divided.
        layout: the network at the resolution of its pretraining; every stage has one kernel and one expansion, so
            that the only architecture of full depth is the published network.
        location: where the file is.
        dialect: how it names its parameters.
        note: what the publisher leaves open, such as a licence that is not stated for the weights themselves.
    """

    name: str
    title: str
    licence: str
    origin: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: Layout
    location: Location
    dialect: Dialect
    note: str = ""

    @cached_property
    def space(self) -> MBConvSpace:
        """The source's network and the shallower ones."""
        return MBConvSpace(self.layout)

    @property
    def architecture(self) -> Architecture:
        """The published network: nothing is skipped."""
        return self.space.architecture([names[0] for names in self.space.variables])

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the published network."""
        return self.space.blocks(self.architecture)

    def record(self, sha256: str) -> PretrainedRecord:
        """What to tell about its weights, whose file has this SHA-256."""
        return PretrainedRecord(
            name=self.name, licence=self.licence, origin=self.origin, sha256=sha256, note=self.note
        )
