"""Precisions as a setting: one, several, or any that the device is known to be measured at."""

from typing import Any, cast, get_args

from edgenas.errors import InputError, UnknownNameError
from edgenas.vocabulary import Precision

ANY = "any"

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def parse_precisions(value: Any, option: str) -> tuple[Precision, ...]:
    """The precisions, the widest first; none for `any`.

    Args:
        value: text such as `int8`, `fp32,int8` or `any`, or several names.
        option: its name, for messages.

    Raises:
        InputError: it is neither.
        UnknownNameError: an unknown precision.
    """
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or not all(isinstance(each, str) for each in names):
        raise InputError(f"{option}: {value!r:.40} is no precision", f"give {', '.join(PRECISIONS)} or {ANY}")
    found = [each.strip() for each in names]
    if found == [ANY]:
        return ()
    for name in found:
        if name not in PRECISIONS:
            raise UnknownNameError(option, name, (*PRECISIONS, ANY))
        if found.count(name) > 1:
            raise InputError(f"{option} {','.join(found)}: {name} is repeated", "give each once")
    return tuple(sorted(cast(list[Precision], found), key=PRECISIONS.index))


def precisions_setting(value: Any, option: str) -> str:
    """The normal form: names separated by commas, the widest first, or `any`; errors as `parse_precisions`."""
    return ",".join(parse_precisions(value, option)) or ANY
