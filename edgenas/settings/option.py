"""What is declared of one setting: an `Option` in the annotation of a dataclass field, read as a `Setting`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, fields
from enum import StrEnum
from os import PathLike, fspath
from types import NoneType
from typing import Any, ForwardRef, Literal, get_args, get_origin

from edgenas.errors import InputError

Plain = str | int | float | bool | None
"""The value of a setting in JSON."""


class Group(StrEnum):
    """Panels of `--help` in order of display, the most needed first."""

    ESSENTIALS = "Essentials"
    SEARCH = "Search"
    DEVICE = "Device"
    NETWORKS = "Networks"
    TRAINING = "Training"
    COMPARISON = "For comparison"
    FILES = "Output and files"


@dataclass(frozen=True, slots=True)
class Option:
    """A setting's properties beyond its name, type and default.

    Attributes:
        help: one or two sentences, for the command's help and the function's docstring.
        group: its panel in the help.
        at_least: smallest number allowed.
        at_most: largest number allowed.
        normal: brings a value of any accepted type to its plain form, or raises an InputError; called with the value
            and the option's name.
        quantity: parses text with a unit to a number; called with the text and the option's name.
        only_with: another setting, and the value it must have if this one is not at its default.
        argument: whether it is an argument on the command line rather than an option.
        example: a valid value, if not every text or number is one; used by tests.
        alone: its value where the command line gives none, as in `--baselines`; `--no-baselines` is `none`.
        repeats: whether the command line may give it several times; `normal` gets the list.
        may_change: whether a resumed run may have another value: it says how the work is done, not what is found.
        any_object: whether Python may pass objects of any kind, even such as are not comparable with text: arrays.
    """

    help: str
    group: Group = Group.ESSENTIALS
    _: KW_ONLY
    at_least: float | None = None
    at_most: float | None = None
    normal: Callable[[Any, str], Plain] | None = None
    quantity: Callable[[str, str], float] | None = None
    only_with: tuple[str, str] | None = None
    argument: bool = False
    example: str = ""
    alone: str = ""
    repeats: bool = False
    may_change: bool = False
    any_object: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting.

    Attributes:
        name: the Python keyword, such as `max_latency`.
        kind: `str`, `int`, `float` or `bool`.
        choices: the allowed names, if it is limited to some.
        objects: what Python may pass in place of text, such as `Path`, `Device`; empty for nothing else.
        optional: whether it may be None, so that the device, the data or the space decides.
        default: `MISSING` if it is required.
        option: its declaration.
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    objects: tuple[str, ...]
    optional: bool
    default: Any
    option: Option

    @property
    def takes_objects(self) -> bool:
        """Whether Python may pass an object in place of text."""
        return bool(self.objects)

    @property
    def key(self) -> str:
        """Its key in a file, such as `max-latency`."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """Its name on the command line, such as `--max-latency`; capitals for an argument."""
        return self.name.upper() if self.option.argument else f"--{self.key}"

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING


def settings_of(declaring: type) -> tuple[Setting, ...]:
    """The settings that a class declares, in the order of its signature: positional ones first."""
    return tuple(
        _setting(field.name, field.type, option, field.default)
        for field in sorted(fields(declaring), key=lambda field: bool(field.kw_only))
        if (option := _option(field.type)) is not None
    )


def _option(annotation: Any) -> Option | None:
    return next((each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Option)), None)


def _setting(name: str, annotation: Any, option: Option, default: Any) -> Setting:
    declared = annotation.__origin__
    if option.normal is not None:  # of several types; text on the command line
        return Setting(name, str, (), (), NoneType in get_args(declared), default, option)
    if isinstance(
        declared, ForwardRef
    ):  # "str | Device": a name, or an object whose class is not imported here
        types = declared.__forward_arg__.split(" | ")
        objects = tuple(each for each in types if each not in ("str", "None"))
        return Setting(name, str, (), objects, "None" in types, default, option)
    optional = NoneType in get_args(declared)
    kinds = [each for each in get_args(declared) if each is not NoneType] if optional else [declared]
    (kind,) = kinds
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    return Setting(name, str if choices else kind, choices, (), optional, default, option)


def missing_of(declaring: type, given: Mapping[str, Any]) -> Iterable[Setting]:
    """Required settings that are not given."""
    return (each for each in settings_of(declaring) if each.required and each.name not in given)


def name_of(value: Any) -> str:
    """The name of an object passed in place of a name: its own `name`, else that of its class or function.

    A path is its own name; that of a list or tuple is the names of its items, separated by commas.
    """
    if isinstance(value, str | PathLike):
        return fspath(value)
    if isinstance(value, list | tuple):
        return ",".join(map(name_of, value))
    # Not an inherited name: it would attribute results of a derived class to edgenas.
    own = value.__dict__.get("name") if isinstance(value, type) else getattr(value, "name", None)
    own = own if isinstance(own, str) else None
    return str(own or getattr(value, "__name__", type(value).__name__))


def _name_of_given(value: Any, setting: Setting) -> str:
    """The name of an object that a user passed, who may pass anything.

    Raises:
        InputError: it cannot be what the setting takes.
    """
    try:
        if _fits(value, setting):
            holds_data = setting.option.any_object and isinstance(value, list | tuple)
            return type(value).__name__ if holds_data else name_of(value)
    except Exception:  # of code that is not ours
        pass
    hint = f"give {' or '.join(('text', *setting.objects))}"
    raise InputError(f"{setting.flag}: cannot be of type {type(value).__name__}", hint)


def _fits(value: Any, setting: Setting) -> bool:
    match setting.objects:
        case ("Path",):
            return isinstance(value, str) or (isinstance(value, PathLike) and isinstance(fspath(value), str))
        case ("Sequence[str]",):
            texts = value if isinstance(value, list | tuple) else [value]
            return all(isinstance(each, str) for each in texts)
    # Later it is compared with names, which arrays and tables cannot be.
    return setting.option.any_object or isinstance(value, str) or isinstance(value == "", bool)


def plain_value(value: Any, setting: Setting) -> Plain:
    """A value in types of JSON and TOML; an object is represented by its name."""
    if setting.option.normal is not None and value is not None:
        return setting.option.normal(value, setting.flag)
    if setting.takes_objects and value is not None:
        return _name_of_given(value, setting)
    if not isinstance(value, setting.kind) and hasattr(value, "item"):  # a scalar of numpy
        value = value.item()
    # 2 and 2.0 are the same setting and are written alike.
    number = setting.kind is float and isinstance(value, int) and not isinstance(value, bool)
    plain: Plain = float(value) if number else value
    return plain
