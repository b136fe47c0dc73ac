"""A space for one image size is its own part."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgenas.space import mbconv, nasbench_macro


@given(seed=st.integers(0, 2**32 - 1))
def test_a_space_of_one_size_is_its_own_part(seed: int) -> None:
    for space in (mbconv(16, 3), nasbench_macro(16, 3)):
        architecture = space.sample(np.random.default_rng(seed))
        assert space.sized(architecture) == (space, architecture)
        assert space.at(16) is space and space.resolutions == (16,)
        assert space.joined(16, architecture) == architecture
        assert (space.resolution_of(architecture), space.input_shape_of(architecture)) == (16, (3, 16, 16))


def test_the_extremes_are_those_of_the_choices() -> None:
    space = mbconv(32, 10)
    assert set(space.largest.choices) == {"k7e6"}
    assert [choice for choice in space.smallest.choices if choice != "skip"] == ["k3e3"] * 3


def test_ids_of_architectures_for_one_size_stay() -> None:
    assert mbconv(32, 10).largest.id == mbconv(64, 10).largest.id == "8c0b1e34ba"
