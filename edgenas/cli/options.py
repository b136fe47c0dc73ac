"""The options of a command, made from the declarations of its settings."""

import inspect
import shutil
import typing
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from inspect import Parameter, Signature
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edgenas.cli.completion import completion_of
from edgenas.cli.progress_display import quietly
from edgenas.errors import InputError
from edgenas.settings.declaration import Settings
from edgenas.settings.option import Group, Setting, missing_of, settings_of

LEAST_BOXES = 60
"""Columns below which boxes around the options of a help would leave no room for their names."""

HELP_STYLE: Literal["rich"] | None = "rich" if shutil.get_terminal_size().columns >= LEAST_BOXES else None

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

_FILES: dict[str, Any] = {"rich_help_panel": Group.FILES.value}
_ConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.toml",
        help="Settings from a file; command-line options override them.",
        **_FILES,
    ),
]
_SaveConfigOption = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="Also write all settings to a file.", **_FILES)
]
_GroupedJsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout.", **_FILES)
]

Run = Callable[..., int | None]
"""Runs a command with the keywords given, prints its result (`json`: as one object) and returns the exit code."""


def command_of(
    declaring: type[Settings], switches: Mapping[str, str] | None = None
) -> Callable[[Run], Callable[..., int | None]]:
    """Turn a function of keywords into a typer command with an option for each setting of a class.

    Options that are not given are omitted from the keywords; the class checks the others, as those from Python.
    `switches` are options of the command alone, by name, with their help; the function has a keyword for each.
    """
    alone = switches or {}

    def decorate(run: Run) -> Callable[..., int | None]:
        def command(config: Path | None, save_config: Path | None, json: bool, **options: Any) -> int | None:
            switched = {name: options.pop(name) for name in alone}
            given = {name: value for name, value in options.items() if value not in (None, [])}
            return run(_keywords(declaring, given, config, save_config), json, **switched)

        order = list(Group)
        listed = sorted(settings_of(declaring), key=lambda each: order.index(each.option.group))
        parameters = [
            *(_parameter(setting.name, _annotation(setting), None) for setting in listed),
            *(_parameter(name, _switch(name, text), False) for name, text in alone.items()),
            _parameter("config", _ConfigOption, None),
            _parameter("save_config", _SaveConfigOption, None),
            _parameter("json", _GroupedJsonOption, False),
        ]
        command.__doc__ = run.__doc__
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def with_quiet(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """The same command with an option `--quiet`, which takes all progress away."""

    def quiet_or_not(quiet: bool, **options: Any) -> int | None:
        with quietly(quiet):
            return command(**options)

    given = inspect.signature(command).parameters
    group = given["json"].annotation.__metadata__[0].rich_help_panel
    quiet_option = typer.Option("--quiet", help="Show no progress.", rich_help_panel=group)
    parameters = [*given.values(), _parameter("quiet", Annotated[bool, quiet_option], False)]
    quiet_or_not.__doc__ = command.__doc__
    quiet_or_not.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    quiet_or_not.__annotations__ = {each.name: each.annotation for each in parameters}
    return quiet_or_not


def with_values(declaring: type[Settings], arguments: Sequence[str]) -> list[str]:
    """Arguments in which every option that may stand alone has its value; typer's options have one always, or never."""
    may_stand_alone = {each.flag: each for each in settings_of(declaring) if each.option.alone}
    off = {flag.replace("--", "--no-", 1): flag for flag in may_stand_alone}
    found: list[str] = []
    for word, following in zip_longest(arguments, arguments[1:]):
        found += [off[word], "none"] if word in off else [word]
        setting = may_stand_alone.get(word)
        if setting is not None and not _is_value(following, setting):
            found.append(setting.option.alone)
    return found


def _is_value(word: str | None, setting: Setting) -> bool:
    """Whether a word after an option is meant as its value: of one with choices, one of these, or nearly."""
    if word is None or word.startswith("-"):
        return False
    return not setting.choices or bool(get_close_matches(word, setting.choices))


def _keywords(
    declaring: type[Settings], given: dict[str, Any], config: Path | None, save_config: Path | None
) -> dict[str, Any]:
    """Settings from the file, overridden by those from the command line."""
    if config is not None:
        from edgenas.settings.files import read_settings

        given = read_settings(config, declaring) | given
    if missing := [setting.flag for setting in missing_of(declaring, given)]:
        verb, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        raise InputError(
            f"{' and '.join(missing)} {verb} missing",
            f"give {them} on the command line or in a --config file",
        )
    if save_config is not None:
        from edgenas.settings.files import write_settings

        write_settings(save_config, declaring(**given))
    return given


def _parameter(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _switch(name: str, text: str) -> Any:
    return Annotated[bool, typer.Option(f"--{name.replace('_', '-')}", help=text, **_FILES)]


def _annotation(setting: Setting) -> Any:
    option = setting.option
    if option.argument:
        some = list[str] if option.repeats else str
        described = typer.Argument(
            help=option.help, metavar=setting.flag, show_default=False, **completion_of(setting)
        )
        return Annotated[typing.Optional[some], described]  # noqa: UP045 - as below
    names = [setting.flag, f"--no-{setting.key}"] if setting.kind is bool else [setting.flag]
    described = typer.Option(
        "/".join(names),
        help=f"{option.help}{_default_text(setting)}",
        metavar="|".join(setting.choices) or _metavar(setting),
        show_default=False,
        rich_help_panel=option.group.value,
        **completion_of(setting),
    )
    kind = list[str] if option.repeats else setting.kind
    return Annotated[typing.Optional[kind], described]  # noqa: UP045 - the type is only known at run time


def _default_text(setting: Setting) -> str:
    """Text appended to the help; none if the default is off or stated in the help itself."""
    if setting.required:
        return " Required."
    return (
        "" if setting.default is None or setting.default is False else f" Default: {_text(setting.default)}."
    )


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _metavar(setting: Setting) -> str | None:
    """Placeholder of the value, with the bounds of a number."""
    least, most = setting.option.at_least, setting.option.at_most
    kind = {str: "TEXT", int: "INT", float: "NUMBER"}.get(setting.kind)
    if least is None:
        return kind
    return f"{kind} {least:g}..{'' if most is None else f'{most:g}'}"
