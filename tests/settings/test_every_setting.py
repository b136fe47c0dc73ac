"""Every setting of every command goes through every door: made from the declarations, so that none is forgotten."""

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch

import edgenas
from edgenas.cli.main import run as command_line
from edgenas.settings.benchmark import BenchmarkLatencySettings, BenchmarkSearchSettings
from edgenas.settings.declaration import Settings
from edgenas.settings.export import ExportSettings
from edgenas.settings.latency_commands import (
    BenchSettings,
    DevicesAddSettings,
    KitImportSettings,
    KitSettings,
    PredictSettings,
    ProfileSettings,
    ValidateSettings,
)
from edgenas.settings.option import Setting, settings_of
from edgenas.settings.run_model import RunModelSettings
from edgenas.settings.search import SearchSettings
from edgenas.storage.run_folder import RunFolder

COMMANDS: dict[str, type[Settings]] = {
    "search": SearchSettings,
    "profile": ProfileSettings,
    "kit": KitSettings,
    "kit-import": KitImportSettings,
    "validate": ValidateSettings,
    "predict": PredictSettings,
    "bench": BenchSettings,
    "devices add": DevicesAddSettings,
    "export": ExportSettings,
    "run": RunModelSettings,
    "benchmark search": BenchmarkSearchSettings,
    "benchmark latency": BenchmarkLatencySettings,
}
EVERY = [(command, each) for command, declaring in COMMANDS.items() for each in settings_of(declaring)]
every_setting = pytest.mark.parametrize(
    ("command", "setting"), EVERY, ids=[f"{command} {each.flag}" for command, each in EVERY]
)


class Made(Exception):  # noqa: N818 - not an error
    """The settings that a door made."""


NEEDED_BESIDE: dict[str, dict[str, Any]] = {"camera": {"embed_preprocessing": "nchw"}}
"""What a setting needs that may have several values."""


def other_than_default(setting: Setting) -> Any:
    """A valid value that is not the default."""
    option = setting.option
    if setting.choices:
        return next(choice for choice in reversed(setting.choices) if choice != setting.default)
    if setting.kind is bool:
        return setting.default is not True
    if option.example:
        return setting.kind(option.example)
    least = 1 if option.at_least is None else option.at_least
    usual = least if setting.default in (None, setting.kind()) or setting.required else setting.default
    return setting.kind(
        usual + 1 if option.at_most is None or usual + 1 <= option.at_most else option.at_most
    )


def asked_with(command: str, setting: Setting) -> dict[str, Any]:
    """What a command cannot do without, what the setting needs beside it, and the setting."""
    declaring = COMMANDS[command]
    asked = {each.name: each.option.example for each in settings_of(declaring) if each.required}
    if setting.option.only_with is not None:
        other, value = setting.option.only_with
        asked[other] = value
    return {**asked, **NEEDED_BESIDE.get(setting.name, {}), setting.name: other_than_default(setting)}


def as_arguments(command: str, values: dict[str, Any]) -> list[str]:
    declared = {each.name: each for each in settings_of(COMMANDS[command])}
    words = command.split()
    for name, value in values.items():
        each = declared[name]
        if each.option.argument:
            words.append(str(value))
        elif each.kind is bool:
            words.append(each.flag if value else f"--no-{each.key}")
        else:
            words += [each.flag, str(value)]
    return words


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], dict[str, Any]]:
    """`made(call)`: values of the settings that the call makes; it goes no further."""

    def stop(settings: Settings) -> None:
        raise Made(settings.plain())

    monkeypatch.setattr(Settings, "__post_init__", stop)

    def values(call: Callable[[], object]) -> dict[str, Any]:
        with pytest.raises(Made) as caught:
            call()
        found: dict[str, Any] = caught.value.args[0]
        return found

    return values


@every_setting
def test_it_goes_through_python_the_command_line_and_a_file(
    command: str,
    setting: Setting,
    made: Callable[[Callable[[], object]], dict[str, Any]],
    tmp_path: Path,
) -> None:
    asked = asked_with(command, setting)
    by_key = {each.name: each.key for each in settings_of(COMMANDS[command])}
    file = tmp_path / "asked.toml"
    file.write_text(tomli_w.dumps({by_key[name]: value for name, value in asked.items()}))
    doors: list[Callable[[], object]] = [
        lambda: getattr(edgenas, command.replace(" ", "_").replace("-", "_"))(**asked),
        lambda: command_line(as_arguments(command, asked)),
        lambda: command_line([*command.split(), "--config", str(file)]),
    ]
    for door in doors:
        assert made(door)[setting.name] == asked[setting.name] != setting.default


@every_setting
def test_its_value_is_valid_and_a_wrong_one_is_refused_by_its_name(command: str, setting: Setting) -> None:
    declaring, asked = COMMANDS[command], asked_with(command, setting)
    assert getattr(declaring(**asked), setting.name) == asked[setting.name]
    if setting.takes_objects:
        return
    wrong: list[Any] = [object() if setting.kind is str else "nonsense"]
    wrong += [setting.option.at_least - 1] if setting.option.at_least is not None else []
    wrong += [setting.option.at_most + 1] if setting.option.at_most is not None else []
    for value in wrong:
        with pytest.raises(edgenas.EdgenasError, match=setting.flag) as caught:
            declaring(**{**asked, setting.name: value})
        assert caught.value.exit_code == 2 and caught.value.hint


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What the help of each command shows, without frames and blanks."""
    shown = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        for command in COMMANDS:
            with redirect_stdout(io.StringIO()) as output:
                assert command_line([*command.split(), "--help"]) == 0
            shown[command] = "".join(char for char in output.getvalue() if char not in "│\n ")
    return shown


@every_setting
def test_the_help_names_it(command: str, setting: Setting, helps: dict[str, str]) -> None:
    assert setting.flag in helps[command]
    assert setting.option.help.replace(" ", "") in helps[command]


class Hostile:
    """Answers nothing."""

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")


ODD_OBJECTS: dict[str, Callable[[], Any]] = {
    "array": lambda: np.zeros((3, 3)),
    "tensor": lambda: torch.zeros(3),
    "table": lambda: pytest.importorskip("pandas").DataFrame({"name": [1, 2]}),
    "column": lambda: pytest.importorskip("pandas").Series([1, 2], name="device"),
    "generator": lambda: (number for number in range(3)),
    "arrays": lambda: (np.zeros((3, 3)), np.zeros(3)),
    "list": lambda: [1, [2]],
    "dict": lambda: {"a": [1]},
    "number": lambda: 3,
    "bytes": lambda: b"digits",
    "class": lambda: np.ndarray,
    "function": lambda: lambda: 1,
    "hostile": Hostile,
}
TAKES_OBJECTS = [(command, each) for command, each in EVERY if each.takes_objects]


@pytest.mark.parametrize("odd", ODD_OBJECTS)
@pytest.mark.parametrize(
    ("command", "setting"), TAKES_OBJECTS, ids=[f"{command} {each.flag}" for command, each in TAKES_OBJECTS]
)
def test_an_object_that_is_of_no_use_is_refused_in_one_line(
    command: str, setting: Setting, odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = {**asked_with(command, setting), setting.name: ODD_OBJECTS[odd]()}
    asked |= {"run": "odd"} if command == "search" else {}
    with pytest.raises(edgenas.EdgenasError) as caught:
        getattr(edgenas, command.replace(" ", "_").replace("-", "_"))(**asked)
    assert caught.value.exit_code == 2 and caught.value.hint and "\n" not in str(caught.value)


SEARCH_SETTINGS = [each for each in settings_of(SearchSettings) if each.name not in ("data", "warm_start")]
"""Those that a search without other files can have; the two others have tests of their own in tests/pipeline."""

BESIDE: dict[str, dict[str, Any]] = {
    "tune": {"pretrained": "efficientnet-lite0", "resolution": 32},
    "precision": {"threads": 1},
}
"""What else must be asked for: with images of 16 px, and where latencies in fp32 are better known than in int8."""

ROOMS = ("edgenas.api", "edgenas.pipeline", "edgenas.inputs")
"""Where settings are used."""


@pytest.mark.parametrize("setting", SEARCH_SETTINGS, ids=[each.flag for each in SEARCH_SETTINGS])
def test_it_is_in_run_json(
    setting: Setting, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgenas.pipeline import phases

    def stop(session: Any) -> None:
        raise Made(session.folder)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(phases, "_complete_or_interrupted", stop)
    monkeypatch.setattr("edgenas.pretrained.foreign_networks.downloaded_tensors", lambda _: {})
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", lambda _: None)
    asked = asked_with("search", setting) | BESIDE.get(setting.name, {})
    with pytest.raises(Made) as caught:
        edgenas.search(**{**asked, "data": str(image_folder)})
    folder: RunFolder = caught.value.args[0]
    assert folder.read_document().config.settings.plain()[setting.name] == asked[setting.name]


def test_every_setting_is_used(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    """Some search reads it, beyond writing it down: one that is dropped on its way is read by none."""
    reads: set[str] = set()
    read = object.__getattribute__

    def recorded(settings: SearchSettings, name: str) -> Any:
        caller = sys._getframe(1)
        module, function = caller.f_globals.get("__name__", ""), caller.f_code.co_name
        in_pipeline = module.startswith(ROOMS) and function != "_with_defaults"
        if in_pipeline or function in (
            "max_latency_ms",
            "time_budget_s",
            "uses_gradients",
            "resolutions",
            "precisions",
            "worker_count",
            "gpu_numbers",
        ):
            reads.add(name)
        return read(settings, name)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SearchSettings, "__getattribute__", recorded, raising=False)
    common: dict[str, Any] = {"data": str(image_folder), "evaluations": 4, "finalists": 1}
    edgenas.search("pi5", "20ms", run="plain", time_budget="5s", **common)
    edgenas.search("pi5", "20ms", run="learnt", searcher="proxyless", **common)
    assert reads >= {each.name for each in settings_of(SearchSettings)}
