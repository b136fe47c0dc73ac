"""Parts of other packages: found without being loaded, and broken ones named."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures.plugins import AddPackage

from edgenas.errors import InputError
from edgenas.plugins import DEVICES, GROUPS, SEARCHERS, SPACES, Plugin, load_plugin, plugin_names, plugins

POINTS = """
[edgenas.searchers]
mine = my_parts:make
absent = my_parts:absent
constant = my_parts:constant

[edgenas.devices]
boards = my_parts

[other.tools]
unrelated = my_parts:make
"""
SOURCE = "constant = 1\ndef make(problem, seed): ...\n"


def test_parts_are_listed_with_their_package_and_not_loaded(add_package: AddPackage) -> None:
    before = plugins()
    add_package("my_parts", POINTS, SOURCE)
    assert {*plugin_names(SEARCHERS)} >= {"absent", "constant", "mine"}
    assert list(plugin_names(SEARCHERS)) == sorted(plugin_names(SEARCHERS))
    names = ((SEARCHERS, "absent"), (SEARCHERS, "constant"), (SEARCHERS, "mine"), (DEVICES, "boards"))
    assert [plugin for plugin in plugins() if plugin not in before] == [
        Plugin(group, name, "my_parts 1.2") for group, name in names
    ]
    assert "my_parts" not in sys.modules


def test_a_part_is_loaded_by_its_name(add_package: AddPackage) -> None:
    add_package("my_parts", POINTS, SOURCE)
    make = load_plugin(SEARCHERS, "mine")
    assert (make.__module__, make.__name__) == ("my_parts", "make")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise RuntimeError('no licence\\nsecond line')", "RuntimeError: no licence"),
        ("def f(:", r"SyntaxError: .*"),
        ("", "AttributeError: module 'my_parts' has no attribute 'make'"),
    ],
)
def test_a_part_that_cannot_be_loaded_is_named_with_the_reason(
    add_package: AddPackage, source: str, found: str
) -> None:
    add_package("my_parts", POINTS, source)
    message = (
        rf"^edgenas\.searchers 'mine' \(my_parts:make\) cannot be loaded: {found}; "
        "fix or uninstall the package that provides it$"
    )
    with pytest.raises(InputError, match=message):
        load_plugin(SEARCHERS, "mine")


@pytest.mark.parametrize(
    ("group", "name", "message"),
    [
        (
            SEARCHERS,
            "constant",
            r"'constant' \(my_parts:constant\) is not a class or function; fix or uninstall",
        ),
        (DEVICES, "boards", r"'boards' \(my_parts\) is not a package; fix or uninstall"),
    ],
)
def test_a_part_that_can_make_nothing_is_refused(
    add_package: AddPackage, group: str, name: str, message: str
) -> None:
    add_package("my_parts", POINTS, SOURCE)
    with pytest.raises(InputError, match=message):
        load_plugin(group, name)


def test_groups_are_named_after_what_they_hold() -> None:
    assert SPACES == "edgenas.spaces"
    assert {group.removeprefix("edgenas.") for group in GROUPS} == {
        "devices",
        "evaluators",
        "runtimes",
        "searchers",
        "spaces",
    }


def test_of_two_packages_with_one_name_the_first_on_the_path_counts(
    tmp_path: Path, see_packages: Callable[[Path], None]
) -> None:
    for name in ("later", "earlier"):
        info = tmp_path / name / f"{name}_parts-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}_parts\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[edgenas.searchers]\nmine = {name}_parts:make\n")
        (tmp_path / name / f"{name}_parts.py").write_text(SOURCE)
        see_packages(tmp_path / name)
    assert load_plugin(SEARCHERS, "mine").__module__ == "earlier_parts"
    assert Plugin(SEARCHERS, "mine", "earlier_parts 1.0") in plugins()
