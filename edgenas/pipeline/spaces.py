"""The search space of settings, given by name or as an object."""

from edgenas.errors import InputError, UnknownNameError
from edgenas.pipeline.pretrained import pretrained_for
from edgenas.plugins import SPACES, plugin_names
from edgenas.settings.shared import SpaceSettings, SpaceWithoutData
from edgenas.space import SearchSpace, mbconv, nasbench_macro, space_of_package

RESOLUTIONS = {"mbconv": 224, "nasbench-macro": 32}
"""Default image resolution of each space, without data."""

DEFAULT_RESOLUTION = 224
SMALL_RESOLUTION, SMALL_CLASSES, LARGE_CLASSES = 64, 10, 1000


def space_without_data(settings: SpaceWithoutData) -> SearchSpace:
    """The space of a profile or a validation, where no data determine the images.

    Raises:
        InputError: see `space_for_images`.
    """
    if not isinstance(settings.space, str):
        return _checked_object(settings, settings.resolution, settings.classes)
    check_space_name(settings.space)
    resolution = settings.resolution or RESOLUTIONS.get(settings.space, DEFAULT_RESOLUTION)
    classes = settings.classes or (SMALL_CLASSES if resolution <= SMALL_RESOLUTION else LARGE_CLASSES)
    return space_for_images(settings, resolution, classes)


def space_for_images(settings: SpaceSettings, resolution: int, classes: int) -> SearchSpace:
    """The space for images of this resolution and number of classes.

    Raises:
        InputError: an unknown name, a setting or resolution that the space does not support, or an object made for
            other images.
    """
    if (pretrained := pretrained_for(settings, resolution)) is not None:
        return pretrained.space(resolution, classes)
    if not isinstance(settings.space, str):
        return _checked_object(settings, resolution, classes)
    check_space_name(settings.space)
    if settings.space == "mbconv":
        return mbconv(
            resolution, classes, settings.width, settings.squeeze_excite, settings.activation or "relu6"
        )
    refused = {"--squeeze-excite": settings.squeeze_excite, "--activation": settings.activation is not None}
    if settings.space != "nasbench-macro":
        refused["--width"] = settings.width != 1
    _refuse(settings.space, refused)
    if settings.space == "nasbench-macro":
        return nasbench_macro(resolution, classes, settings.width)
    return _checked(space_of_package(settings.space).for_images(resolution, classes), resolution, classes)


def check_space_name(name: str) -> None:
    """Check that a space of this name exists.

    Raises:
        UnknownNameError: no such space.
    """
    known = (*RESOLUTIONS, *plugin_names(SPACES))
    if name not in known:
        raise UnknownNameError("search space", name, known)


def _checked_object(settings: SpaceSettings, resolution: int | None, classes: int | None) -> SearchSpace:
    space = settings.space
    if not isinstance(space, SearchSpace):
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
    return _checked(space, resolution, classes)


def _refuse(name: str, given: dict[str, bool]) -> None:
    for option, present in given.items():
        if present:
            raise InputError(f"space {name} has no {option}", "leave it out, or use --space mbconv")


def _checked(space: SearchSpace, resolution: int | None, classes: int | None) -> SearchSpace:
    _, expected, _ = space.input_shape
    if resolution is not None and expected != resolution:
        raise InputError(
            f"space {space.name} is for images of {expected} px, but these have {resolution} px",
            f"give --resolution {expected}",
        )
    if classes is not None and space.classes != classes:
        raise InputError(
            f"space {space.name} has {space.classes} classes, but the data have {classes}",
            f"make it for {classes} classes",
        )
    return space
