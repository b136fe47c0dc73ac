"""Settings in TOML files: `--config FILE.toml` and `--save-config FILE.toml`, keys are the names of the options."""

from pathlib import Path
from typing import Any

from edgenas.errors import InputError
from edgenas.formats import read_toml_values, write_bytes
from edgenas.settings.checking import check_file_values
from edgenas.settings.declaration import Settings
from edgenas.settings.option import settings_of


def read_settings(path: Path, declaring: type[Settings]) -> dict[str, Any]:
    """The settings given in a file, as keywords.

    Raises:
        FileFormatError: not TOML, an unknown key, or an invalid value.
    """
    return check_file_values(declaring, read_toml_values(path), path)


def write_settings(path: Path, settings: Settings) -> None:
    """Write every setting that has a value; reading the file gives equal settings.

    Raises:
        InputError: the file cannot be written, or a setting is not UTF-8, as TOML must be.
    """
    try:
        content = settings_text(settings).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path}: cannot hold a name that is not UTF-8", "rename what it names") from None
    write_bytes(path, content)


def settings_text(settings: Settings) -> str:
    """Every setting that has a value, as TOML."""
    import tomli_w

    plain = settings.plain()
    return tomli_w.dumps(
        {each.key: plain[each.name] for each in settings_of(type(settings)) if plain[each.name] is not None}
    )
