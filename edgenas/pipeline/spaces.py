"""The search space of settings, given by name or as an object."""

from edgenas.errors import InputError, UnknownNameError
from edgenas.pipeline.pretrained import pretrained_for
from edgenas.plugins import SPACES, plugin_names
from edgenas.settings.shared import SpaceSettings, SpaceWithoutData
from edgenas.space import (
    NetworkSpace,
    ResolutionSpace,
    SearchSpace,
    mbconv,
    nasbench_macro,
    space_of_package,
)
from edgenas.units import resolution_setting

RESOLUTIONS = {"mbconv": 224, "nasbench-macro": 32}
"""Default image resolution of each space, without data."""

DEFAULT_RESOLUTION = 224
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


def space_for_images(settings: SpaceSettings, resolutions: tuple[int, ...], classes: int) -> NetworkSpace:
    """The space for images of these sizes, ascending, and number of classes.

    The layout is that of the largest size.

    Raises:
        InputError: an unknown name, a setting or resolution that the space does not support, or an object made for
            other images.
    """
    if (pretrained := pretrained_for(settings, resolutions[0])) is not None:
        return _of_sizes(pretrained.space(resolutions[-1], classes), resolutions)
    if not isinstance(settings.space, str):
        return _checked_object(settings, resolutions, classes)
    check_space_name(settings.space)
    made = [_named_space(settings, resolution, classes) for resolution in resolutions]
    return _of_sizes(made[-1], resolutions)


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
