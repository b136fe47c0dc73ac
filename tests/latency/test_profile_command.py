"""The command that profiles a space."""

import pytest

from edgenas.device import Device
from edgenas.latency.profile_command import profile_command
from edgenas.pretrained.elastic_layout import elastic_layout
from edgenas.pretrained.sources import source_from_name
from edgenas.space import MBConvSpace, NetworkSpace, ResolutionSpace, mbconv, nasbench_macro


def around(name: str, resolution: int) -> MBConvSpace:
    return MBConvSpace(elastic_layout(source_from_name(name).layout, resolution, 5))


def test_it_names_all_sizes(board: Device) -> None:
    family = ResolutionSpace(mbconv(224, 10), range(96, 225, 16))
    assert "--resolution 96..224 --classes 10 " in profile_command(family, board)
    family = ResolutionSpace(nasbench_macro(40, 10), (16, 40))
    assert "--space nasbench-macro --resolution 16,40 --classes 10" in profile_command(family, board)


def test_it_says_what_to_add_for_another_layout(board: Device) -> None:
    family = ResolutionSpace(mbconv(64, 10, width=0.5), (32, 64))
    assert profile_command(family, board).endswith(
        "with the search's own --pretrained, --width, --squeeze-excite and --activation"
    )


@pytest.mark.parametrize(
    ("space", "added"),
    [
        (mbconv(128, 5), "--pretrained none"),
        (mbconv(64, 5), ""),
        (around("efficientnet-lite0", 128), ""),
        (around("efficientnet-lite0", 64), "--pretrained efficientnet-lite0"),
        (ResolutionSpace(around("efficientnet-lite0", 128), (96, 128)), ""),
        (around("timm:mobilenetv2_100", 128), "--pretrained timm:mobilenetv2_100"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.signature,
)
def test_it_names_the_weights_whose_network_the_space_is_around(
    space: NetworkSpace, added: str, board: Device
) -> None:
    grey = space.with_channels(1)
    assert grey is not None and profile_command(grey, board) == profile_command(space, board)
    command, _, found = profile_command(space, board).partition("--pretrained")
    assert found == added.removeprefix("--pretrained")
    assert not command.endswith(" ") or found
