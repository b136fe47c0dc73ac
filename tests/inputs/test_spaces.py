"""Which space the options of a command make."""

from typing import Any

import pytest
from fixtures.plugins import AddPackage

from edgenas.errors import InputError, UnknownNameError
from edgenas.inputs.spaces import channels_for, space_for_images, space_without_data
from edgenas.pretrained.elastic_layout import elastic_layout
from edgenas.pretrained.sources import source_from_name
from edgenas.settings.latency_commands import ProfileSettings
from edgenas.settings.search import SearchSettings
from edgenas.space import MBConvSpace, NetworkSpace, ResolutionSpace, mbconv, nasbench_macro


def _space(name: str | NetworkSpace, **options: Any) -> NetworkSpace:
    return space_without_data(ProfileSettings("cpu", space=name, **options))


def lite0(resolution: int, classes: int) -> MBConvSpace:
    return MBConvSpace(elastic_layout(source_from_name("efficientnet-lite0").layout, resolution, classes))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (_space("mbconv", pretrained="none"), mbconv(224, 1000)),
        (_space("mbconv", resolution=64), mbconv(64, 10)),
        (_space("mbconv", resolution=96, pretrained="none"), mbconv(96, 1000)),
        (_space("mbconv"), lite0(224, 1000)),
        (_space("mbconv", resolution="96,128", classes=5), ResolutionSpace(lite0(128, 5), (96, 128))),
        (_space("mbconv", resolution=64, pretrained="efficientnet-lite0"), lite0(64, 10)),
        (
            _space("mbconv", resolution=32, classes=3, width=0.5, squeeze_excite=True, activation="hswish"),
            mbconv(32, 3, 0.5, True, "hswish"),
        ),
        (_space("mbconv", resolution="16..48"), ResolutionSpace(mbconv(48, 10), (16, 32, 48))),
        (_space("mbconv", resolution=(64, 96), width=0.5), ResolutionSpace(mbconv(96, 1000, 0.5), (64, 96))),
        (_space("nasbench-macro", resolution="8,20"), ResolutionSpace(nasbench_macro(20), (8, 20))),
        (_space(mbconv(32, 3), resolution="16,24,32"), ResolutionSpace(mbconv(32, 3), (16, 24, 32))),
        (_space(ResolutionSpace(mbconv(32, 3), (24, 32))), ResolutionSpace(mbconv(32, 3), (24, 32))),
        (_space("nasbench-macro"), nasbench_macro()),
        (_space("nasbench-macro", resolution=96), nasbench_macro(96, 1000)),
        (_space("nasbench-macro", resolution=16, classes=3, width=0.5), nasbench_macro(16, 3, 0.5)),
    ],
    ids=lambda space: space.signature,
)
def test_a_space_is_what_was_said_and_else_its_own_default(
    made: NetworkSpace, expected: NetworkSpace
) -> None:
    assert made.config() == expected.config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"squeeze_excite": True},
            "^space nasbench-macro has no --squeeze-excite; leave it out, or use --space mbconv$",
        ),
        (
            {"activation": "relu6"},
            "^space nasbench-macro has no --activation; leave it out, or use --space mbconv$",
        ),
        ({"resolution": 4}, "^--resolution 4 is out of range; use 8 to 1024$"),
        ({"classes": 0}, "^--classes 0 is too small; give at least 2$"),
    ],
    ids=str,
)
def test_what_nasbench_macro_does_not_have_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _space("nasbench-macro", **options)


@pytest.mark.parametrize("name", ["cell", "nasbench201"])
def test_a_name_whose_networks_cannot_be_timed_is_unknown(name: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"^unknown search space '{name}'.*nasbench-macro"):
        _space(name)


def test_a_class_without_for_images_cannot_be_chosen_by_name(add_package: AddPackage) -> None:
    source = "from edgenas.space import SearchSpace\nclass Mine(SearchSpace): ...\n"
    add_package("my_space", "[edgenas.spaces]\nmine = my_space:Mine\n", source)
    with pytest.raises(
        InputError, match=r"^space class Mine has no for_images, so it cannot be chosen by name;"
    ):
        _space("mine")


MINE = """
from edgenas.space import MBConvSpace, mbconv
class Mine(MBConvSpace):
    name = "mine"
    @classmethod
    def for_images(cls, resolution, classes):
        return cls(mbconv(resolution, classes).layout)
class OfRGB(Mine):
    name = "of-rgb"
    def config(self):
        return {key: value for key, value in super().config().items() if key != "in_channels"}
"""


def test_a_space_of_a_package_may_take_grey_images(add_package: AddPackage) -> None:
    add_package("my_space", "[edgenas.spaces]\nmine = my_space:Mine\nof-rgb = my_space:OfRGB\n", MINE)
    mine, of_rgb = (SearchSettings("pi5", "20ms", space=name) for name in ("mine", "of-rgb"))
    assert (channels_for(mine), channels_for(of_rgb)) == (None, 3)
    assert space_for_images(mine, (32,), 3, 1).channels == 1
    assert space_for_images(of_rgb, (32,), 3, 3).channels == 3
    with pytest.raises(
        InputError, match=r"^space of-rgb is for images of 3 channels, but these have 1; give --ch"
    ):
        space_for_images(of_rgb, (32,), 3, 1)


class OfFourChannels(MBConvSpace):
    @property
    def channels(self) -> int:
        return 4


def test_a_space_for_images_that_no_data_have_is_refused() -> None:
    asked = SearchSettings("pi5", "20ms", space=OfFourChannels(mbconv(32, 3).layout))
    message = (
        r"^space mbconv is for images of 4 channels, which no data have; give a space for 1 \(grey\) or 3"
    )
    with pytest.raises(InputError, match=message):
        channels_for(asked)
    with pytest.raises(InputError, match=message):
        space_for_images(asked, (32,), 3, 3)
    assert space_for_images(asked, (32,), 3).channels == 4


@pytest.mark.parametrize(
    ("space", "resolution", "message"),
    [
        (
            mbconv(32, 3),
            16,
            "^space mbconv is for images of 32 px, but these have 16 px; give --resolution 32$",
        ),
        (
            ResolutionSpace(mbconv(32, 3), (16, 32)),
            (16, 24, 32),
            "^space resolutions is for images of 16..32 px, but these have 16,24,32 px; give --resolution 16..32$",
        ),
        (ResolutionSpace(mbconv(32, 3), (16, 32)), 16, "16..32 px, but these have 16 px"),
    ],
)
def test_an_object_for_other_sizes_is_refused(
    space: NetworkSpace, resolution: int | tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        space_without_data(ProfileSettings("cpu", space=space, resolution=resolution))


def test_samples_are_of_one_size() -> None:
    with pytest.raises(InputError, match=r"^--samples infers the blocks of one image size; give a single"):
        ProfileSettings("cpu", samples=4, resolution="16..32")
