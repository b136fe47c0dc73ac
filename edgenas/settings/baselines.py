"""`--baselines`: none, the usual ones, or networks by name. Without torch."""

from typing import Any

from edgenas.errors import InputError, UnknownNameError
from edgenas.settings.option import Plain

USUAL = "default"
"""What the list may hold beside names: the networks that `--baselines` alone stands for."""

LIBRARIES = ("timm", "torchvision")

_HINT = f"give true, false, or names such as {USUAL},timm:mobilenetv3_small_100"


def baselines_setting(value: Any, option: str) -> Plain:
    """The plain form: false, true (the usual ones alone), or names separated by commas, each once.

    Raises:
        InputError: of another type, or an empty name.
        UnknownNameError: neither of a library nor a source of pretrained weights. Whether the library has a network of
            that name is not known here.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    if not isinstance(value, str):
        raise InputError(f"{option}: {value!r:.60} is neither true, false nor names of networks", _HINT)
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    if names in ((USUAL,), ("true",)):
        return True
    if names in (("none",), ("false",)):
        return False
    for name in names:
        _check(name, option)
    return ",".join(names)


def baseline_names(plain: Plain) -> tuple[str, ...]:
    """The names of a plain form; `USUAL` stands for the usual ones."""
    return (USUAL,) if plain is True else tuple(plain.split(",")) if isinstance(plain, str) else ()


def _check(name: str, option: str) -> None:
    from edgenas.pretrained.sources import SOURCES

    library, colon, model = name.partition(":")
    if name == USUAL or name in SOURCES or (colon and library in LIBRARIES and model):
        return
    if not name or (colon and library in LIBRARIES):
        raise InputError(f"{option}: {name!r} names no network", _HINT)
    known = [USUAL, *(f"{each}:NAME" for each in LIBRARIES), *SOURCES]
    raise UnknownNameError(option, name, known, f"{_HINT}; or of docs/pretrained.md")
