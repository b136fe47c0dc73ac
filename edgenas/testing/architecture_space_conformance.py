"""Tests of the `ArchitectureSpace` contract, to inherit."""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from edgenas.errors import InputError
from edgenas.space import Architecture, ArchitectureSpace, architecture_space_from_config


class ArchitectureSpaceConformance:
    """Inherit and override `space`; pytest then checks your space against the `ArchitectureSpace` contract.

    Override `from_config` too if `architecture_space_from_config` does not know your space.
    """

    samples = 40
    """Random architectures per test, in most tests."""

    @pytest.fixture
    def space(self) -> ArchitectureSpace:
        """The space under test."""
        raise NotImplementedError("override the fixture `space`")

    def from_config(self, config: dict[str, Any]) -> ArchitectureSpace:
        """Make the space of a configuration."""
        return architecture_space_from_config(config)

    def test_variables_offer_choices(self, space: ArchitectureSpace) -> None:
        """There are variables, and each variable has distinct choice names."""
        assert space.variables
        for names in space.variables:
            assert names and len(set(names)) == len(names)

    def test_sample_is_canonical_and_valid(self, space: ArchitectureSpace) -> None:
        """Samples are valid architectures in canonical form."""
        for architecture in self._samples(space):
            assert architecture.space == space.name
            assert space.architecture(architecture.choices) == architecture

    def test_sample_follows_the_seed(self, space: ArchitectureSpace) -> None:
        """The same seed draws the same architectures, another seed different ones."""
        assert self._samples(space, seed=5) == self._samples(space, seed=5)
        assert self._samples(space, seed=5) != self._samples(space, seed=6)

    def test_sample_reaches_every_choice(self, space: ArchitectureSpace) -> None:
        """The sampler can draw every choice that occurs in canonical forms."""
        rng = np.random.default_rng(0)
        needed = {pair for vector in self._vectors(space) for pair in enumerate(space.decode(vector).choices)}
        for _ in range(100 * len(needed)):
            needed -= set(enumerate(space.sample(rng).choices))
            if not needed:
                break
        assert not needed

    def test_canonical_is_idempotent(self, space: ArchitectureSpace) -> None:
        """A canonical form is its own canonical form."""
        for vector in self._vectors(space):
            once = tuple(space.canonical(_named(space, vector)))
            assert tuple(space.canonical(once)) == once

    def test_encode_and_decode_round_trip(self, space: ArchitectureSpace) -> None:
        """Encoding and decoding gives the architecture back; vectors decode to canonical architectures."""
        for architecture in self._samples(space):
            encoded = space.encode(architecture)
            assert encoded.shape == (len(space.variables),)
            assert np.issubdtype(encoded.dtype, np.integer)
            assert space.decode(encoded) == architecture
        for vector in self._vectors(space):
            architecture = space.decode(vector)
            assert space.decode(space.encode(architecture)) == architecture

    def test_canonical_vectors_are_those_of_the_canonical_architectures(
        self, space: ArchitectureSpace
    ) -> None:
        """The vectorised form equals one at a time, and leaves its argument unchanged."""
        vectors = np.array(self._vectors(space, 10 * self.samples))
        expected = [space.encode(space.decode(vector)).tolist() for vector in vectors]
        given = vectors.copy()
        assert space.canonical_vectors(vectors).tolist() == expected
        assert (vectors == given).all()
        assert space.canonical_vectors(vectors[:0]).shape == (0, len(space.variables))

    def test_text_reads_back(self, space: ArchitectureSpace) -> None:
        """`text` is one line that reads back; other lines are refused."""
        for architecture in self._samples(space):
            text = space.text(architecture)
            assert text.isprintable()
            assert space.architecture_from_text(text) == architecture
        for wrong in ("", "no such architecture", f"{space.text(self._samples(space)[0])} "):
            with pytest.raises(InputError):
                space.architecture_from_text(wrong)

    def test_ids_are_stable(self, space: ArchitectureSpace) -> None:
        """Ten hex digits that depend on name and choices only and differ between architectures."""
        architectures = set(self._samples(space))
        for architecture in architectures:
            assert re.fullmatch(r"[0-9a-f]{10}", architecture.id)
            assert Architecture(space.name, tuple(architecture.choices)).id == architecture.id
        again = self.from_config(space.config())
        assert {again.architecture(a.choices).id for a in architectures} == {a.id for a in architectures}
        assert len({architecture.id for architecture in architectures}) == len(architectures)

    def test_architectures_are_frozen(self, space: ArchitectureSpace) -> None:
        """An architecture is hashable, and its fields cannot be set."""
        architecture = self._samples(space)[0]
        hash(architecture)
        with pytest.raises(FrozenInstanceError):
            architecture.choices = ()  # type: ignore[misc]

    def test_config_round_trips(self, space: ArchitectureSpace) -> None:
        """The configuration is JSON, names the space, and recreates the same space."""
        config = space.config()
        assert config["name"] == space.name
        again = self.from_config(json.loads(json.dumps(config, allow_nan=False)))
        assert again.config() == config
        assert again.variables == space.variables
        assert self._samples(again) == self._samples(space)

    def test_document_is_self_contained(self, space: ArchitectureSpace) -> None:
        """A document's space and choices recreate the architecture."""
        for architecture in self._samples(space)[:3]:
            document = json.loads(json.dumps(space.document(architecture), allow_nan=False))
            assert self.from_config(document["space"]).architecture(document["choices"]) == architecture

    def test_refuses_wrong_choices(self, space: ArchitectureSpace) -> None:
        """Too few, too many or unknown choices raise an error that says what is wrong."""
        choices = list(self._samples(space)[0].choices)
        for wrong in (choices[:-1], [*choices, choices[-1]]):
            with pytest.raises(InputError, match=rf"{len(wrong)} choices for space {space.name}"):
                space.architecture(wrong)
        with pytest.raises(InputError, match=r"choices\.0: unknown choice 'no such choice'"):
            space.architecture(["no such choice", *choices[1:]])

    def test_may_be_used_from_several_threads(self, space: ArchitectureSpace) -> None:
        """A fresh space gives four concurrent threads the same results as one thread."""
        fresh = self.from_config(space.config())
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda seed: self._samples(fresh, seed), range(8)))
        assert answers == [self._samples(space, seed) for seed in range(8)]

    def test_needs_no_torch(self, space: ArchitectureSpace, monkeypatch: pytest.MonkeyPatch) -> None:
        """The space works where torch cannot be imported."""
        monkeypatch.setitem(sys.modules, "torch", None)
        fresh = self.from_config(space.config())
        architecture = fresh.sample(np.random.default_rng(0))
        assert fresh.decode(fresh.encode(architecture)) == architecture
        assert fresh.architecture_from_text(fresh.text(architecture)) == architecture
        assert fresh.document(architecture)

    def _samples(self, space: ArchitectureSpace, seed: int = 0) -> list[Architecture]:
        rng = np.random.default_rng(seed)
        return [space.sample(rng) for _ in range(self.samples)]

    def _vectors(self, space: ArchitectureSpace, count: int | None = None) -> list[list[int]]:
        """Valid vectors, canonical or not."""
        rng = np.random.default_rng(1)
        sizes = [len(names) for names in space.variables]
        return [rng.integers(0, sizes).tolist() for _ in range(count or self.samples)]


def _named(space: ArchitectureSpace, vector: list[int]) -> list[str]:
    return [names[index] for names, index in zip(space.variables, vector, strict=True)]
