"""The settings of an `mbconv` space: what is refused, and that defaults leave signatures unchanged."""

from typing import Any

import pytest
from pydantic import ValidationError

from edgenas.space import Layout, MBConvSpace, mbconv
from edgenas.space.block import MBConv

LAYOUT: dict[str, Any] = {
    "resolution": 12,
    "classes": 5,
    "stem_channels": 8,
    "stem_stride": 1,
    "stages": ({"channels": 8, "depth": 2, "stride": 1}, {"channels": 16, "depth": 1, "stride": 2}),
    "head_channels": 32,
}


def test_defaults_of_rare_fields_leave_the_signature_unchanged() -> None:
    config = mbconv(32, 10).config()
    assert not {"first_stride", "first_squeeze_excite", "first_activation"} & set(config)
    assert not {"kernels", "expansions"} & set(config["stages"][0])
    assert mbconv(32, 10).signature == "mbconv-32px-7dbaac56"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": (3, 3)}, "kernels must be distinct and at least 3"),
        ({"kernels": (4,)}, "kernels"),
        ({"kernels": ()}, "kernels"),
        ({"expansions": (6, 6)}, "expansions must be distinct and at least 2"),
        ({"expansions": (1, 6)}, "expansions must be distinct and at least 2"),
        ({"stages": ()}, "stages"),
        ({"first_stride": 2}, "first_stride needs first_channels: there is no first block"),
        ({"first_activation": "relu"}, "first_activation needs first_channels"),
        (
            {"stages": ({"channels": 8, "depth": 1, "stride": 1, "kernels": (3, 3)},)},
            "kernels must be distinct and at least 3",
        ),
        (
            {"stages": ({"channels": 8, "depth": 1, "stride": 1, "expansions": (1,)},)},
            "expansions must be distinct and at least 2",
        ),
        (
            {"stages": ({"channels": 8, "depth": 1, "stride": 1, "expansions": (1, 3), "pointwise": True},)},
            "pointwise needs expansions of 1 alone",
        ),
        (
            {"stages": ({"channels": 8, "depth": 1, "stride": 1, "pointwise": True},)},
            "pointwise needs expansions of 1 alone",
        ),
        ({"stages": ({"channels": 8, "depth": 0, "stride": 1},)}, r"stages\.0\.depth"),
        ({"stages": ({"channels": 8, "depth": 1, "stride": 3},)}, r"stages\.0\.stride"),
        ({"resolution": 4}, "resolution"),
        ({"head_activation": "gelu"}, "head_activation"),
        ({"name": "cell"}, "name"),
        ({"colour": 1}, "colour"),
    ],
)
def test_refused_layouts(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Layout.model_validate({**LAYOUT, **changes})


def test_a_stage_whose_expansion_is_one() -> None:
    stage = {"channels": 8, "depth": 2, "stride": 1, "expansions": (1,), "pointwise": True}
    layout = Layout.model_validate({**LAYOUT, "stages": (stage,)})
    space = MBConvSpace(layout)
    assert space.variables[1] == ("k3e1", "k5e1", "k7e1", "skip")
    assert all(isinstance(block, MBConv) and block.pointwise for block in space.candidates[0])
    assert Layout.model_validate(space.config()) == layout
