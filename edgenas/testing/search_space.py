"""What every `SearchSpace` must do, as tests to inherit."""

import json
import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np
import pytest

from edgenas.errors import InputError
from edgenas.space import Architecture, Block, SearchSpace, block_from_key, space_from_config
from edgenas.space.block import output_shape


class SearchSpaceConformance:
    """Inherit, override `space`, and pytest runs every sentence of the `SearchSpace` contract on yours.

    Override `from_config` too where your space is not known to `space_from_config`.
    """

    samples = 40
    """Random architectures most tests look at."""

    builds = 2
    """Random architectures that are built in PyTorch; the slow part."""

    @pytest.fixture
    def space(self) -> SearchSpace:
        """The space under test."""
        raise NotImplementedError("override the fixture `space`")

    def from_config(self, config: dict[str, Any]) -> SearchSpace:
        """The space a configuration describes."""
        return space_from_config(config)

    def test_variables_offer_choices(self, space: SearchSpace) -> None:
        """There are variables, and the names of a variable's choices differ."""
        assert space.variables
        for names in space.variables:
            assert names and len(set(names)) == len(names)

    def test_candidates_match_the_variables(self, space: SearchSpace) -> None:
        """One candidate for every choice of every variable."""
        assert [len(options) for options in space.candidates] == [len(names) for names in space.variables]

    def test_sample_is_canonical_and_valid(self, space: SearchSpace) -> None:
        """Samples are points of the space, in the form `architecture` gives."""
        for architecture in self._samples(space):
            assert architecture.space == space.name
            assert space.architecture(architecture.choices) == architecture

    def test_sample_follows_the_seed(self, space: SearchSpace) -> None:
        """The same seed draws the same architectures, another seed others."""
        assert self._samples(space, seed=5) == self._samples(space, seed=5)
        assert self._samples(space, seed=5) != self._samples(space, seed=6)

    def test_sample_reaches_small_and_large(self, space: SearchSpace) -> None:
        """At least a tenth of the samples lie on either side of the middle of their range of MACs."""
        rng = np.random.default_rng(0)
        macs = np.array([space.macs(space.sample(rng)) for _ in range(300)])
        share = float(np.mean(macs > (macs.min() + macs.max()) / 2))
        assert 0.1 <= share <= 0.9

    def test_sample_reaches_every_candidate(self, space: SearchSpace) -> None:
        """No block of the space is out of the sampler's reach."""
        rng = np.random.default_rng(0)
        needed = set(space.distinct_blocks)
        for _ in range(100 * len(needed)):
            needed -= set(space.blocks(space.sample(rng)))
            if not needed:
                break
        assert not needed

    def test_canonical_is_idempotent(self, space: SearchSpace) -> None:
        """A canonical form is its own canonical form."""
        for vector in self._vectors(space):
            choices = _named(space, vector)
            once = tuple(space.canonical(choices))
            assert tuple(space.canonical(once)) == once

    def test_canonical_keeps_the_network(self, space: SearchSpace) -> None:
        """Choices and their canonical form select the same blocks."""
        for vector in self._vectors(space):
            architecture = space.decode(vector)
            assert Counter(_selected(space, vector)) == Counter(space.blocks(architecture))

    def test_equal_networks_are_equal_architectures(self, space: SearchSpace) -> None:
        """Two architectures never stand for the same chain of blocks."""
        seen: dict[tuple[Block, ...], Architecture] = {}
        for vector in self._vectors(space, 5 * self.samples):
            architecture = space.decode(vector)
            assert seen.setdefault(space.blocks(architecture), architecture) == architecture

    def test_encode_and_decode_round_trip(self, space: SearchSpace) -> None:
        """An architecture survives its encoding; a vector decodes to a canonical architecture."""
        for architecture in self._samples(space):
            encoded = space.encode(architecture)
            assert encoded.shape == (len(space.variables),)
            assert np.issubdtype(encoded.dtype, np.integer)
            assert space.decode(encoded) == architecture
        for vector in self._vectors(space):
            architecture = space.decode(vector)
            assert space.decode(space.encode(architecture)) == architecture

    def test_cost_is_additive(self, space: SearchSpace) -> None:
        """A network is the fixed blocks plus, for each variable, the candidate its choice selects."""
        for architecture in self._samples(space):
            selected = _selected(space, space.encode(architecture))
            assert Counter(selected) == Counter(space.blocks(architecture))

    def test_path_goes_through_the_places(self, space: SearchSpace) -> None:
        """Ascending places, each with a block that may stand there; `blocks` lists just those."""
        for architecture in self._samples(space):
            path = space.path(architecture)
            places = [place for place, _ in path]
            assert places == sorted(set(places))
            assert all(block in space.places[place] for place, block in path)
            assert tuple(block for _, block in path) == space.blocks(architecture)

    def test_places_hold_what_the_network_can_be(self, space: SearchSpace) -> None:
        """Non-empty places, distinct blocks in each, and together the fixed blocks and the candidates."""
        assert space.places
        for options in space.places:
            assert options and len(set(options)) == len(options)
        offered = {block for options in space.places for block in options}
        candidates = {block for options in space.candidates for block in options if block is not None}
        assert offered == candidates | set(space.fixed_blocks)
        assert set(space.distinct_blocks) == offered
        assert len(space.distinct_blocks) == len(offered)

    def test_blocks_of_a_place_share_their_shape(self, space: SearchSpace) -> None:
        """They differ only in kernel and expansion, so that one set of weights serves them all."""
        for options in space.places:
            assert len({_without_choice(block) for block in options}) == 1
            assert len({output_shape(block) for block in options}) == 1

    def test_blocks_fit_together(self, space: SearchSpace) -> None:
        """Each block takes what the one before gives; the first takes an image, the last gives logits."""
        for architecture in self._samples(space):
            shape: tuple[int, ...] = space.input_shape
            for block in space.blocks(architecture):
                assert (block.in_channels, block.height, block.width) == shape
                shape = output_shape(block)
            assert shape == (space.classes,)

    def test_keys_are_canonical(self, space: SearchSpace) -> None:
        """A block's key reads back as the block, and no two blocks share one."""
        for block in space.distinct_blocks:
            assert block_from_key(block.key) == block
        assert len({block.key for block in space.distinct_blocks}) == len(space.distinct_blocks)

    def test_ids_are_stable(self, space: SearchSpace) -> None:
        """Ten hex digits, decided by name and choices alone, different for different architectures."""
        architectures = set(self._samples(space))
        for architecture in architectures:
            assert re.fullmatch(r"[0-9a-f]{10}", architecture.id)
            assert Architecture(space.name, tuple(architecture.choices)).id == architecture.id
        again = self.from_config(space.config())
        assert {again.architecture(a.choices).id for a in architectures} == {a.id for a in architectures}
        assert len({architecture.id for architecture in architectures}) == len(architectures)

    def test_architectures_are_frozen(self, space: SearchSpace) -> None:
        """An architecture is a value: hashable, and no field can be set."""
        architecture = self._samples(space)[0]
        hash(architecture)
        with pytest.raises(FrozenInstanceError):
            architecture.choices = ()  # type: ignore[misc]

    def test_config_round_trips(self, space: SearchSpace) -> None:
        """The configuration is JSON, names the space, and makes the same space again."""
        config = space.config()
        assert config["name"] == space.name
        again = self.from_config(json.loads(json.dumps(config, allow_nan=False)))
        assert again.config() == config
        assert again.signature == space.signature
        for name in ("variables", "candidates", "fixed_blocks", "places", "input_shape", "classes"):
            assert getattr(again, name) == getattr(space, name)
        assert self._samples(again) == self._samples(space)

    def test_signature_is_a_file_name(self, space: SearchSpace) -> None:
        """Short, and made of letters, digits and dashes."""
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}", space.signature)

    def test_document_is_self_contained(self, space: SearchSpace) -> None:
        """Its space and choices give the architecture back."""
        for architecture in self._samples(space)[:3]:
            document = json.loads(json.dumps(space.document(architecture), allow_nan=False))
            assert self.from_config(document["space"]).architecture(document["choices"]) == architecture

    def test_refuses_wrong_choices(self, space: SearchSpace) -> None:
        """Too few choices, too many, or one that is unknown: an error that says which."""
        choices = list(self._samples(space)[0].choices)
        for wrong in (choices[:-1], [*choices, choices[-1]]):
            with pytest.raises(InputError, match=rf"{len(wrong)} choices for space {space.name}"):
                space.architecture(wrong)
        with pytest.raises(InputError, match=r"choices\.0: unknown choice 'no such choice'"):
            space.architecture(["no such choice", *choices[1:]])

    def test_build_gives_logits(self, space: SearchSpace) -> None:
        """(N, C, H, W) in, (N, classes) out, of just the blocks, in training and in evaluation."""
        import torch

        for architecture in self._samples(space)[: self.builds]:
            network = space.build(architecture)
            assert network.blocks == space.blocks(architecture)
            for mode in (True, False):
                logits = network.train(mode)(torch.randn(2, *space.input_shape))
                assert logits.shape == (2, space.classes)
                assert torch.isfinite(logits).all()

    def test_parameters_agree_with_the_module(self, space: SearchSpace) -> None:
        """`parameters` counts what PyTorch holds."""
        for architecture in self._samples(space)[: self.builds]:
            held = sum(parameter.numel() for parameter in space.build(architecture).parameters())
            assert space.parameters(architecture) == held

    def test_macs_agree_with_the_module(self, space: SearchSpace) -> None:
        """`macs` counts the multiply-accumulates that really run: seen by hooks on convolutions and linears."""
        for architecture in self._samples(space)[: self.builds]:
            assert space.macs(architecture) == _macs_seen(space, architecture)

    def test_may_be_used_from_several_threads(self, space: SearchSpace) -> None:
        """A fresh space asked by four threads at once answers each as it would alone."""
        fresh = self.from_config(space.config())
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda seed: self._samples(fresh, seed), range(8)))
        assert answers == [self._samples(space, seed) for seed in range(8)]

    def test_only_build_imports_torch(self, space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
        """Everything but `build` works where torch cannot be imported."""
        monkeypatch.setitem(sys.modules, "torch", None)
        fresh = self.from_config(space.config())
        architecture = fresh.sample(np.random.default_rng(0))
        assert fresh.decode(fresh.encode(architecture)) == architecture
        assert fresh.macs(architecture) > 0 and fresh.parameters(architecture) > 0
        assert fresh.signature and fresh.document(architecture) and fresh.distinct_blocks

    def _samples(self, space: SearchSpace, seed: int = 0) -> list[Architecture]:
        rng = np.random.default_rng(seed)
        return [space.sample(rng) for _ in range(self.samples)]

    def _vectors(self, space: SearchSpace, count: int | None = None) -> list[list[int]]:
        """Any valid vectors, canonical or not."""
        rng = np.random.default_rng(1)
        sizes = [len(names) for names in space.variables]
        return [rng.integers(0, sizes).tolist() for _ in range(count or self.samples)]


def _named(space: SearchSpace, vector: list[int]) -> list[str]:
    return [names[index] for names, index in zip(space.variables, vector, strict=True)]


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
