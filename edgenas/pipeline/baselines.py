"""Which networks a search is compared with, at which image sizes; those with pretrained weights are fine-tuned."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn

from edgenas.accuracy.adopted_statistics import adopt_statistics
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.linear_probe import fit_linear
from edgenas.accuracy.pretrained_start import load_without_classifier
from edgenas.device import Device
from edgenas.errors import RUN_TROUBLE, InputError, VerificationError
from edgenas.exporting.final_network import FinalNetwork, OfLibrary, OfSpace
from edgenas.exporting.foreign_export import traced_onnx
from edgenas.inputs.pretrained import alternative
from edgenas.latency.latency import Latency
from edgenas.latency.table import find_table
from edgenas.onnx_latency.prediction import latency_of_onnx
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.scaled_baselines import baseline_predictors, scaled_baselines
from edgenas.pipeline.session import Session
from edgenas.pretrained.foreign_networks import downloaded_record, downloaded_tensors, foreign_network
from edgenas.pretrained.source import PretrainedRecord, PretrainedSource
from edgenas.pretrained.sources import SOURCES
from edgenas.pretrained.weights import load_weights, weights_for
from edgenas.settings.baselines import USUAL
from edgenas.settings.search import SearchSettings
from edgenas.space import MBConvSpace
from edgenas.space.modules import Network
from edgenas.units import format_milliseconds

USUAL_NAMES = ("torchvision:mobilenet_v2", "torchvision:mobilenet_v3_small", "torchvision:mobilenet_v3_large")
"""What a search from pretrained weights is compared with, beside the network that it begins from."""

SIZES = (96, 112, 128, 160, 192, 224)
"""Image sizes at which published networks are usual."""


class Candidate(NamedTuple):
    """A published network at one image size."""

    network: FinalNetwork
    title: str
    latency: Latency


def check_baselines(settings: SearchSettings, device: Device) -> None:
    """Check that baselines are known and that their latencies can be predicted, before any data is read.

    Raises:
        InputError: an unknown network, or one whose library is not installed; or the device's table was inferred for
            one space, and does not cover the blocks of others.
        FileFormatError: a table file is invalid.
    """
    names = settings.baseline_names
    found = find_table(device)
    if any(name == USUAL or name in SOURCES for name in names) and found and not found[1].calibrations:
        raise InputError(
            f"--baselines needs measured blocks, but those in {device.name}'s table were inferred from a few networks",
            "leave out --baselines, or profile without --samples",
        )
    for name in names:
        if name != USUAL and name not in SOURCES:
            foreign_network(name)


def check_weights(settings: SearchSettings) -> None:
    """Download the weights of baselines asked for by name, before anything is trained; libraries keep them.

    Raises:
        InputError: they cannot be had.
        FileFormatError: a file of them is invalid.
    """
    for name in settings.baseline_names:
        if name != USUAL:
            _record(name)


def baselines_of(session: Session) -> list[FinalModel]:
    """The baselines that the settings ask for; what is left out is noted on the run, with the reason."""
    names, began_from = session.settings.baseline_names, session.config.pretrained
    found = scaled_baselines(session) if USUAL in names and began_from is None else []
    if (known := session.store.last_event("baselines")) is None:
        chosen = [(name, size) for name in _names(session) for size in _chosen_sizes(session, name)]
        records = {name: _record(name).model_dump() for name in dict.fromkeys(name for name, _ in chosen)}
        known = {"chosen": chosen, "records": records}
        session.store.record("baselines", **known)  # a resumed run keeps them, with or without a network
    for name, size in known["chosen"]:
        candidate = _candidate(session, name, size, PretrainedRecord(**known["records"][name]))
        id_ = f"{name.replace(':', '-')}-{size}px"
        found.append(
            FinalModel(
                id_,
                candidate.network,
                session.config.device.precision,
                candidate.latency,
                name=_title(candidate),
            )
        )
    return found


def is_pretrained(final_model: FinalModel) -> bool:
    """Whether a baseline begins with published weights."""
    return final_model.network.began_from is not None


def pretrained_network(
    network: FinalNetwork, dataset: Dataset, device: torch.device, fitted: bool = True
) -> nn.Module:
    """A published network with its weights, fitted to the images as the one that a search begins from.

    It adopts the statistics of the images, and its new classifier is a logistic regression on its features.

    Args:
        network: the network.
        dataset: its images, on the training device.
        device: the training device.
        fitted: False leaves the classifier at random, where only the time of a step is of interest.

    Raises:
        InputError: its weights are gone.
        OutOfMemoryError: a batch does not fit into memory.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = network.build()
    if isinstance(network, OfLibrary):
        network.load(made, downloaded_tensors(network.network))
    else:
        assert isinstance(network, OfSpace) and network.source is not None and isinstance(made, Network)
        load_without_classifier(made, weights_for(network.channels, load_weights(network.source).tensors))
    made = made.to(memory_format=torch.channels_last).to(device)
    if fitted:
        adopt_statistics(made, dataset)
        if (last := network.classifier(made)) is not None:
            fit_linear(made, last, dataset)
    return made


def _names(session: Session) -> Iterator[str]:
    """Names of published networks that were asked for, each once."""
    began_from = session.config.pretrained
    names: list[str] = []
    for name in session.settings.baseline_names:
        if name != USUAL:
            names.append(name)
        elif began_from is not None:
            names += [began_from.name, *USUAL_NAMES]
    yield from dict.fromkeys(names)


def _chosen_sizes(session: Session, name: str) -> list[int]:
    """The image sizes at which a network is trained; none if it is left out, which is noted.

    The network that the search began from has every size within the limit, any other the largest.
    """
    began_from, limit_ms = session.config.pretrained, session.problem.max_latency_ms
    is_source = began_from is not None and began_from.name == name
    if is_source and name not in SOURCES:
        session.note(
            f"{name} is left out of the baselines: only published networks are fine-tuned beside a search"
        )
        return []
    try:
        _record(name)
    except RUN_TROUBLE:
        raise
    except InputError as error:
        session.note(f"{name} is left out of the baselines: {error.problem}")
        return []
    if session.settings.tune == "classifier" and not _has_linear_classifier(session, name):
        session.note(f"{name} is left out of the baselines: its classifier is not one linear layer")
        return []
    chosen: list[int] = []
    reason = ""
    for size in reversed(_sizes(session)):
        try:
            latency = _candidate(session, name, size).latency
        except (
            InputError,
            VerificationError,
        ) as error:  # as for an image size that the network does not take
            reason = error.problem
            continue
        if latency.predicted <= limit_ms:
            chosen.append(size)
            if not is_source:
                break
        reason = f"at {size} px it takes {latency.text}, above the limit of {format_milliseconds(limit_ms)}"
    if not chosen:
        session.note(f"{name} is left out of the baselines: {reason}")
    return chosen[::-1]


def _has_linear_classifier(session: Session, name: str) -> bool:
    if name in SOURCES:
        return True
    network, classes = foreign_network(name), session.space.classes
    with torch.random.fork_rng(devices=[]):
        return network.classifier(network.build(classes), classes) is not None


def _sizes(session: Session) -> tuple[int, ...]:
    """Image sizes to choose from, ascending: up to the largest of the search, and not below those it searches."""
    searched = session.space.resolutions
    least = searched[0] if len(searched) > 1 else 0
    return (*(size for size in SIZES if least <= size < searched[-1]), searched[-1])


def _record(name: str) -> PretrainedRecord:
    """What to tell about a network's weights; an InputError if they cannot be had. They are kept for later."""
    with alternative(f"leave {name} out of --baselines"):
        if name in SOURCES:
            return load_weights(SOURCES[name]).record
        return downloaded_record(foreign_network(name))


def _candidate(session: Session, name: str, size: int, record: PretrainedRecord | None = None) -> Candidate:
    """A network at one size, with its latency: from blocks if it is built of them, else from its ONNX file."""
    if name in SOURCES:
        return _of_space(session, SOURCES[name], size, record)
    channels = session.space.channels
    network = OfLibrary(foreign_network(name), session.space.classes, size, record, channels)
    image = torch.zeros(1, channels, size, size)
    with torch.random.fork_rng(devices=[]):
        content = traced_onnx(network.build().eval(), f"{name} at {size} px", image)
    return Candidate(network, name, latency_of_onnx(content, session.config.device))


def _of_space(
    session: Session, source: PretrainedSource, size: int, record: PretrainedRecord | None
) -> Candidate:
    own = session.space
    changes = {"resolution": size, "classes": own.classes, "in_channels": own.channels}
    space = MBConvSpace(source.layout.model_copy(update=changes))
    architecture = space.architecture(source.architecture.choices)
    latency = baseline_predictors(session)(space).predict(architecture)
    return Candidate(OfSpace(space, architecture, source, record), source.title, latency)


def _title(candidate: Candidate) -> str:
    return f"{candidate.title} at {candidate.network.resolution} px"
