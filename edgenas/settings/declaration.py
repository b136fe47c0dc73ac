"""How a setting is declared, once: a field of a frozen dataclass whose annotation holds an `Option`.

    @dataclass(frozen=True)
    class SearchSettings(Settings):
        seed: Annotated[int, Option("Seed of everything random.", Group.SEARCH, at_least=0)] = 0

From that one field come the keyword `seed=` of `edgenas.search` (typed for editors and mypy), the command's option
`--seed` with its help, the key `seed` of a `--config` file, and the field `seed` of `run.json`. Values from all four
sources are checked in the same place (`Settings.__post_init__`).

Importing this is fast: a command's `--help` is made from it, without pydantic, numpy or torch.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, fields, replace
from enum import StrEnum
from functools import update_wrapper
from inspect import Parameter, Signature
from os import PathLike, fspath
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ForwardRef,
    Literal,
    ParamSpec,
    Self,
    TypeVar,
    get_args,
    get_origin,
)

from edgenas.errors import InputError
from edgenas.progress import Progress, silent

if TYPE_CHECKING:
    from edgenas.settings.checking import Plain

P = ParamSpec("P")
S = TypeVar("S", bound="Settings")
R = TypeVar("R")


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
        quantity: parses text with a unit to a number; called with the text and the option's name.
        only_with: another setting, and the value it must have if this one is not at its default.
        argument: whether it is an argument on the command line rather than an option.
        example: a valid value, if not every text or number is one; used by tests.
    """

    help: str
    group: Group = Group.ESSENTIALS
    _: KW_ONLY
    at_least: float | None = None
    at_most: float | None = None
    quantity: Callable[[str, str], float] | None = None
    only_with: tuple[str, str] | None = None
    argument: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting.

    Attributes:
        name: the Python keyword, such as `max_latency`.
        kind: `str`, `int`, `float` or `bool`.
        choices: the allowed names, if it is limited to some.
        takes_objects: whether Python may pass an object in place of a name.
        optional: whether it may be None, so that the device, the data or the space decides.
        default: `MISSING` if it is required.
        option: its declaration.
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    takes_objects: bool
    optional: bool
    default: Any
    option: Option

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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base class of the settings of a command; immutable, and checked on creation.

    Raises:
        InputError: a value is out of bounds or of the wrong type, or settings are incompatible.
    """

    progress: Progress = silent
    """Progress callback of the call; not a setting."""

    def __post_init__(self) -> None:
        from edgenas.settings.checking import check_values

        check_values(type(self), self.plain())
        for problem, hint in self._broken_rules():
            raise InputError(problem, hint)

    def plain(self) -> "dict[str, Plain]":
        """Values by name, in types of JSON and TOML; objects are represented by their names."""
        return {
            setting.name: _plain(getattr(self, setting.name), setting) for setting in settings_of(type(self))
        }

    def with_changes(self, **changes: Any) -> Self:
        """A copy with some values changed."""
        return replace(self, **changes)

    def rules(self) -> Iterator[tuple[str, str]]:
        """Check rules between settings of this class; yields a problem and a hint for each violation."""
        yield from ()

    def _broken_rules(self) -> Iterator[tuple[str, str]]:
        values = self.plain()
        declared = {setting.name: setting for setting in settings_of(type(self))}
        for setting in declared.values():
            if setting.option.only_with is None or values[setting.name] == setting.default:
                continue
            other, needed = setting.option.only_with
            if values[other] != needed:
                flag = declared[other].flag
                yield f"{setting.flag} needs {flag} {needed}", f"leave it out, or give {flag} {needed}"
        yield from self.rules()


def settings_of(declaring: type[Settings]) -> tuple[Setting, ...]:
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
    if isinstance(
        declared, ForwardRef
    ):  # "str | Device": a name, or an object of a class that is not imported here
        optional = declared.__forward_arg__.endswith("| None")
        return Setting(name, str, (), True, optional, default, option)
    optional = NoneType in get_args(declared)
    kinds = [each for each in get_args(declared) if each is not NoneType] if optional else [declared]
    (kind,) = kinds
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    return Setting(name, str if choices else kind, choices, False, optional, default, option)


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
    return str(own or getattr(value, "__name__", type(value).__name__))


def _plain(value: Any, setting: Setting) -> "Plain":
    if setting.takes_objects and value is not None:
        return name_of(value)
    # 2 and 2.0 are the same setting and are written alike.
    number = setting.kind is float and isinstance(value, int) and not isinstance(value, bool)
    plain: Plain = float(value) if number else value
    return plain


def taking(declaring: Callable[P, S]) -> Callable[[Callable[[S], R]], Callable[P, R]]:
    """Turn a function of settings into one of keywords, with the names and types of the declaring class.

    Its docstring gets an `Args` section from the declarations.
    """

    def decorate(function: Callable[[S], R]) -> Callable[P, R]:
        assert isinstance(declaring, type)
        signature = _signature(declaring, function)

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                near = _nearest(kwargs, signature)
                raise TypeError(f"{function.__name__}() {error}{near}") from None
            return function(declaring(*args, **kwargs))

        update_wrapper(call, function)
        call.__doc__ = _documented(function.__doc__ or "", declaring)
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__annotations__ = {"return": function.__annotations__.get("return")}
        return call

    return decorate


def _nearest(given: Mapping[str, Any], signature: Signature) -> str:
    """What an unknown keyword may have meant."""
    unknown = [name for name in given if name not in signature.parameters]
    near = difflib.get_close_matches(unknown[0], signature.parameters, n=1) if unknown else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _signature(declaring: type, function: Callable[..., Any]) -> Signature:
    parameters = [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY if field.kw_only else Parameter.POSITIONAL_OR_KEYWORD,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=_bare(field.type),
        )
        for field in fields(declaring)
    ]
    parameters.sort(key=lambda parameter: parameter.kind)
    return Signature(parameters, return_annotation=function.__annotations__.get("return"))


def _bare(annotation: Any) -> Any:
    """The type without its `Option`."""
    if get_origin(annotation) is not Annotated:
        return annotation
    bare = annotation.__origin__
    return bare.__forward_arg__ if isinstance(bare, ForwardRef) else bare


def _documented(doc: str, declaring: type[Settings]) -> str:
    body, raises, rest = doc.partition("\n    Raises:")
    lines = [f"        {setting.name}: {setting.option.help}" for setting in settings_of(declaring)]
    lines.append("        progress: called with the progress of each phase.")
    return "\n".join([body.rstrip(), "", "    Args:", *lines, raises + rest])


def missing_of(declaring: type[Settings], given: Mapping[str, Any]) -> Iterable[Setting]:
    """Required settings that are not given."""
    return (each for each in settings_of(declaring) if each.required and each.name not in given)
