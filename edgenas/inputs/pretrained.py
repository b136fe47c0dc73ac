"""`--pretrained`: the weights that training begins from, and the space around their network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from edgenas.errors import FileFormatError, InputError, UnknownNameError, UnwritableError
from edgenas.pretrained.elastic_layout import elastic_layout, whole_layout
from edgenas.pretrained.files import read_file
from edgenas.pretrained.source import LocalFile, PretrainedSource, figures_for
from edgenas.pretrained.sources import AUTO_RESOLUTION, AUTO_SOURCE, SOURCES, source_from_file
from edgenas.settings.option import name_of
from edgenas.settings.shared import AUTO, NONE, SpaceSettings
from edgenas.space import Layout, MBConvSpace, network_space_from_config
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_names import RUNS, run_names

if TYPE_CHECKING:
    from edgenas.pretrained.weights import PretrainedWeights

_PLACES = ("model.places.", "model.supernet.places.")
"""Prefixes of a supernet's weights in its checkpoint; the second where the gradient searcher trained it."""


WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".onnx")
"""What names of files of weights end in; only the first kind is read."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Weights to begin from.

    Attributes:
        name: the value of `--pretrained` that gives them again.
        title: for people.
        mean: of each channel, of images scaled to 0..1; subtracted in the pretraining.
        std: likewise, by which they were divided.
        least: rows and columns of the smallest images: one is left of them at the end.
        space: from resolution and classes to the space whose largest network is theirs.
        read: reads them.
        is_elastic: whether they are those of a supernet, whose parts are as good as its largest network.
    """

    name: str
    title: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    least: int
    space: Callable[[int, int], MBConvSpace]
    read: "Callable[[], PretrainedWeights]"
    is_elastic: bool = False

    def with_channels(self, channels: int) -> "Pretrained":
        """The same for images of as many channels; `space` stays that of the pretraining."""
        if channels == len(self.mean):
            return self
        return replace(
            self,
            mean=figures_for(channels, self.mean),
            std=figures_for(channels, self.std),
            read=partial(_read_for, channels, self.read),
        )


@contextmanager
def alternative(hint: str) -> Iterator[None]:
    """Where weights cannot be had, say what else the option at hand takes; damage and full disks are to be mended."""
    try:
        yield
    except (FileFormatError, UnwritableError):
        raise
    except InputError as error:
        raise InputError(error.problem, f"{error.hint}, or {hint}") from None


def pretrained_for(settings: SpaceSettings, resolution: int | None) -> Pretrained | None:
    """The weights that settings ask for; None to begin from random ones.

    Args:
        settings: of any command with a space. `auto` takes EfficientNet-Lite0 unless they describe another network.
        resolution: rows and columns of the smallest images; None if not known yet, so that they are not checked.

    Raises:
        InputError: settings of a network of one's own, or images too small for a pretrained one.
        UnknownNameError: neither a source nor a run.
        FileFormatError: a file of weights, or what describes it, is unusable.
    """
    asked, described = settings.pretrained, _describes_network(settings)
    if asked == NONE or (asked == AUTO and (described or resolution is None or resolution < AUTO_RESOLUTION)):
        return None
    if described:
        raise InputError(
            f"--pretrained {asked}: a pretrained network comes without {described}",
            f"leave {described} out, or give --pretrained none",
        )
    found = _found(AUTO_SOURCE if asked == AUTO else asked)
    if resolution is not None and resolution < found.least:
        raise InputError(
            f"--pretrained {asked}: images of {resolution} px are too small for its network",
            f"give --resolution {found.least} or more, or --pretrained none",
        )
    return found


def _describes_network(settings: SpaceSettings) -> str:
    """The first option that describes a network other than a pretrained one; empty if there is none."""
    given = {
        f"--space {name_of(settings.space)}": settings.space != "mbconv",
        "--width": settings.width != 1,
        "--squeeze-excite": settings.squeeze_excite,
        "--activation": settings.activation is not None,
    }
    return next((option for option, present in given.items() if present), "")


def _found(name: str) -> Pretrained:
    if name in SOURCES:
        return _published(name, SOURCES[name])
    if name.endswith(WEIGHT_SUFFIXES) or Path(name).is_file():
        return _published(name, source_from_file(Path(name)))
    for path in (RUNS / name, Path(name)):
        if RunFolder(path).document.is_file():
            return _earlier_run(name, RunFolder(path))
    runs = run_names()
    listing = f"known: {', '.join((AUTO, NONE, *SOURCES))}" + (f"; runs: {', '.join(runs)}" if runs else "")
    raise UnknownNameError("pretrained weights", name, (AUTO, NONE, *SOURCES, *runs), listing)


def _published(name: str, source: PretrainedSource) -> Pretrained:
    return Pretrained(
        name=name,
        title=source.title,
        mean=source.mean,
        std=source.std,
        least=_halved_to_one(source.layout),
        space=lambda resolution, classes: MBConvSpace(elastic_layout(source.layout, resolution, classes)),
        read=partial(_weights_of, source),
    )


def _earlier_run(name: str, folder: RunFolder) -> Pretrained:
    """The supernet of an earlier run, complete or not."""
    config = folder.read_document().config
    found = network_space_from_config(config.space, folder.document)
    space = found.at(found.resolutions[-1])
    if not isinstance(space, MBConvSpace):
        raise InputError(
            f"--pretrained {name}: that run searched space {space.name}, whose networks cannot change their classes",
            "name a run of --space mbconv",
        )
    if not config.data.mean or not folder.supernet.is_file():
        lacks = "has no supernet" if config.data.mean else "was made by an earlier version of edgenas"
        raise InputError(f"--pretrained {name}: that run {lacks}", "name another run")
    layout, began_from = space.layout, config.pretrained
    source = PretrainedSource(
        name=name,
        title=f"the supernet of run {folder.name}",
        licence=began_from.licence if began_from else "NOASSERTION",
        origin=began_from.origin if began_from else "trained by edgenas from random weights",
        mean=config.data.mean,
        std=config.data.std,
        layout=whole_layout(layout),
        location=LocalFile(folder.supernet),
        dialect="edgenas",
        note="the supernet of a run" + (f" that began from {began_from.name}" if began_from else ""),
    )

    def resized(resolution: int, classes: int) -> MBConvSpace:
        return MBConvSpace(layout.model_copy(update={"resolution": resolution, "classes": classes}))

    return Pretrained(
        name=name,
        title=source.title,
        mean=source.mean,
        std=source.std,
        least=_halved_to_one(layout),
        space=resized,
        read=partial(_supernet_weights, source),
        is_elastic=True,
    )


def _read_for(channels: int, read: "Callable[[], PretrainedWeights]") -> "PretrainedWeights":
    from edgenas.pretrained.weights import weights_for  # loads torch

    weights = read()
    return replace(weights, tensors=weights_for(channels, weights.tensors))


def _halved_to_one(layout: Layout) -> int:
    """The size of images that the strides of a network reduce to one pixel."""
    strides = (layout.stem_stride, layout.first_stride, *(stage.stride for stage in layout.stages))
    return prod(strides)


def _weights_of(source: PretrainedSource) -> "PretrainedWeights":
    from edgenas.pretrained.weights import load_weights  # loads torch

    other = NONE if source.name == AUTO_SOURCE else AUTO_SOURCE  # which is installed with edgenas
    with alternative(f"use --pretrained {other}"):
        return load_weights(source)


def _supernet_weights(source: PretrainedSource) -> "PretrainedWeights":
    from edgenas.pretrained.weights import PretrainedWeights, own_tensors, read_tensors  # loads torch

    path, content, digest = read_file(source)
    found = {
        name.removeprefix(prefix): tensor
        for name, tensor in read_tensors(path, content).items()
        for prefix in _PLACES
        if name.startswith(prefix)
    }
    return PretrainedWeights(source.record(digest), own_tensors(source, found, path), elastic=True)
