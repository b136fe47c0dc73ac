"""Fragments: drawn from a seed, valid, of a size that can be timed."""

import onnx

from edgenas.fragments import drawing as module
from edgenas.fragments.drawing import fragments

COUNT = 40
"""Each family twice, and more."""


def test_every_fragment_is_a_valid_model() -> None:
    for fragment in fragments(2, COUNT):
        onnx.checker.check_model(fragment.model, full_check=True)
        (given,) = fragment.model.graph.input
        assert tuple(dim.dim_value for dim in given.type.tensor_type.shape.dim) == fragment.shape
        assert fragment.shape[0] == 2
        weights = sum(len(tensor.raw_data) // 4 for tensor in fragment.model.graph.initializer)
        assert weights < 1.01 * module.MAX_WEIGHTS


def test_a_seed_gives_the_same_fragments_again() -> None:
    first, again = (list(fragments(1, 6)) for _ in range(2))
    assert first == again
    assert len({fragment.name for fragment in first}) == 6
    other = next(fragments(1, 1, seed=1))
    assert other.name != first[0].name and other.model != first[0].model


def test_families_take_turns() -> None:
    names = [fragment.name.split("/")[1] for fragment in fragments(1, COUNT)]
    assert len(set(names)) == len(set(names[: COUNT // 2])) > 10
