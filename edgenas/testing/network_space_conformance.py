"""Tests of the `NetworkSpace` contract, to inherit."""

import re
import sys
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from edgenas.space import Architecture, Block, NetworkSpace, block_from_key, network_space_from_config
from edgenas.space.block import output_shape
from edgenas.testing.architecture_space_conformance import ArchitectureSpaceConformance


class NetworkSpaceConformance(ArchitectureSpaceConformance):
    """Inherit and override `space`; pytest then checks your space against the `NetworkSpace` contract.

    For a space of one image size, inherit `SearchSpaceConformance`, which contains these tests.
    """

    builds = 2
    """Random architectures to build in PyTorch, which is slow."""

    @pytest.fixture
    def space(self) -> NetworkSpace:
        """The space under test."""
        raise NotImplementedError("override the fixture `space`")

    def from_config(self, config: dict[str, Any]) -> NetworkSpace:
        """Make the space of a configuration."""
        return network_space_from_config(config)

    def test_parts_lead_back(self, space: NetworkSpace) -> None:
        """An architecture is the same network in the space of its image size, and is found again from there."""
        assert list(space.resolutions) == sorted(set(space.resolutions))
        for architecture in self._samples(space):
            size, part = space.resolution_of(architecture), space.sized(architecture)
            assert part.space is space.at(size)
            assert space.input_shape_of(architecture) == part.space.input_shape
            assert part.space.input_shape[1:] == (size, size)
            assert part.space.blocks(part.architecture) == space.blocks(architecture)
            assert part.space.architecture(part.architecture.choices) == part.architecture
            assert space.joined(size, part.architecture) == architecture

    def test_every_resolution_occurs(self, space: NetworkSpace) -> None:
        """The sampler can draw every image size."""
        rng = np.random.default_rng(0)
        drawn = {space.resolution_of(space.sample(rng)) for _ in range(100 * len(space.resolutions))}
        assert drawn == set(space.resolutions)

    def test_smallest_and_largest_are_the_extremes(self, space: NetworkSpace) -> None:
        """No architecture has fewer MACs than the smallest, or more than the largest."""
        macs = [space.macs(architecture) for architecture in self._samples(space)]
        assert space.macs(space.smallest) <= min(macs) and max(macs) <= space.macs(space.largest)

    def test_blocks_of_a_place_share_weights(self, space: NetworkSpace) -> None:
        """Blocks of a place differ only in kernel, expansion, height and width."""
        for options in space.places:
            assert options and len(set(options)) == len(options)
            assert len({without(block, "kernel", "expansion", "height", "width") for block in options}) == 1

    def test_sample_reaches_small_and_large(self, space: NetworkSpace) -> None:
        """At least a tenth of the samples are below, and above, the middle of their range of MACs."""
        rng = np.random.default_rng(0)
        macs = np.array([space.macs(space.sample(rng)) for _ in range(300)])
        share = float(np.mean(macs > (macs.min() + macs.max()) / 2))
        assert 0.1 <= share <= 0.9

    def test_sample_reaches_every_candidate(self, space: NetworkSpace) -> None:
        """The sampler can draw every block of the space."""
        rng = np.random.default_rng(0)
        needed = set(space.distinct_blocks)
        for _ in range(100 * len(needed)):
            needed -= set(space.blocks(space.sample(rng)))
            if not needed:
                break
        assert not needed

    def test_equal_networks_are_equal_architectures(self, space: NetworkSpace) -> None:
        """Different architectures have different chains of blocks."""
        seen: dict[tuple[Block, ...], Architecture] = {}
        for vector in self._vectors(space, 5 * self.samples):
            architecture = space.decode(vector)
            assert seen.setdefault(space.blocks(architecture), architecture) == architecture

    def test_path_goes_through_the_places(self, space: NetworkSpace) -> None:
        """Ascending places, each with one of its possible blocks; `blocks` lists exactly these."""
        for architecture in self._samples(space):
            path = space.path(architecture)
            places = [place for place, _ in path]
            assert places == sorted(set(places))
            assert all(block in space.places[place] for place, block in path)
            assert tuple(block for _, block in path) == space.blocks(architecture)

    def test_blocks_fit_together(self, space: NetworkSpace) -> None:
        """Each block takes the output of the one before; the first takes an image, the last gives logits."""
        for architecture in self._samples(space):
            shape: tuple[int, ...] = space.input_shape_of(architecture)
            for block in space.blocks(architecture):
                assert (block.in_channels, block.height, block.width) == shape
                shape = output_shape(block)
            assert shape == (space.classes,)

    def test_keys_are_canonical(self, space: NetworkSpace) -> None:
        """A key reads back as its block, and different blocks have different keys."""
        for block in space.distinct_blocks:
            assert block_from_key(block.key) == block
        assert len({block.key for block in space.distinct_blocks}) == len(space.distinct_blocks)

    def test_signature_is_a_file_name(self, space: NetworkSpace) -> None:
        """The signature is short and consists of letters, digits, dashes and underscores."""
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}", space.signature)

    def test_build_gives_logits(self, space: NetworkSpace) -> None:
        """The module has exactly the blocks and maps (N, C, H, W) to (N, classes), in training and evaluation mode."""
        import torch

        for architecture in self._samples(space)[: self.builds]:
            network = space.build(architecture)
            assert network.blocks == space.blocks(architecture)
            for mode in (True, False):
                logits = network.train(mode)(torch.randn(2, *space.input_shape_of(architecture)))
                assert logits.shape == (2, space.classes)
                assert torch.isfinite(logits).all()

    def test_parameters_agree_with_the_module(self, space: NetworkSpace) -> None:
        """`parameters` equals PyTorch's count."""
        for architecture in self._samples(space)[: self.builds]:
            held = sum(parameter.numel() for parameter in space.build(architecture).parameters())
            assert space.parameters(architecture) == held

    def test_macs_agree_with_the_module(self, space: NetworkSpace) -> None:
        """`macs` equals the MACs counted by hooks on convolutions and linear layers."""
        for architecture in self._samples(space)[: self.builds]:
            assert space.macs(architecture) == _macs_seen(space, architecture)

    def test_only_build_imports_torch(self, space: NetworkSpace, monkeypatch: pytest.MonkeyPatch) -> None:
        """Everything but `build` works where torch cannot be imported."""
        monkeypatch.setitem(sys.modules, "torch", None)
        fresh = self.from_config(space.config())
        architecture = fresh.sample(np.random.default_rng(0))
        assert fresh.macs(architecture) > 0 and fresh.parameters(architecture) > 0
        assert fresh.signature and fresh.distinct_blocks


def without(block: Block, *names: str) -> tuple[Any, ...]:
    """What a block is apart from some of its fields."""
    kept = [field.name for field in fields(block) if field.name not in names]
    return (type(block), *(getattr(block, name) for name in kept))


def _macs_seen(space: NetworkSpace, architecture: Architecture) -> int:
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
        network(torch.zeros(1, *space.input_shape_of(architecture)))
    return sum(seen)
