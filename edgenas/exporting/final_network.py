"""What a final model is: an architecture of a space, or a network of another library.

Both are built, exported and counted; training, evaluation, verification and measuring need not know which it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from typing_extensions import override

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.linear_probe import classifier_of
from edgenas.exporting.foreign_export import verified_foreign_onnx
from edgenas.exporting.onnx_export import verified_onnx
from edgenas.pretrained.counting import macs_of, parameters_of
from edgenas.pretrained.foreign_networks import ForeignNetwork, foreign_network
from edgenas.pretrained.grey_input import GreyInput
from edgenas.pretrained.source import PretrainedRecord, PretrainedSource, figures_for
from edgenas.space import Architecture, NetworkSpace, network_space_from_config
from edgenas.space.costs import peak_memory_bytes
from edgenas.space.modules import Network
from edgenas.space.onnx_graph import OnnxVersion
from edgenas.storage.search_result import Model, Normalisation


class FinalNetwork(ABC):
    """A network for images of one size and a number of classes."""

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Height and width of its images."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Of its images: 3 for RGB, 1 for grey."""

    @property
    @abstractmethod
    def normalisation(self) -> Normalisation | None:
        """Of its images; None for that of the data."""

    @property
    @abstractmethod
    def began_from(self) -> PretrainedRecord | None:
        """The published weights that its training begins with; None for those of the run."""

    @property
    @abstractmethod
    def document(self) -> dict[str, Any]:
        """What it is, for `architecture` in JSON."""

    @property
    @abstractmethod
    def params(self) -> int:
        """Trainable parameters."""

    @property
    @abstractmethod
    def macs(self) -> int:
        """Multiply-accumulates for one image."""

    @property
    @abstractmethod
    def peak_memory_bytes(self) -> int | None:
        """For one image in fp32; None if unknown."""

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with random weights: normalised (N, C, H, W) to logits."""

    @abstractmethod
    def classifier(self, network: nn.Module) -> nn.Linear | None:
        """The layer of a built network that computes the logits; None if that is not one linear layer."""

    @abstractmethod
    def verified_onnx(
        self, network: nn.Module, name: str, images: Tensor, version: OnnxVersion
    ) -> tuple[bytes, float]:
        """Serialise and verify a built and trained network; see `onnx_export.verified_onnx`."""

    def normalised(self, dataset: Dataset) -> Dataset:
        """The data set, normalised as the network needs it."""
        if (given := self.normalisation) is None:
            return dataset
        return replace(dataset, mean=given.mean, std=given.std)


@dataclass(frozen=True)
class OfSpace(FinalNetwork):
    """An architecture of a space; `source` and `record` if it is a published network that begins with its weights."""

    space: NetworkSpace
    architecture: Architecture
    source: PretrainedSource | None = None
    record: PretrainedRecord | None = None

    @property
    @override
    def resolution(self) -> int:
        return self.space.resolution_of(self.architecture)

    @property
    @override
    def channels(self) -> int:
        return self.space.channels

    @property
    @override
    def normalisation(self) -> Normalisation | None:
        return None if self.source is None else _normalisation(self.channels, self.source)

    @property
    @override
    def began_from(self) -> PretrainedRecord | None:
        return self.record

    @property
    @override
    def document(self) -> dict[str, Any]:
        return self.space.document(self.architecture)

    @property
    @override
    def params(self) -> int:
        return self.space.parameters(self.architecture)

    @property
    @override
    def macs(self) -> int:
        return self.space.macs(self.architecture)

    @property
    @override
    def peak_memory_bytes(self) -> int | None:
        return peak_memory_bytes(self.space, self.architecture)

    @override
    def build(self) -> Network:
        return self.space.build(self.architecture)

    @override
    def classifier(self, network: nn.Module) -> nn.Linear:
        return classifier_of(cast(Network, network))

    @override
    def verified_onnx(
        self, network: nn.Module, name: str, images: Tensor, version: OnnxVersion
    ) -> tuple[bytes, float]:
        return verified_onnx(cast(Network, network), name, images, version)


@dataclass(frozen=True)
class OfLibrary(FinalNetwork):
    """A network of another library; for grey images, it is inside a `GreyInput`."""

    network: ForeignNetwork
    classes: int
    size: int
    record: PretrainedRecord | None = None
    input_channels: int = 3

    @property
    @override
    def resolution(self) -> int:
        return self.size

    @property
    @override
    def channels(self) -> int:
        return self.input_channels

    @property
    @override
    def normalisation(self) -> Normalisation:
        return _normalisation(self.channels, self.network)

    @property
    @override
    def began_from(self) -> PretrainedRecord | None:
        return self.record

    @property
    @override
    def document(self) -> dict[str, Any]:
        return {"name": self.network.name} | ({"channels": 1} if self.channels == 1 else {})

    @property
    @override
    def params(self) -> int:
        return self._counts[0]

    @property
    @override
    def macs(self) -> int:
        return self._counts[1]

    @property
    @override
    def peak_memory_bytes(self) -> None:
        return None

    @override
    def build(self) -> nn.Module:
        made = self.network.build(self.classes)
        return made if self.channels == 3 else GreyInput(made, self.network.mean, self.network.std)

    @override
    def classifier(self, network: nn.Module) -> nn.Linear | None:
        return self.network.classifier(_inside(network), self.classes)

    def load(self, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        """Load the published tensors into a built network, except those of the classifier.

        Raises:
            InputError: they are of another network.
        """
        self.network.load(_inside(network), self.classes, tensors)

    @override
    def verified_onnx(
        self, network: nn.Module, name: str, images: Tensor, version: OnnxVersion
    ) -> tuple[bytes, float]:
        return verified_foreign_onnx(network, name, images, version)

    @cached_property
    def _counts(self) -> tuple[int, int]:
        with torch.random.fork_rng(devices=[]):
            network = self.build()
        return parameters_of(network), macs_of(network, self.size, self.channels)


def _inside(network: nn.Module) -> nn.Module:
    """The library's own network."""
    return network.network if isinstance(network, GreyInput) else network


def _normalisation(channels: int, published: PretrainedSource | ForeignNetwork) -> Normalisation:
    return Normalisation(mean=figures_for(channels, published.mean), std=figures_for(channels, published.std))


def network_of(model: Model, classes: int, path: Path, given: NetworkSpace | None = None) -> FinalNetwork:
    """The network that a model of a result is.

    Args:
        model: of a run's front, dropped models or baselines.
        classes: number of classes of the run's data.
        path: the file it was read from, for messages.
        given: the run's space, if it was passed as an object.

    Raises:
        InputError: its space, or its library, is not installed; the file is damaged.
    """
    document = model.architecture
    if "space" not in document:
        network, channels = foreign_network(str(document.get("name"))), int(document.get("channels", 3))
        return OfLibrary(network, classes, model.resolution or 0, input_channels=channels)
    # A baseline has its own space.
    space = given if given is not None and given.config() == document["space"] else None
    space = space or network_space_from_config(document["space"], path)
    return OfSpace(space, space.architecture(document["choices"]))
