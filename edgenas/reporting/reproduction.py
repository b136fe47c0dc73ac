"""How to make a run again: its command line, and everything else that determines it."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from typing import Any

from edgenas.settings.option import settings_of
from edgenas.settings.search import SearchSettings


def command_of(settings: SearchSettings) -> str:
    """The command line of a search: required settings, and those that differ from the defaults.

    It names what a default stood for where that depends on device, data or space, so that it makes the same run
    wherever it is given.
    """
    plain = settings.plain()
    words = ["edgenas", "search"]
    for setting in settings_of(SearchSettings):
        value = plain[setting.name]
        if value is None or (value == setting.default and setting.default is not MISSING):
            continue
        if isinstance(value, bool):
            words.append(setting.flag if value else f"--no-{setting.key}")
        else:
            words += [setting.flag, shlex.quote(str(value))]
    return " ".join(words)


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as (dotted name, text); a list of strings becomes one line per item."""
    for key, item in values.items():
        if isinstance(item, dict):
            yield from flattened(item, f"{prefix}{key}.")
        else:
            yield prefix + key, _text(item)


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "\n".join(value)
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
