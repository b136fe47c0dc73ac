"""Tensors of a source, under edgenas's names.

The only module that reads what `torch.save` wrote: with `weights_only`, so that a pickle cannot execute anything.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from edgenas.errors import FileFormatError, first_line
from edgenas.pretrained.files import read_file
from edgenas.pretrained.parameter_names import source_names
from edgenas.pretrained.source import PretrainedRecord, PretrainedSource
from edgenas.space.modules import Network

_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True, slots=True)
class PretrainedWeights:
    """The weights of a source.

    Attributes:
        record: what to tell about them.
        tensors: named and shaped as in `Network(source.blocks).state_dict()`, the classifier included; on the CPU,
            in float32 (counters of batches: int64, zero).
        elastic: whether they are of a supernet, whose parts were trained too.
    """

    record: PretrainedRecord
    tensors: dict[str, Tensor]
    elastic: bool = False


def load_weights(source: PretrainedSource) -> PretrainedWeights:
    """Read a source's weights; a source that is downloaded is downloaded once.

    The record's SHA-256 is of the bytes of the file: of the package, as downloaded, or the user's own.

    Raises:
        InputError: the package that carries them is not installed, or they cannot be downloaded.
        FileFormatError: another file than the published one, not a file of tensors, or the tensors of another network.
    """
    path, content, digest = read_file(source)
    tensors = own_tensors(source, read_tensors(path, content), path)
    return PretrainedWeights(source.record(digest), tensors)


def weights_for(channels: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the same network for images of as many channels.

    The first convolution sums over its channels, so for grey images its weights are summed, as timm does: the result is
    that of an image whose channels are all alike. From one channel to several, each has its share.

    Args:
        channels: of the images.
        tensors: by the names of `Network.state_dict()`.
    """
    first = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    weight = tensors[first]
    if weight.shape[1] != channels:
        weight = weight.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels
    return {**tensors, first: weight.contiguous()}


def read_tensors(path: Path, content: bytes) -> dict[str, Tensor]:
    """The tensors of a file's content: safetensors by the path's suffix, otherwise as saved by `torch.save`.

    Raises:
        FileFormatError: damaged, or anything else than a dictionary of named tensors.
    """
    if path.suffix == ".safetensors":
        try:
            return load_safetensors(content)
        except (
            SafetensorError,
            LookupError,
            ValueError,
            RuntimeError,
        ) as error:  # some are of unknown dtypes
            raise FileFormatError(
                path, "", f"is not a safetensors file ({first_line(error)})", "restore it"
            ) from None
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    # Of damaged files torch raises what its parsers happen to raise. Its message is not repeated: of other pickles it
    # advises to load them nevertheless.
    except Exception:
        found = None
    if isinstance(found, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in found.items()
    ):
        return dict(found)
    raise FileFormatError(
        path, "", "is damaged, or not a dictionary of tensors as torch.save writes it", "restore the file"
    )


def own_tensors(source: PretrainedSource, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Rename a source's tensors to edgenas's names and check each.

    Args:
        source: the network they should belong to.
        tensors: by the source's names.
        path: the file they were read from, for messages.

    Raises:
        FileFormatError: names the first tensor, in the network's order, that is missing, of another shape, not of
            floating point or not finite; or one that the network does not have.
    """
    with torch.random.fork_rng(devices=[]):  # initialising the network must not change what is drawn later
        expected = Network(source.blocks).state_dict()
    if source.dialect == "edgenas":
        names = {name: name for name in expected if not name.endswith(_COUNTER)}
    else:
        names = source_names(source.dialect, source.blocks)
    _check_names(source, names, expected, tensors, path)
    found: dict[str, Tensor] = {}
    for name, like in expected.items():
        if name.endswith(_COUNTER):
            found[name] = torch.zeros_like(like, device="cpu")
        else:
            found[name] = _checked(source, names[name], tensors[names[name]], like, path)
    return found


def _check_names(
    source: PretrainedSource,
    names: Mapping[str, str],
    expected: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    path: Path,
) -> None:
    for name, theirs in names.items():
        if theirs not in tensors:
            raise _not_of(source, path, theirs, f"is missing ({_shape(expected[name])} needed)")
    known = set(names.values())
    for theirs in tensors:
        if theirs not in known and not theirs.endswith(_COUNTER):
            raise _not_of(source, path, theirs, f"is not in the network ({_shape(tensors[theirs])} found)")


def _checked(source: PretrainedSource, name: str, tensor: Tensor, like: Tensor, path: Path) -> Tensor:
    """The tensor in float32 on the CPU; refused unless it is of the shape of `like` and can be computed with."""
    if tensor.shape != like.shape:
        raise _not_of(source, path, name, f"has shape {_shape(tensor)}, not {_shape(like)}")
    if tensor.layout != torch.strided or not tensor.is_floating_point():
        raise _not_of(source, path, name, f"is not dense and of floating point ({tensor.dtype})")
    found = tensor.detach().to("cpu", torch.float32).contiguous()
    if not torch.isfinite(found).all():
        raise _not_of(source, path, name, "has values that are NaN or infinite")
    if name.endswith("running_var") and found.min() < 0:
        raise _not_of(source, path, name, "has negative variances")
    return found


def _not_of(source: PretrainedSource, path: Path, name: str, found: str) -> FileFormatError:
    return FileFormatError(path, name, found, f"use the weights of {source.title}")


def _shape(tensor: Tensor) -> str:
    """A tensor's shape, such as `32x3x3x3`; `1` for a scalar."""
    return "x".join(map(str, tensor.shape)) or "1"
