"""Classification networks of timm and torchvision, by name: built for other classes, and their weights.

Any of them can be trained beside a search for comparison. They are modules of their library; those that edgenas can
also build of its own blocks are in `sources`.
"""

import contextlib
import hashlib
import io
import socket
import urllib.parse
import urllib.request
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, cast

import torch
from safetensors.torch import save
from torch import Tensor, nn

from edgenas.errors import EdgenasError, InputError, UnknownNameError, first_line, is_full, unwritable
from edgenas.pretrained.source import PretrainedRecord, WeightsOrigin
from edgenas.pretrained.sources import TORCHVISION_NOTE

Library = Literal["timm", "torchvision"]

_HUB = "https://huggingface.co"

# Auxiliary outputs are for training from random weights; these weights expect inputs transformed in the network.
_PLAIN: dict[str, Any] = {"aux_logits": False, "transform_input": True, "init_weights": False}
_ARGUMENTS: dict[str, dict[str, Any]] = {"googlenet": _PLAIN, "inception_v3": _PLAIN}


@dataclass(frozen=True, slots=True)
class ForeignNetwork:
    """A network of another library.

    Attributes:
        library: where it comes from.
        model: its name there.
        mean: of each channel, of images scaled to 0..1, subtracted in the pretraining.
        std: likewise, by which they were divided.
        origin: where the weights come from.
    """

    library: Library
    model: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: WeightsOrigin

    @property
    def name(self) -> str:
        """As on the command line, such as `timm:mobilenetv3_small_100`."""
        return f"{self.library}:{self.model}"

    def build(self, classes: int) -> nn.Module:
        """The network with random weights: normalised (N, 3, H, W) to logits, (N, classes)."""
        if self.library == "timm":
            return cast(nn.Module, _timm().create_model(self.model, pretrained=False, num_classes=classes))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of other defaults in the future
            arguments = _ARGUMENTS.get(self.model, {})
            made = _torchvision().get_model(self.model, weights=None, num_classes=classes, **arguments)
        return cast(nn.Module, made)

    def classifier(self, network: nn.Module, classes: int) -> nn.Linear | None:
        """The layer of a built network that depends on the number of classes; None unless it is one linear layer."""
        parts = {name.rpartition(".")[0] for name in self._head(network, classes)}
        found = network.get_submodule(parts.pop()) if len(parts) == 1 else None
        return found if isinstance(found, nn.Linear) else None

    def load(self, network: nn.Module, classes: int, tensors: Mapping[str, Tensor]) -> None:
        """Load the published tensors into a built network, except those of the classifier.

        Raises:
            InputError: the tensors are of another network, as when the library has changed since.
        """
        own, head = network.state_dict(), self._head(network, classes)
        wanted = [name for name in own if name not in head]
        other = [name for name in wanted if name not in tensors or tensors[name].shape != own[name].shape]
        if other:
            raise InputError(
                f"the weights of {self.name} do not fit its network ({other[0]})",
                f"use another version of {self.library}, or leave {self.name} out of --baselines",
            )
        network.load_state_dict({**own, **{name: tensors[name] for name in wanted}})

    def _head(self, network: nn.Module, classes: int) -> set[str]:
        """Names of the parameters whose shapes depend on the number of classes."""
        own = network.state_dict()
        with torch.random.fork_rng(devices=[]):
            other = self.build(classes + 1).state_dict()
        return {name for name, tensor in own.items() if tensor.shape != other[name].shape}


def foreign_network(name: str) -> ForeignNetwork:
    """The network of a name such as `timm:mobilenetv3_small_100`; nothing is built or downloaded.

    Raises:
        UnknownNameError: the library has no such network; the hint has the nearest name.
        InputError: timm is not installed, or there are no weights of the network.
    """
    library, _, model = name.partition(":")
    if library == "timm":
        return _of_timm(model)
    if library == "torchvision":
        return _of_torchvision(model)
    raise UnknownNameError("library", library, ("timm", "torchvision"))


def downloaded_record(network: ForeignNetwork) -> PretrainedRecord:
    """What to tell about the published weights; the checksum is of their tensors, since the library keeps the file.

    Raises:
        InputError: they cannot be downloaded.
        UnwritableError: the disk is full.
    """
    tensors = {name: tensor.contiguous() for name, tensor in downloaded_tensors(network).items()}
    return PretrainedRecord(**network.origin.model_dump(), sha256=hashlib.sha256(save(tensors)).hexdigest())


def downloaded_tensors(network: ForeignNetwork) -> dict[str, Tensor]:
    """The published weights, on the CPU; the library downloads them once and keeps them.

    Raises:
        InputError: they cannot be downloaded.
        UnwritableError: the disk is full.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # torch announces downloads there
            return _library_tensors(network)
    except EdgenasError:
        raise
    # Libraries raise what their ways of downloading raise: OSError, RuntimeError, HTTPException and more.
    except Exception as error:
        if is_full(error):
            raise unwritable(error) from None
        reason = str(getattr(error, "reason", "")) or first_line(error)  # urllib wraps the reason
        raise InputError(
            f"the weights of {network.name} cannot be downloaded ({reason})",
            "connect to the internet once",
        ) from None


def _library_tensors(network: ForeignNetwork) -> dict[str, Tensor]:
    """As the library reads them, from the network or from what it has kept."""
    if network.library == "torchvision":
        published = _torchvision().get_model_weights(network.model).DEFAULT
        return dict(published.get_state_dict(progress=False, check_hash=True, weights_only=True))
    from huggingface_hub import try_to_load_from_cache

    hub = _timm().get_pretrained_cfg(network.model).hf_hub_id
    files = ("model.safetensors", "pytorch_model.bin")
    if hub and not any(isinstance(try_to_load_from_cache(hub, file), str) for file in files):
        _check_reachable(_HUB)  # its library would try again for most of a minute
    return dict(_timm().create_model(network.model, pretrained=True).state_dict())


def _check_reachable(url: str) -> None:
    """Raise OSError if a host is unknown; with a proxy, that is for the proxy to say."""
    if not urllib.request.getproxies():
        socket.getaddrinfo(urllib.parse.urlsplit(url).hostname, None)


def _of_timm(model: str) -> ForeignNetwork:
    timm = _timm()
    if not timm.is_model(model):
        raise _unknown("timm", model, timm.list_models())
    published = timm.get_pretrained_cfg(model)
    if not timm.models.is_model_pretrained(model) or published is None:
        raise InputError(f"timm has no weights of {model}", "choose one of timm.list_models(pretrained=True)")
    hub = f"{_HUB}/{published.hf_hub_id}" if published.hf_hub_id else published.url
    origin = WeightsOrigin(
        name=f"timm:{model}",
        licence=published.license or "not stated",
        origin=published.origin_url or hub or "not stated",
        note="the licence that timm's configuration states; ImageNet's images have terms of their own"
        if published.license
        else "",
    )
    return ForeignNetwork("timm", model, tuple(published.mean), tuple(published.std), origin)


def _of_torchvision(model: str) -> ForeignNetwork:
    known = _torchvision().list_models(module=_torchvision())
    if model not in known:
        raise _unknown("torchvision", model, known)
    published = _torchvision().get_model_weights(model).DEFAULT
    preset = published.transforms()
    origin = WeightsOrigin(
        name=f"torchvision:{model}", licence="BSD-3-Clause", origin=published.url, note=TORCHVISION_NOTE
    )
    return ForeignNetwork("torchvision", model, tuple(preset.mean), tuple(preset.std), origin)


def _unknown(library: Library, model: str, known: list[str]) -> UnknownNameError:
    listing = "timm.list_models()" if library == "timm" else "torchvision.models.list_models()"
    names = (f"{library}:{each}" for each in known)
    return UnknownNameError("network", f"{library}:{model}", names, f"known: see {listing}")


def _torchvision() -> ModuleType:
    """Its models; whoever asks for none of them need not wait for the import, which takes a second."""
    from torchvision import models

    return cast(ModuleType, models)


def _timm() -> ModuleType:
    try:
        import timm
    except ImportError:
        raise InputError(
            "networks of timm need timm, which is not installed", "pip install 'edgenas[pretrained]'"
        ) from None
    return timm
