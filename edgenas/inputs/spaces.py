"""The search space of settings, given by name or as an object."""

from typing import cast, get_args

from edgenas.errors import InputError, UnknownNameError
from edgenas.inputs.pretrained import pretrained_for
from edgenas.plugins import SPACES, plugin_names
from edgenas.settings.search import SearchSettings
from edgenas.settings.shared import SpaceSettings, SpaceWithoutData
from edgenas.space import (
    NetworkSpace,
    ResolutionSpace,
    SearchSpace,
    mbconv,
    nasbench_macro,
    space_of_package,
)
from edgenas.units import counted, resolution_setting
from edgenas.vocabulary import Channels

_CHANNELS: tuple[Channels, ...] = get_args(Channels)

RESOLUTIONS = {"mbconv": 224, "nasbench-macro": 32}
"""Default image resolution of each space, without data."""

DEFAULT_RESOLUTION = 224
PROBE_RESOLUTION, PROBE_CLASSES = 32, 2
"""Of a space that is made only to check the settings, before any image is loaded."""

SMALL_RESOLUTION, SMALL_CLASSES, LARGE_CLASSES = 64, 10, 1000


def space_without_data(settings: SpaceWithoutData) -> NetworkSpace:
    """The space of a profile or a validation, where no data determine the images.

    Raises:
        InputError: see `space_for_images`.
    """
    if not isinstance(settings.space, str):
        return _checked_object(settings, settings.resolutions, settings.classes)
    check_space_name(settings.space)
    sizes = settings.resolutions or (RESOLUTIONS.get(settings.space, DEFAULT_RESOLUTION),)
    classes = settings.classes or (SMALL_CLASSES if sizes[-1] <= SMALL_RESOLUTION else LARGE_CLASSES)
    return space_for_images(settings, sizes, classes)


def space_for_images(
    settings: SpaceSettings, resolutions: tuple[int, ...], classes: int, channels: int | None = None
) -> NetworkSpace:
    """The space for images of these sizes, ascending, number of classes, and channels: None for the space's own.

    The layout is that of the largest size.

    Raises:
        InputError: an unknown name, a setting or resolution that the space does not support, or an object made for
            other images.
    """
    if (pretrained := pretrained_for(settings, resolutions[0])) is not None:
        made: SearchSpace = pretrained.space(resolutions[-1], classes)
        space: NetworkSpace = _of_sizes(_for_channels(made, channels), resolutions)
    elif isinstance(settings.space, str):
        check_space_name(settings.space)
        *_, made = (_named_space(settings, resolution, classes) for resolution in resolutions)
        space = _of_sizes(_for_channels(made, channels), resolutions)
    else:
        space = _checked_object(settings, resolutions, classes)
    if channels is not None and channels != _channels_of(space):
        raise InputError(
            f"space {space.name} is for images of {format_channels(space.channels)}, but these have {channels}",
            f"give --channels {space.channels}, arrays of as many, or another space",
        )
    return space


def channels_for(settings: SearchSettings) -> Channels | None:
    """The number of channels that images must have: as asked for, or all that the space takes; None for their own.

    Raises:
        InputError: see `space_for_images`.
    """
    if settings.channels is not None:
        return cast(Channels, settings.channels)  # checked with the settings
    if isinstance(settings.space, NetworkSpace):
        return _channels_of(settings.space)
    if isinstance(settings.space, str) and settings.space in RESOLUTIONS:
        return None
    space = space_for_images(settings, (settings.resolutions or (PROBE_RESOLUTION,))[-1:], PROBE_CLASSES)
    return None if all(space.with_channels(each) for each in _CHANNELS) else _channels_of(space)


def _channels_of(space: NetworkSpace) -> Channels:
    """Those of a space, if images can have as many."""
    for channels in _CHANNELS:
        if channels == space.channels:
            return channels
    raise InputError(
        f"space {space.name} is for images of {format_channels(space.channels)}, which no data have",
        "give a space for 1 (grey) or 3 (RGB)",
    )


def _for_channels(space: SearchSpace, channels: int | None) -> SearchSpace:
    """The space for as many channels, if there is one."""
    return space.with_channels(channels or space.channels) or space


def format_channels(number: int) -> str:
    """For people, such as `3 channels`."""
    return counted(number, "channels")


def _named_space(settings: SpaceSettings, resolution: int, classes: int) -> SearchSpace:
    if settings.space == "mbconv":
        return mbconv(
            resolution, classes, settings.width, settings.squeeze_excite, settings.activation or "relu6"
        )
    name = str(settings.space)
    refused = {"--squeeze-excite": settings.squeeze_excite, "--activation": settings.activation is not None}
    if name != "nasbench-macro":
        refused["--width"] = settings.width != 1
    _refuse(name, refused)
    if name == "nasbench-macro":
        return nasbench_macro(resolution, classes, settings.width)
    space = space_of_package(name).for_images(resolution, classes)
    _check(space, (resolution,), classes)
    return space


def _of_sizes(space: SearchSpace, resolutions: tuple[int, ...]) -> NetworkSpace:
    return ResolutionSpace(space, resolutions) if len(resolutions) > 1 else space


def check_space_name(name: str) -> None:
    """Check that a space of this name exists.

    Raises:
        UnknownNameError: no such space.
    """
    known = (*RESOLUTIONS, *plugin_names(SPACES))
    if name not in known:
        raise UnknownNameError("search space", name, known)


def _checked_object(
    settings: SpaceSettings, resolutions: tuple[int, ...] | None, classes: int | None
) -> NetworkSpace:
    space = settings.space
    if not isinstance(space, NetworkSpace):
        raise InputError(
            f"space: {space!r:.60} is neither a name nor a SearchSpace",
            f"give {', '.join(RESOLUTIONS)}, or a SearchSpace",
        )
    given = {
        "--width": settings.width != 1,
        "--squeeze-excite": settings.squeeze_excite,
        "--activation": settings.activation is not None,
    }
    _refuse(space.name, given)
    if isinstance(space, SearchSpace) and len(resolutions or ()) > 1:
        space = _of_sizes(space, resolutions or ())
    _check(space, resolutions, classes)
    return space


def _refuse(name: str, given: dict[str, bool]) -> None:
    for option, present in given.items():
        if present:
            raise InputError(f"space {name} has no {option}", "leave it out, or use --space mbconv")


def _check(space: NetworkSpace, resolutions: tuple[int, ...] | None, classes: int | None) -> None:
    if resolutions is not None and space.resolutions != resolutions:
        expected, given = (resolution_setting(sizes, "space") for sizes in (space.resolutions, resolutions))
        raise InputError(
            f"space {space.name} is for images of {expected} px, but these have {given} px",
            f"give --resolution {expected}",
        )
    if classes is not None and space.classes != classes:
        raise InputError(
            f"space {space.name} has {space.classes} classes, but the data have {classes}",
            f"make it for {classes} classes",
        )
