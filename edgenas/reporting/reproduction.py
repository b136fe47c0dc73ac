"""How to make a run again: its command line."""

import shlex
from dataclasses import MISSING

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

