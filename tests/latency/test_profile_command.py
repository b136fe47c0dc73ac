"""The command that profiles a space."""

from edgenas.device import Device
from edgenas.latency.profile_command import profile_command
from edgenas.space import ResolutionSpace, mbconv, nasbench_macro


def test_it_names_all_sizes(board: Device) -> None:
    family = ResolutionSpace(mbconv(224, 10), range(96, 225, 16))
    assert "--resolution 96..224 --classes 10 " in profile_command(family, board)
    family = ResolutionSpace(nasbench_macro(40, 10), (16, 40))
    assert "--space nasbench-macro --resolution 16,40 --classes 10" in profile_command(family, board)


def test_it_says_what_to_add_for_another_layout(board: Device) -> None:
    family = ResolutionSpace(mbconv(64, 10, width=0.5), (32, 64))
    assert profile_command(family, board).endswith(
        "with the search's own --width, --squeeze-excite and --activation"
    )
