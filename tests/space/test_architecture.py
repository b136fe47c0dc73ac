"""Spaces that are choices alone: the base class, and the kit that checks them against its contract."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from edgenas.errors import InputError
from edgenas.space import Architecture, ArchitectureSpace
from edgenas.testing import ArchitectureSpaceConformance


class Colours(ArchitectureSpace):
    """Two colours, mixed: their order makes no difference."""

    name = "colours"
    variables = (("red", "green", "blue"),) * 2

    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted(choices))

    def sample(self, rng: np.random.Generator) -> Architecture:
        return self.decode(rng.integers(3, size=2))

    def config(self) -> dict[str, Any]:
        return {"name": self.name}


class TestColours(ArchitectureSpaceConformance):
    @pytest.fixture
    def space(self) -> ArchitectureSpace:
        return Colours()

    def from_config(self, config: dict[str, Any]) -> ArchitectureSpace:
        assert config == {"name": "colours"}
        return Colours()


class _KeepsTurning(Colours):
    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choices[::-1])


class _SamplesAreNotCanonical(Colours):
    def sample(self, rng: np.random.Generator) -> Architecture:
        return Architecture(self.name, tuple(self.variables[0][i] for i in rng.integers(3, size=2)))


class _NeverGreen(Colours):
    def sample(self, rng: np.random.Generator) -> Architecture:
        return self.decode([2 * int(i) for i in rng.integers(2, size=2)])


class _TextsAreAlike(Colours):
    def text(self, architecture: Architecture) -> str:
        return "red-red"


@pytest.mark.parametrize(
    ("space", "test"),
    [
        (_KeepsTurning(), "test_canonical_is_idempotent"),
        (_SamplesAreNotCanonical(), "test_sample_is_canonical_and_valid"),
        (_NeverGreen(), "test_sample_reaches_every_choice"),
        (_TextsAreAlike(), "test_text_reads_back"),
    ],
)
def test_kit_catches(space: ArchitectureSpace, test: str) -> None:
    with pytest.raises(AssertionError):
        getattr(ArchitectureSpaceConformance(), test)(space)


def test_kit_asks_for_the_space() -> None:
    class TestNothing(ArchitectureSpaceConformance):
        pass

    with pytest.raises(NotImplementedError, match="override the fixture `space`"):
        TestNothing.space.__wrapped__(TestNothing())  # type: ignore[attr-defined]


def test_abstract_space_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        ArchitectureSpace()  # type: ignore[abstract]


def test_id_is_pinned() -> None:
    assert Architecture("mbconv", ("k3e3", "skip")).id == "2b77b8ce1f"
    assert Architecture("mbconv", ("k3e3,skip",)).id != Architecture("mbconv", ("k3e3", "skip")).id
    assert Architecture("other", ("k3e3", "skip")).id != Architecture("mbconv", ("k3e3", "skip")).id


def test_text_is_the_choices_between_dashes() -> None:
    architecture = Colours().architecture_from_text("red-blue")
    assert architecture.choices == ("blue", "red")
    assert Colours().text(architecture) == "blue-red"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"1 choices for space colours, which has 2 variables; give one choice per variable"),
        ("red-pink", r"choices\.1: unknown choice 'pink'; use one of red, green, blue"),
    ],
)
def test_wrong_texts(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Colours().architecture_from_text(text)
