"""Tests of the `SearchSpace` contract, to inherit."""

import re
import sys
from collections import Counter
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from edgenas.space import Architecture, Block, SearchSpace, block_from_key, space_from_config
from edgenas.space.block import output_shape
from edgenas.testing.architecture_space_conformance import ArchitectureSpaceConformance


class SearchSpaceConformance(ArchitectureSpaceConformance):
    """Inherit and override `space`; pytest then checks your space against the `SearchSpace` contract.

    Override `from_config` too if `space_from_config` does not know your space.
    """

    builds = 2
    """Random architectures to build in PyTorch, which is slow."""

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

    def test_sample_reaches_small_and_large(self, space: SearchSpace) -> None:
        """At least a tenth of the samples are below, and above, the middle of their range of MACs."""
        rng = np.random.default_rng(0)
        macs = np.array([space.macs(space.sample(rng)) for _ in range(300)])
        share = float(np.mean(macs > (macs.min() + macs.max()) / 2))
        assert 0.1 <= share <= 0.9

    def test_sample_reaches_every_candidate(self, space: SearchSpace) -> None:
        """The sampler can draw every block of the space."""
        rng = np.random.default_rng(0)
        needed = set(space.distinct_blocks)
        for _ in range(100 * len(needed)):
            needed -= set(space.blocks(space.sample(rng)))
            if not needed:
                break
        assert not needed

    def test_canonical_keeps_the_network(self, space: SearchSpace) -> None:
        """Choices and their canonical form select the same blocks."""
        for vector in self._vectors(space):
            architecture = space.decode(vector)
            assert Counter(_selected(space, vector)) == Counter(space.blocks(architecture))

    def test_equal_networks_are_equal_architectures(self, space: SearchSpace) -> None:
        """Different architectures have different chains of blocks."""
        seen: dict[tuple[Block, ...], Architecture] = {}
        for vector in self._vectors(space, 5 * self.samples):
            architecture = space.decode(vector)
            assert seen.setdefault(space.blocks(architecture), architecture) == architecture

    def test_cost_is_additive(self, space: SearchSpace) -> None:
        """A network consists of the fixed blocks plus the candidate selected by each variable's choice."""
        for architecture in self._samples(space):
            selected = _selected(space, space.encode(architecture))
            assert Counter(selected) == Counter(space.blocks(architecture))

    def test_path_goes_through_the_places(self, space: SearchSpace) -> None:
        """Ascending places, each with one of its possible blocks; `blocks` lists exactly these."""
        for architecture in self._samples(space):
            path = space.path(architecture)
            places = [place for place, _ in path]
            assert places == sorted(set(places))
            assert all(block in space.places[place] for place, block in path)
            assert tuple(block for _, block in path) == space.blocks(architecture)

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
            assert len({_without_choice(block) for block in options}) == 1
            assert len({output_shape(block) for block in options}) == 1

    def test_blocks_fit_together(self, space: SearchSpace) -> None:
        """Each block takes the output of the one before; the first takes an image, the last gives logits."""
        for architecture in self._samples(space):
            shape: tuple[int, ...] = space.input_shape
            for block in space.blocks(architecture):
                assert (block.in_channels, block.height, block.width) == shape
                shape = output_shape(block)
            assert shape == (space.classes,)

    def test_keys_are_canonical(self, space: SearchSpace) -> None:
        """A key reads back as its block, and different blocks have different keys."""
        for block in space.distinct_blocks:
            assert block_from_key(block.key) == block
        assert len({block.key for block in space.distinct_blocks}) == len(space.distinct_blocks)

    def test_config_keeps_the_blocks(self, space: SearchSpace) -> None:
        """The space recreated from the configuration has the same blocks in the same places."""
        again = self.from_config(space.config())
        assert again.signature == space.signature
        for name in ("candidates", "fixed_blocks", "places", "input_shape", "classes"):
            assert getattr(again, name) == getattr(space, name)

    def test_for_images_gives_what_is_asked_for(self, space: SearchSpace) -> None:
        """`for_images`, where the class has it, makes a space of that resolution and number of classes."""
        kind, (_, resolution, _) = type(space), space.input_shape
        if kind.for_images.__func__ is SearchSpace.for_images.__func__:  # type: ignore[attr-defined]
            pytest.skip("this class has no for_images")
        for classes in (space.classes, space.classes + 1):
            made = kind.for_images(resolution, classes)
            assert (made.input_shape[1:], made.classes) == ((resolution, resolution), classes)

    def test_signature_is_a_file_name(self, space: SearchSpace) -> None:
        """The signature is short and consists of letters, digits, dashes and underscores."""
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}", space.signature)

    def test_build_gives_logits(self, space: SearchSpace) -> None:
        """The module has exactly the blocks and maps (N, C, H, W) to (N, classes), in training and evaluation mode."""
        import torch

        for architecture in self._samples(space)[: self.builds]:
            network = space.build(architecture)
            assert network.blocks == space.blocks(architecture)
            for mode in (True, False):
                logits = network.train(mode)(torch.randn(2, *space.input_shape))
                assert logits.shape == (2, space.classes)
                assert torch.isfinite(logits).all()

    def test_parameters_agree_with_the_module(self, space: SearchSpace) -> None:
        """`parameters` equals PyTorch's count."""
        for architecture in self._samples(space)[: self.builds]:
            held = sum(parameter.numel() for parameter in space.build(architecture).parameters())
            assert space.parameters(architecture) == held

    def test_macs_agree_with_the_module(self, space: SearchSpace) -> None:
        """`macs` equals the MACs counted by hooks on convolutions and linear layers."""
        for architecture in self._samples(space)[: self.builds]:
            assert space.macs(architecture) == _macs_seen(space, architecture)

    def test_only_build_imports_torch(self, space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
        """Everything but `build` works where torch cannot be imported."""
        monkeypatch.setitem(sys.modules, "torch", None)
        fresh = self.from_config(space.config())
        architecture = fresh.sample(np.random.default_rng(0))
        assert fresh.macs(architecture) > 0 and fresh.parameters(architecture) > 0
        assert fresh.signature and fresh.distinct_blocks


def _selected(space: SearchSpace, vector: Any) -> list[Block]:
    """The fixed blocks and the candidates a vector selects."""
    chosen = (options[int(index)] for options, index in zip(space.candidates, vector, strict=True))
    return [*space.fixed_blocks, *(block for block in chosen if block is not None)]


def _without_choice(block: Block) -> tuple[Any, ...]:
    names = [field.name for field in fields(block) if field.name not in ("kernel", "expansion")]
    return (type(block), *(getattr(block, name) for name in names))


def _macs_seen(space: SearchSpace, architecture: Architecture) -> int:
    import torch
    from torch import nn

    network = space.build(architecture).eval()
    seen: list[int] = []

    def count(module: nn.Module, _: Any, output: torch.Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            seen.append(module.weight[0].numel() * output.numel())
        elif isinstance(module, nn.Linear):
            seen.append(module.in_features * output.numel())

    for module in network.modules():
        module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, *space.input_shape))
    return sum(seen)
