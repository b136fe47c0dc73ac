"""What commands that time a space take: the space itself."""

from edgenas.errors import UnknownNameError
from edgenas.space import SearchSpace, mbconv
from edgenas.space.layers import Activation

SMALL_RESOLUTION = 64


def space_from_options(
    name: str,
    resolution: int,
    classes: int | None,
    width: float,
    squeeze_excite: bool,
    activation: Activation,
) -> SearchSpace:
    """The search space of a name; None for classes takes 10 for images up to 64 px and 1000 for larger ones.

    Raises:
        InputError: an unknown name, or a layout the space does not have.
    """
    if name != "mbconv":
        raise UnknownNameError("search space", name, ["mbconv"])
    classes = classes or (10 if resolution <= SMALL_RESOLUTION else 1000)
    return mbconv(resolution, classes, width, squeeze_excite, activation)
