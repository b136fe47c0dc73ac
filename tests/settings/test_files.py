"""Settings in files: read back as written; what cannot be is refused by its key."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.cli.main import run as command_line
from edgenas.errors import FileFormatError
from edgenas.settings.files import read_settings, write_settings
from edgenas.settings.option import Setting, settings_of
from edgenas.settings.search import SearchSettings


def values_of(setting: Setting) -> st.SearchStrategy[Any]:
    """Valid values, by the very declaration that they are checked against."""
    option = setting.option
    if setting.choices:
        return st.sampled_from(setting.choices)
    if setting.kind is bool:
        return st.booleans()
    if setting.kind is str or option.example:
        return st.just(setting.kind(option.example))
    least = 0 if option.at_least is None else option.at_least
    most = least + 1000 if option.at_most is None else option.at_most
    if setting.kind is int:
        return st.integers(int(least), int(most))
    return st.floats(least, most, allow_nan=False)


FREE = [
    each for each in settings_of(SearchSettings) if each.option.only_with is None and each.name != "evaluator"
]


@given(
    asked=st.fixed_dictionaries(
        {}, optional={each.name: values_of(each) for each in FREE if not each.required}
    )
)
def test_what_is_written_asks_for_the_same(
    asked: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("settings") / "asked.toml"
    settings = SearchSettings("pi5", "20ms", **asked)
    write_settings(file, settings)
    assert SearchSettings(**read_settings(file, SearchSettings)) == settings


def test_keys_are_the_names_of_the_options(tmp_path: Path) -> None:
    file = tmp_path / "asked.toml"
    write_settings(file, SearchSettings("pi5", "20ms", time_budget="10min"))
    lines = file.read_text().splitlines()
    assert 'max-latency = "20ms"' in lines and 'time-budget = "10min"' in lines
    assert not any(line.startswith("warm-start") for line in lines)  # not set: TOML has no null


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "max-latncy = '20ms'",
            r"asked.toml: max-latncy: is not a setting of this command; did you mean 'max-latency'\?",
        ),
        (
            "max_latency = '20ms'",
            r"max_latency: is not a setting of this command; did you mean 'max-latency'\?",
        ),
        (
            "max-latency = 20",
            r"asked.toml: max-latency: 20 has no unit; give text with a unit, such as '15ms'",
        ),
        (
            "max-latency = '20'",
            r"asked.toml: max-latency: '20' has no unit; write for example 20ms",
        ),
        ("evaluations = 0", r"evaluations: 0 is too small; give at least 1"),
        ("evaluations = '9'", r"evaluations: '9' is not a whole number"),
        ("sampling = 'fare'", r"sampling: unknown 'fare'; did you mean 'fair'\?"),
        (
            "baselines = 'yes'",
            r"baselines: unknown 'yes'; give true, false, or names such as default,timm:mobilenetv3_small_100",
        ),
        ("width = nan", r"width: nan is not a number"),
        ("seed = {a = 1}", r"seed: \{'a': 1\} is not a whole number"),
        ("seed =", r"asked.toml: is not TOML"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "asked.toml"
    file.write_text(text)
    with pytest.raises(FileFormatError, match=message):
        read_settings(file, SearchSettings)


def test_the_command_line_wins_over_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked, saved = tmp_path / "asked.toml", tmp_path / "saved.toml"
    asked.write_text('device = "nowhere"\nmax-latency = "20ms"\nseed = 3\nbaselines = true\n')
    words = ["search", "--config", str(asked), "--save-config", str(saved), "--seed", "4", "--no-baselines"]
    assert command_line(words) == 2  # no such device; by then the settings are saved
    assert "unknown device 'nowhere'" in capsys.readouterr().err
    kept = read_settings(saved, SearchSettings)
    assert (kept["device"], kept["seed"], kept["baselines"]) == ("nowhere", 4, False)


def test_what_neither_gives_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "asked.toml"
    file.write_text('device = "pi5"\n')
    assert command_line(["search", "--config", str(file)]) == 2
    error = "error: --max-latency is missing; give it on the command line or in a --config file\n"
    assert capsys.readouterr().err == error


@pytest.mark.parametrize(
    ("line", "expected"),
    [("160", 160), ('"160"', 160), ('"96..224"', "96..224"), ('"96,128"', "96,128"), ("[96, 128]", "96,128")],
)
def test_image_sizes_are_a_number_or_text(line: str, expected: int | str, tmp_path: Path) -> None:
    file = tmp_path / "asked.toml"
    file.write_text(f"resolution = {line}\n")
    settings = SearchSettings("pi5", "20ms", **read_settings(file, SearchSettings))
    assert settings.resolution == expected == SearchSettings("pi5", "20ms", resolution=expected).resolution
    write_settings(file, settings)
    assert read_settings(file, SearchSettings)["resolution"] == expected


def test_what_is_no_image_size_is_refused_by_its_key(tmp_path: Path) -> None:
    file = tmp_path / "asked.toml"
    file.write_text('resolution = "224..96"\n')
    with pytest.raises(FileFormatError, match=r"resolution: 224..96: sizes must ascend; write 96..224"):
        read_settings(file, SearchSettings)
