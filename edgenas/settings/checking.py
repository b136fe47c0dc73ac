"""Checking settings, wherever they come from, by one pydantic schema made from their declarations."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from edgenas.errors import FileFormatError, InputError, UnitError, UnknownNameError
from edgenas.formats import UNPRINTABLE
from edgenas.settings.option import Setting, settings_of

_KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def check_values(declaring: type, values: Mapping[str, Any]) -> None:
    """Check values against their declarations.

    Raises:
        InputError: a value is unknown, of the wrong type or out of bounds; names the option of the first such value.
    """
    declared = {setting.name: setting for setting in settings_of(declaring)}
    try:
        _schema(declaring).model_validate(dict(values))
    except ValidationError as error:
        raise _as_input_error(error.errors(), declared) from None
    for name, value in values.items():
        setting = declared[name]
        if isinstance(value, str) and setting.option.normal is None and UNPRINTABLE.search(value):
            raise _unprintable(setting, value)
        if setting.option.quantity is not None and value is not None:
            setting.option.quantity(value, setting.flag)
        if setting.option.normal is not None and value is not None:
            setting.option.normal(value, setting.flag)


_SCHEMAS: dict[type, type[BaseModel]] = {}


def _schema(declaring: type) -> type[BaseModel]:
    """The schema, keyed by name; no setting is required, because a file may leave any to the command line."""
    if declaring not in _SCHEMAS:
        columns: dict[str, Any] = {}
        for setting in settings_of(declaring):
            kind: Any = Literal[setting.choices] if setting.choices else setting.kind
            if setting.option.normal is not None:
                kind = Any
            bounds = Field(None, ge=setting.option.at_least, le=setting.option.at_most)
            columns[setting.name] = (kind | None if setting.optional else kind, bounds)
        config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
        _SCHEMAS[declaring] = create_model(f"{declaring.__name__}Values", __config__=config, **columns)
    return _SCHEMAS[declaring]


def _as_input_error(errors: list[ErrorDetails], declared: Mapping[str, Setting]) -> InputError:
    first = errors[0]
    name = str(first["loc"][0])
    if name not in declared:
        return UnknownNameError("setting", name.replace("_", "-"), [each.key for each in declared.values()])
    setting, value = declared[name], first["input"]
    shown = f"{value:g}" if isinstance(value, float) else repr(value)
    if setting.option.quantity is not None and not isinstance(value, str):
        unit = f"give text with a unit, such as {setting.option.example!r}"
        return UnitError(f"{setting.flag}: {shown[:60]} has no unit", unit)
    match first["type"]:
        case "string_unicode":
            return _unprintable(setting, value)
        case "literal_error":
            return UnknownNameError(setting.flag, str(value), setting.choices)
        case "greater_than_equal":
            return InputError(
                f"{setting.flag} {shown} is too small", f"give at least {setting.option.at_least:g}"
            )
        case "less_than_equal":
            return InputError(
                f"{setting.flag} {shown} is too large", f"give at most {setting.option.at_most:g}"
            )
    kind = f"one of {', '.join(setting.choices)}" if setting.choices else _KINDS[setting.kind]
    return InputError(f"{setting.flag}: {shown[:60]} is not {kind}", f"give {kind}")


def _unprintable(setting: Setting, value: str) -> InputError:
    """The refusal of text that a run's files could not keep."""
    return InputError(
        f"{setting.flag}: {value!a:.60} has control characters, or is not UTF-8",
        "give other text, or rename the file",
    )


def check_file_values(declaring: type, values: Mapping[str, Any], path: Any) -> dict[str, Any]:
    """Check the values of a file, keyed as in `max-latency`, and return them keyed by name.

    Raises:
        FileFormatError: an unknown key, with the nearest known one; a value of the wrong type or out of bounds.
    """
    by_key = {setting.key: setting for setting in settings_of(declaring)}
    named: dict[str, Any] = {}
    for key, value in values.items():
        if key not in by_key:
            unknown = UnknownNameError("setting", str(key), by_key)
            raise FileFormatError(path, str(key), "is not a setting of this command", unknown.hint)
        named[by_key[key].name] = value
        try:
            check_values(declaring, {by_key[key].name: value})
        except InputError as error:
            flag = by_key[key].flag  # the file's key says it already
            problem = error.problem.removeprefix(flag).lstrip(": ").replace(f"unknown {flag} ", "unknown ")
            raise FileFormatError(path, str(key), problem, error.hint) from None
    return named
