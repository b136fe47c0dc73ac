"""What commands that time a space take: the space itself."""

from edgenas.errors import InputError, UnknownNameError
from edgenas.space import SearchSpace, mbconv, nasbench_macro
from edgenas.space.layers import Activation

RESOLUTIONS = {"mbconv": 224, "nasbench-macro": 32}
"""Of the images, by space, where nobody says."""

SMALL_RESOLUTION = 64


def space_from_options(
    name: str,
    resolution: int | None,
    classes: int | None,
    width: float,
    squeeze_excite: bool,
    activation: Activation | None,
) -> SearchSpace:
    """The search space of a name.

    Args:
        name: `mbconv` or `nasbench-macro`.
        resolution: rows and columns of the images; None takes the space's of `RESOLUTIONS`.
        classes: None takes 10 for images up to 64 px and 1000 for larger ones.
        width: multiplier of all channel counts.
        squeeze_excite: channel attention in every layer; `mbconv` alone has it.
        activation: of every layer; None takes `relu6` for `mbconv`, and others have no choice.

    Raises:
        InputError: an unknown name, an option the space does not have, or a layout it does not have.
    """
    if name not in RESOLUTIONS:
        raise UnknownNameError("search space", name, RESOLUTIONS)
    if resolution is None:
        resolution = RESOLUTIONS[name]
    if classes is None:
        classes = 10 if resolution <= SMALL_RESOLUTION else 1000
    if name == "mbconv":
        return mbconv(resolution, classes, width, squeeze_excite, activation or "relu6")
    for option, given in (("--squeeze-excite", squeeze_excite), ("--activation", activation is not None)):
        if given:
            raise InputError(f"space {name} has no {option}", "leave it out, or use --space mbconv")
    return nasbench_macro(resolution, classes, width)
