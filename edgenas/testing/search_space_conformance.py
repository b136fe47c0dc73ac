"""Tests of the `SearchSpace` contract, to inherit."""

from collections import Counter
from typing import Any

import pytest

from edgenas.errors import InputError
from edgenas.space import Block, SearchSpace, space_from_config
from edgenas.space.block import output_shape
from edgenas.testing.network_space_conformance import NetworkSpaceConformance, without


class SearchSpaceConformance(NetworkSpaceConformance):
    """Inherit and override `space`; pytest then checks your space against the `SearchSpace` contract.

    Override `from_config` too if `space_from_config` does not know your space.
    """

    @pytest.fixture
    def space(self) -> SearchSpace:
        """The space under test."""
        raise NotImplementedError("override the fixture `space`")

    def from_config(self, config: dict[str, Any]) -> SearchSpace:
        """Make the space of a configuration."""
        return space_from_config(config)

    def test_candidates_match_the_variables(self, space: SearchSpace) -> None:
        """One candidate for every choice of every variable."""
        assert [len(options) for options in space.candidates] == [len(names) for names in space.variables]

    def test_canonical_keeps_the_network(self, space: SearchSpace) -> None:
        """Choices and their canonical form select the same blocks."""
        for vector in self._vectors(space):
            architecture = space.decode(vector)
            assert Counter(_selected(space, vector)) == Counter(space.blocks(architecture))

    def test_cost_is_additive(self, space: SearchSpace) -> None:
        """A network consists of the fixed blocks plus the candidate selected by each variable's choice."""
        for architecture in self._samples(space):
            selected = _selected(space, space.encode(architecture))
            assert Counter(selected) == Counter(space.blocks(architecture))

    def test_choices_take_the_places_of_the_path(self, space: SearchSpace) -> None:
        """Chosen blocks take the places of the path, also for non-canonical vectors; other choices have none."""
        fixed = set(space.fixed_blocks)
        for vector in self._vectors(space):
            standing = space.choice_places(vector)
            path = space.path(space.decode(vector))
            chosen = [
                (places[index], options[index])
                for places, options, index in zip(standing, space.candidates, map(int, vector), strict=True)
            ]
            stands = [(place, block) for place, block in chosen if block is not None]
            assert stands == [(place, block) for place, block in path if block not in fixed]
            for places, options in zip(standing, space.candidates, strict=True):
                assert all(
                    (place == -1) == (block is None) for place, block in zip(places, options, strict=True)
                )
                assert all(
                    block in space.places[place]
                    for place, block in zip(places, options, strict=True)
                    if block
                )

    def test_places_hold_what_the_network_can_be(self, space: SearchSpace) -> None:
        """Places are non-empty with distinct blocks: together, the fixed blocks and the candidates."""
        assert space.places
        for options in space.places:
            assert options and len(set(options)) == len(options)
        offered = {block for options in space.places for block in options}
        candidates = {block for options in space.candidates for block in options if block is not None}
        assert offered == candidates | set(space.fixed_blocks)
        assert set(space.distinct_blocks) == offered
        assert len(space.distinct_blocks) == len(offered)

    def test_blocks_of_a_place_share_their_shape(self, space: SearchSpace) -> None:
        """Blocks of a place differ only in kernel and expansion, so that they can share weights."""
        for options in space.places:
            assert len({without(block, "kernel", "expansion") for block in options}) == 1
            assert len({output_shape(block) for block in options}) == 1

    def test_config_keeps_the_blocks(self, space: SearchSpace) -> None:
        """The space recreated from the configuration has the same blocks in the same places."""
        again = self.from_config(space.config())
        assert again.signature == space.signature
        for name in ("candidates", "fixed_blocks", "places", "input_shape", "classes"):
            assert getattr(again, name) == getattr(space, name)

    def test_resized_changes_the_image_size(self, space: SearchSpace) -> None:
        """`resized`, where the class supports it, makes the space of another image size, and back the same."""
        size = space.input_shape[1]
        try:
            larger = space.resized(2 * size)
        except InputError as error:
            pytest.skip(f"this space has one image size: {error}")
        assert larger.input_shape[1:] == (2 * size, 2 * size) and larger.classes == space.classes
        again = larger.resized(size)
        assert (again.signature, again.places) == (space.signature, space.places)

    def test_with_channels_changes_the_first_block(self, space: SearchSpace) -> None:
        """`with_channels` makes the same networks for grey or RGB images, where it makes any, and back the same."""
        assert space.with_channels(space.channels) is space
        for other in space.of_any_channels[1:]:
            assert other.input_shape[1:] == space.input_shape[1:] and other.channels != space.channels
            assert (other.variables, other.candidates) == (space.variables, space.candidates)
            assert len(other.blocks_of_any_channels) > len(space.distinct_blocks)
            again = other.with_channels(space.channels)
            assert again is not None and other.signature != space.signature
            assert (again.signature, again.places) == (space.signature, space.places)

    def test_for_images_gives_what_is_asked_for(self, space: SearchSpace) -> None:
        """`for_images`, where the class has it, makes a space of that resolution and number of classes."""
        kind, (_, resolution, _) = type(space), space.input_shape
        if kind.for_images.__func__ is SearchSpace.for_images.__func__:  # type: ignore[attr-defined]
            pytest.skip("this class has no for_images")
        for classes in (space.classes, space.classes + 1):
            made = kind.for_images(resolution, classes)
            assert (made.input_shape[1:], made.classes) == ((resolution, resolution), classes)


def _selected(space: SearchSpace, vector: Any) -> list[Block]:
    """The fixed blocks and the candidates a vector selects."""
    chosen = (options[int(index)] for options, index in zip(space.candidates, vector, strict=True))
    return [*space.fixed_blocks, *(block for block in chosen if block is not None)]
