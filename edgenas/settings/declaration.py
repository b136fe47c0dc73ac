"""How a setting is declared, once: a field of a frozen dataclass whose annotation holds an `Option`.

    @dataclass(frozen=True)
    class SearchSettings(Settings):
        seed: Annotated[int, Option("Seed of everything random.", Group.SEARCH, at_least=0)] = 0

From that one field come the keyword `seed=` of `edgenas.search` (typed for editors and mypy), the command's option
`--seed` with its help, the key `seed` of a `--config` file, and the field `seed` of `run.json`. Values from all four
sources are checked in the same place (`Settings.__post_init__`).

Importing this is fast: a command's `--help` is made from it, without pydantic, numpy or torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from edgenas.errors import InputError
from edgenas.progress import Progress, silent
from edgenas.settings.option import Plain, plain_value, settings_of


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base class of the settings of a command; immutable, and checked on creation.

    Raises:
        InputError: a value is out of bounds or of the wrong type, or settings are incompatible.
    """

    progress: Progress = field(default=silent, compare=False, repr=False)
    """Progress callback of the call; not a setting."""

    def __post_init__(self) -> None:
        from edgenas.settings.checking import check_values

        values = self.plain()
        check_values(type(self), values)
        for setting in settings_of(type(self)):  # 2 and numpy's 2.0 are the same setting
            if not setting.takes_objects:
                object.__setattr__(self, setting.name, values[setting.name])
        for problem, hint in self._broken_rules():
            raise InputError(problem, hint)

    def plain(self) -> dict[str, Plain]:
        """Values by name, in types of JSON and TOML; objects are represented by their names."""
        return {
            setting.name: plain_value(getattr(self, setting.name), setting)
            for setting in settings_of(type(self))
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
