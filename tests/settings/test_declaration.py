"""What follows from a declaration."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from typing_extensions import override

import edgenas
from edgenas.errors import InputError, UnknownNameError
from edgenas.searchers.nsga2 import NSGA2Searcher
from edgenas.settings.declaration import Settings
from edgenas.settings.keywords import taking
from edgenas.settings.option import Group, Option, name_of, settings_of
from edgenas.settings.search import SearchSettings


@dataclass(frozen=True)
class Toy(Settings):
    """A few settings."""

    colour: Annotated[Literal["red", "blue"], Option("Colour of it.", example="red")]
    size: Annotated[float, Option("Size.", Group.SEARCH, at_least=0, at_most=1)] = 0.5
    shade: Annotated[int | None, Option("Shade; default: none.", only_with=("colour", "blue"))] = None
    part: Annotated["str | Path", Option("A part.")] = "usual"

    @override
    def rules(self) -> Iterator[tuple[str, str]]:
        if self.size == 1 and self.part == "large":
            yield "--size 1 and --part large exclude each other", "leave one out"


@taking(Toy)
def toy(settings: Toy) -> float:
    """Do it.

    Raises:
        InputError: no.
    """
    return settings.size


def test_a_function_takes_the_settings_as_keywords() -> None:
    assert toy("red", 0.25) == toy(colour="red", size=0.25) == 0.25
    with pytest.raises(TypeError, match="colour"):
        toy()  # type: ignore[call-arg]


def test_its_signature_and_its_docstring_come_from_the_declaration() -> None:
    parameters = inspect.signature(toy).parameters
    assert list(parameters) == ["colour", "size", "shade", "part", "progress"]
    assert parameters["size"].default == 0.5 and parameters["part"].annotation == "str | Path"
    assert inspect.getdoc(toy) == (
        "Do it.\n\nArgs:\n    colour: Colour of it.\n    size: Size.\n    shade: Shade; default: none.\n"
        "    part: A part.\n    progress: called with the progress of each phase.\n\nRaises:\n    InputError: no."
    )


def test_a_setting_knows_its_kind() -> None:
    colour, size, shade, part = settings_of(Toy)
    assert colour.required and colour.choices == ("red", "blue") and colour.kind is str
    assert (size.kind, size.flag, size.option.group) == (float, "--size", Group.SEARCH)
    assert shade.kind is int and shade.optional
    assert part.takes_objects and not part.optional


def test_whole_numbers_are_numbers_and_written_alike() -> None:
    assert Toy("red", 1).plain() == Toy("red", 1.0).plain()
    assert isinstance(Toy("red", 1).plain()["size"], float)


def test_a_setting_that_needs_another_value_of_another_is_refused_without() -> None:
    assert Toy("blue", shade=3).shade == 3
    with pytest.raises(
        InputError, match=r"^--shade needs --colour blue; leave it out, or give --colour blue$"
    ):
        Toy("red", shade=3)


def test_rules_of_a_class_hold() -> None:
    with pytest.raises(InputError, match=r"^--size 1 and --part large exclude each other; leave one out$"):
        Toy("red", 1, part="large")


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown --colour 'rad'; did you mean 'red'"):
        Toy("rad")  # type: ignore[arg-type]


class Named:
    name = "mine"


def test_objects_are_known_by_their_names() -> None:
    assert name_of(Named()) == name_of(Named) == "mine"
    assert name_of(Path("photos") / "cats") == "photos/cats"
    assert name_of(toy) == "toy"

    class Derived(Named):
        pass

    assert name_of(Derived) == "Derived"  # not what it inherits


class Shuffled:
    name = "shuffled"


@pytest.mark.parametrize(
    ("part", "given", "message"),
    [
        (
            "searcher",
            Shuffled,
            r"^searcher: a run knows an object only by its name \(shuffled\); name the run",
        ),
        ("evaluator", lambda *_: None, r"^evaluator: a run knows an object only by its name \(<lambda>\)"),
    ],
)
def test_a_run_of_an_object_needs_a_name(part: str, given: object, message: str) -> None:
    asked: dict[str, Any] = {part: given}
    with pytest.raises(InputError, match=message):
        SearchSettings("pi5", "20ms", **asked)
    assert SearchSettings("pi5", "20ms", run="mine", **asked).plain()[part] == name_of(given)


@pytest.mark.parametrize(
    ("part", "name"), [("searcher", "proxyless"), ("searcher", "nsga2"), ("evaluator", "supernet")]
)
def test_an_object_cannot_pass_for_one_of_edgenas(part: str, name: str) -> None:
    given = type("Own", (), {"name": name})
    asked: dict[str, Any] = {part: given, "run": "mine"}
    with pytest.raises(
        InputError, match=rf"^{part}: an object named '{name}' would be taken for the one of edgenas"
    ):
        SearchSettings("pi5", "20ms", **asked)


def test_a_class_of_edgenas_is_the_same_as_its_name() -> None:
    assert SearchSettings("pi5", "20ms", searcher=NSGA2Searcher, run="mine").plain()["searcher"] == "nsga2"


def test_scalars_of_numpy_are_numbers() -> None:
    settings = SearchSettings("pi5", "20ms", evaluations=np.int64(4), width=np.float32(0.5))  # type: ignore[arg-type]
    assert (settings.evaluations, settings.width) == (4, 0.5)
    assert type(settings.evaluations) is int and type(settings.width) is float


def test_how_progress_is_shown_is_no_setting() -> None:
    told = SearchSettings("pi5", "20ms", progress=lambda *_: None)
    assert told == SearchSettings("pi5", "20ms") and "progress" not in repr(told)


def test_an_unknown_keyword_suggests_the_nearest() -> None:
    with pytest.raises(
        TypeError, match=r"^search\(\) got an unexpected keyword argument 'seeed'; did you mean 'seed'\?$"
    ):
        edgenas.search("pi5", "20ms", seeed=1)  # type: ignore[call-arg]


CALLER = """
import edgenas, torch, numpy as np

run = edgenas.search("jetson", "20ms", sampling="fair", finalists=4, device_name="x")
edgenas.search("jetson", "20ms", sampling="fairly")
edgenas.search("jetson")
edgenas.search(device="jetson", max_latency=20)
edgenas.search("jetson", "20ms", width=2, gates="full", searcher="proxyless")
edgenas.predict("model.onnx", device="jetson").latency_ms
edgenas.export("photos", precision="int8").models[0].size_bytes
reveal_type(run)
images, labels = np.zeros((9, 8, 8)), ["a"] * 9
edgenas.search("jetson", "20ms", data=(images, labels))
edgenas.search("jetson", "20ms", {"train": (images, labels), "test": (images, labels)})
edgenas.export("photos", data=((images, torch.zeros(9)), (images, labels)))
edgenas.search("jetson", "20ms", data=3)
"""


def test_mypy_checks_what_callers_give(tmp_path: Path) -> None:
    file = tmp_path / "caller.py"
    file.write_text(CALLER)
    # Its cache is that of a check before, where there was one: without, all that torch brings is read.
    command = [sys.executable, "-m", "mypy", "--strict", str(file)]
    root = Path(edgenas.__file__).parents[1]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout
    wrong = {line.split(":")[1] for line in found.splitlines() if ": error:" in line and "caller.py" in line}
    assert wrong == {"4", "5", "6", "7", "16"}, found
    assert 'Revealed type is "edgenas.api.search_run.Run"' in found
