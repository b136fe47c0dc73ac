"""The search space contract: its base class, its documents, and the kit that checks spaces against it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.plugins import AddPackage
from numpy.typing import NDArray

from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.space import Architecture, Block, SearchSpace, architecture_from_json, mbconv, space_from_config
from edgenas.space.block import Head, Stem
from edgenas.testing import SearchSpaceConformance


class ToySpace(SearchSpace):
    """One stem of three kernels, one head: the smallest space there is."""

    name = "toy"
    input_shape = (3, 8, 8)
    classes = 4
    variables = (("k3", "k5", "k7"),)
    fixed_blocks = (Head("relu", 8, 8, 4, 4, 4),)
    candidates = (tuple(Stem(kernel, 2, "relu", 3, 8, 8, 8) for kernel in (3, 5, 7)),)
    places = (*candidates, fixed_blocks)

    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        stem = self.candidates[0][self.variables[0].index(architecture.choices[0])]
        return ((0, stem), (1, self.fixed_blocks[0]))

    def choice_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        return ((0, 0, 0),)

    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choices)

    def sample(self, rng: np.random.Generator) -> Architecture:
        return self.architecture([str(rng.choice(self.variables[0]))])

    def config(self) -> dict[str, Any]:
        return {"name": self.name}


class TestToySpace(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return ToySpace()

    def from_config(self, config: dict[str, Any]) -> SearchSpace:
        assert config == {"name": "toy"}
        return ToySpace()


class _ForgetsToCanonicalise(ToySpace):
    variables = (("k3", "k5", "k7", "k3 again"),)
    candidates = ((*ToySpace.candidates[0], ToySpace.candidates[0][0]),)


class _LeavesTheHeadOut(ToySpace):
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        return super().path(architecture)[:1]


class _StandsElsewhere(ToySpace):
    def choice_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        return ((1, 1, 1),)


class _RunsBackwards(ToySpace):
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        return super().path(architecture)[::-1]


class _IgnoresTheSeed(ToySpace):
    def sample(self, rng: np.random.Generator) -> Architecture:
        return super().sample(np.random.default_rng(0))


class _CannotReachAll(ToySpace):
    def sample(self, rng: np.random.Generator) -> Architecture:
        return self.architecture([str(rng.choice(self.variables[0][:2]))])


class _ConfigIsNotJson(ToySpace):
    def config(self) -> dict[str, Any]:
        return {"name": self.name, "shape": {1, 2}}


class _ConfigLacksTheClasses(ToySpace):
    classes = 5


class _WrongShape(ToySpace):
    input_shape = (3, 16, 16)


@pytest.mark.parametrize(
    ("space", "test"),
    [
        (_ForgetsToCanonicalise(), "test_equal_networks_are_equal_architectures"),
        (_LeavesTheHeadOut(), "test_cost_is_additive"),
        (_LeavesTheHeadOut(), "test_blocks_fit_together"),
        (_LeavesTheHeadOut(), "test_build_gives_logits"),
        (_StandsElsewhere(), "test_choices_take_the_places_of_the_path"),
        (_RunsBackwards(), "test_path_goes_through_the_places"),
        (_IgnoresTheSeed(), "test_sample_follows_the_seed"),
        (_CannotReachAll(), "test_sample_reaches_every_candidate"),
        (_CannotReachAll(), "test_sample_reaches_every_choice"),
        (_WrongShape(), "test_blocks_fit_together"),
        (_WrongShape(), "test_macs_agree_with_the_module"),
    ],
)
def test_kit_catches(space: SearchSpace, test: str) -> None:
    with pytest.raises(AssertionError):
        getattr(SearchSpaceConformance(), test)(space)


def test_kit_catches_a_config_that_is_not_json() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        SearchSpaceConformance().test_config_round_trips(_ConfigIsNotJson())


def test_kit_catches_a_config_that_is_not_complete() -> None:
    with pytest.raises(AssertionError):
        TestToySpace().test_config_keeps_the_blocks(_ConfigLacksTheClasses())


def test_kit_asks_for_the_space() -> None:
    class TestNothing(SearchSpaceConformance):
        pass

    with pytest.raises(NotImplementedError, match="override the fixture `space`"):
        TestNothing.space.__wrapped__(TestNothing())  # type: ignore[attr-defined]


def test_abstract_space_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        SearchSpace()  # type: ignore[abstract]


def test_signature_tells_spaces_apart() -> None:
    spaces = [mbconv(32, 10), mbconv(32, 11), mbconv(33, 10), mbconv(32, 10, 0.5), mbconv(32, 10, 1, True)]
    assert len({space.signature for space in spaces}) == len(spaces)
    assert mbconv(32, 10).signature == mbconv(32, 10).signature
    assert mbconv(32, 10).signature.startswith("mbconv-32px-")


def test_distinct_blocks_are_each_once_in_running_order() -> None:
    space = mbconv(32, 10)
    assert len(set(space.distinct_blocks)) == len(space.distinct_blocks)
    assert isinstance(space.distinct_blocks[0], Stem)
    assert isinstance(space.distinct_blocks[-1], Head)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([], r"0 choices for space toy, which has 1 variables; give one choice per variable"),
        (["k3", "k3"], r"2 choices for space toy, which has 1 variables; give one choice per variable"),
        (["k9"], r"choices\.0: unknown choice 'k9'; use one of k3, k5, k7"),
    ],
)
def test_wrong_choices(choices: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ToySpace().architecture(choices)


def test_unknown_space_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown search space 'mbconf'; did you mean 'mbconv'"):
        space_from_config({"name": "mbconf"})
    with pytest.raises(
        UnknownNameError, match="unknown search space 'None'; known: mbconv, nasbench-macro, nasbench201"
    ):
        space_from_config({})


def test_wrong_config_names_the_field() -> None:
    config = {**mbconv(32, 10).config(), "classes": 1}
    with pytest.raises(
        FileFormatError, match=r"a\.json: classes: input should be greater than or equal to 2"
    ):
        space_from_config(config, Path("a.json"))


def _document(**changes: Any) -> dict[str, Any]:
    space = mbconv(16, 10)
    return {**space.document(space.sample(np.random.default_rng(0))), **changes}


def test_architecture_file_reads_back(tmp_path: Path) -> None:
    space = mbconv(16, 10, squeeze_excite=True)
    architecture = space.sample(np.random.default_rng(0))
    path = tmp_path / "a.json"
    path.write_text(json.dumps(space.document(architecture)))
    again, read = architecture_from_json(path)
    assert read == architecture
    assert again.blocks(read) == space.blocks(architecture)


def test_architecture_file_is_made_canonical(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    choices = ["k3e2", "skip", "k5e6"] + ["k3e2", "skip", "skip"] * 2
    path.write_text(json.dumps(_document(choices=choices)))
    assert architecture_from_json(path)[1].choices[:3] == ("k3e2", "k5e6", "skip")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "edgenas.architecture/2"}, r"a\.json: schema: input should be 'edgenas\.architecture/1'"),
        ({"choices": ["k3e3"]}, r"a\.json: 1 choices for space mbconv, which has 9 variables; give one"),
        ({"choices": ["k9e9"] * 9}, r"a\.json: choices\.0: unknown choice 'k9e9'; use one of k3e2, "),
        ({"choices": "k3e3"}, r"a\.json: choices: input should be a valid tuple"),
        (
            {"space": {"name": "nasbench201"}},
            r"a\.json: search space nasbench201 has no blocks to time or build; use mbconv or nasbench-macro",
        ),
        ({"space": {"name": "nasbench201", "c": 1}}, r"a\.json: c: extra inputs are not permitted"),
        (
            {"space": {"name": "nasbench-macro", "width": 5}},
            r"a\.json: width: input should be less than or eq",
        ),
        ({"space": {"name": "cell"}}, r"a\.json: unknown search space 'cell'; known: mbconv"),
        ({"space": []}, r"a\.json: space: input should be a valid dictionary"),
        ({"note": ""}, r"a\.json: note: extra inputs are not permitted"),
    ],
)
def test_wrong_architecture_files(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(_document(**changes)))
    with pytest.raises(FileFormatError, match=message):
        architecture_from_json(path)


PACKAGE = """
from edgenas.errors import InputError
from edgenas.space import SearchSpace

class Unnamed(SearchSpace):
    pass

class Picky(SearchSpace):
    @classmethod
    def from_config(cls, config):
        raise InputError("no classes", "give classes")

def function(): ...
"""
POINTS = "".join(
    f"{name} = my_spaces:{member}\n"
    for name, member in (("unnamed", "Unnamed"), ("picky", "Picky"), ("function", "function"))
)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("picky", r"^arch\.json: no classes; give classes$"),
        (
            "unnamed",
            r"^arch\.json: space class Unnamed has no from_config, so it cannot be chosen by name; impl",
        ),
        (
            "function",
            r"^arch\.json: edgenas\.spaces 'function' is no class derived from SearchSpace; see docs/",
        ),
    ],
)
def test_a_space_of_a_package_that_refuses_a_config_is_an_error_of_the_file(
    add_package: AddPackage, name: str, message: str
) -> None:
    add_package("my_spaces", f"[edgenas.spaces]\n{POINTS}", PACKAGE)
    with pytest.raises(FileFormatError, match=message):
        space_from_config({"name": name}, Path("arch.json"))


class _IgnoresTheImages(ToySpace):
    @classmethod
    def for_images(cls, resolution: int, classes: int) -> "_IgnoresTheImages":
        return cls()


def test_kit_catches_a_space_for_other_images() -> None:
    with pytest.raises(AssertionError):
        SearchSpaceConformance().test_for_images_gives_what_is_asked_for(_IgnoresTheImages())
