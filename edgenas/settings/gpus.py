"""`--gpus`: numbers of GPUs of this machine."""

from typing import Any

from edgenas.errors import InputError

MOST = 1024


def parse_gpus(value: Any, option: str) -> tuple[int, ...]:
    """The numbers, in the order given.

    Args:
        value: a number, several, or text such as `0,1`.
        option: its name, for messages.

    Raises:
        InputError: it is no such list, or a number is repeated.
    """
    given = (
        value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    )
    try:
        numbers = tuple(int(str(each)) for each in given if not isinstance(each, bool))
    except ValueError:
        numbers = ()
    if not numbers or len(numbers) < len(given) or not all(0 <= number < MOST for number in numbers):
        raise InputError(f"{option}: {value!r:.40} is no list of GPUs", "give their numbers, such as 0,1")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{option} {','.join(map(str, numbers))}: a GPU is repeated", "give each once")
    return numbers


def gpus_setting(value: Any, option: str) -> str:
    """The normal form: numbers separated by commas; errors as `parse_gpus`."""
    return ",".join(map(str, parse_gpus(value, option)))
