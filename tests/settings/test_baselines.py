"""`--baselines`: alone, off, or with names, from every door."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.cli.options import with_values
from edgenas.errors import InputError, UnknownNameError
from edgenas.settings.baselines import USUAL, baseline_names, baselines_setting
from edgenas.settings.search import SearchSettings

NAMES = st.lists(
    st.sampled_from(["timm:a", "torchvision:b", "efficientnet-lite0", USUAL]), min_size=1, unique=True
)


@pytest.mark.parametrize(
    ("given", "plain", "names"),
    [
        (False, False, ()),
        (True, True, (USUAL,)),
        ("default", True, (USUAL,)),
        ("none", False, ()),
        (" timm:a , torchvision:b,timm:a", "timm:a,torchvision:b", ("timm:a", "torchvision:b")),
        (["efficientnet-lite1", "default"], "efficientnet-lite1,default", ("efficientnet-lite1", USUAL)),
    ],
)
def test_each_form_has_a_plain_one(given: Any, plain: Any, names: tuple[str, ...]) -> None:
    settings = SearchSettings("pi5", "20ms", baselines=given)
    assert settings.baselines == settings.plain()["baselines"] == plain
    assert settings.baseline_names == names


@given(NAMES)
def test_the_plain_form_is_its_own(names: list[str]) -> None:
    plain = baselines_setting(names, "--baselines")
    assert baselines_setting(plain, "--baselines") == plain
    assert baseline_names(plain) == tuple(names)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            3,
            InputError,
            r"^--baselines: 3 is neither true, false nor names of networks; give true, false, or names",
        ),
        (
            "",
            InputError,
            r"^--baselines: '' names no network; give true, false, or names such as default,timm:",
        ),
        ("timm:", InputError, r"^--baselines: 'timm:' names no network"),
        (
            "efficientnet-lite9",
            UnknownNameError,
            r"^unknown --baselines 'efficientnet-lite9'; did you mean 'effic",
        ),
        ("keras:x", UnknownNameError, r"^unknown --baselines 'keras:x'; "),
    ],
)
def test_what_names_no_network_is_refused(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SearchSettings("pi5", "20ms", baselines=given)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--baselines"], ["--baselines", "default"]),
        (["--baselines", "--json"], ["--baselines", "default", "--json"]),
        (["--no-baselines", "--json"], ["--baselines", "none", "--json"]),
        (["--baselines", "timm:a"], ["--baselines", "timm:a"]),
        (["--baselines=timm:a", "--seed", "1"], ["--baselines=timm:a", "--seed", "1"]),
        ([], []),
    ],
)
def test_on_the_command_line_it_may_stand_alone(words: list[str], expected: list[str]) -> None:
    assert with_values(SearchSettings, words) == expected
