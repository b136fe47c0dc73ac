"""The precisions that a search chooses from, and whether their latencies can be compared."""

from edgenas.device import Device, Provenance
from edgenas.errors import InputError
from edgenas.latency.network_predictor import ArchitecturePredictor
from edgenas.latency.profile_command import can_be_profiled, profile_command
from edgenas.latency.table import find_table
from edgenas.settings.precisions import PRECISIONS, precisions_setting
from edgenas.settings.search import SearchSettings
from edgenas.space import NetworkSpace
from edgenas.vocabulary import Precision

_FIRST_TO_PROFILE: tuple[Precision, ...] = ("fp32", "int8", "fp16")


def precisions_for(settings: SearchSettings, device: Device) -> tuple[Precision, ...]:
    """The precisions of a search, the widest first: those asked for, all that have a table, or that of the device.

    Of any, there may be fewer than two; see `check_tables`.

    Raises:
        InputError: several are asked for, and the device's runtime converts files itself.
    """
    if (asked := settings.precisions) is None:
        return (device.precision,)
    if len(asked) != 1 and device.converts_files:
        text = precisions_setting(settings.precision, "--precision")
        raise InputError(
            f"--precision {text}: {device.runtime} converts fp32 files itself, so files of all would be the same",
            "give one",
        )
    return asked or _with_tables(device) or (device.precision,)


def check_tables(settings: SearchSettings, device: Device, space: NetworkSpace) -> None:
    """Raise InputError if any precision is asked for, and fewer than two have a table; it names what is to be profiled.

    Args:
        settings: of the search.
        device: at its operating point.
        space: of the networks.
    """
    if settings.precisions != () or len(measured := _with_tables(device)) > 1:
        return
    lacking = [each for each in _FIRST_TO_PROFILE if each not in measured][: 2 - len(measured)]
    commands = [profile_command(space, device.at(each)) for each in lacking]
    known = f"a latency table for {measured[0]} only" if measured else "no latency table"
    wanted = f"profile it in {'another' if measured else 'two'}: {' and '.join(commands)}; or "
    raise InputError(
        f"--precision any: device {device.name} has {known}",
        f"{wanted if can_be_profiled(device) else ''}name precisions",
    )


def check_comparable(predictor: ArchitecturePredictor) -> None:
    """Raise InputError if latencies are estimates in some precisions only: their errors would decide between them."""
    parts = predictor.parts
    estimated = [name for name, part in parts.items() if part.provenance is Provenance.ESTIMATED]
    others = [name for name in parts if name not in estimated]
    if not estimated or not others:
        return
    lacking = [parts[name] for name in estimated]
    commands = [profile_command(part.space, part.device) for part in lacking]
    wanted = f"profile it: {' and '.join(commands)}; or " if can_be_profiled(lacking[0].device) else ""
    raise InputError(
        f"--precision {','.join(parts)}: latencies of {predictor.name} are estimates in {' and '.join(estimated)} "
        f"but not in {' and '.join(others)}, so they cannot be compared",
        f"{wanted}give one",
    )


def _with_tables(device: Device) -> tuple[Precision, ...]:
    return tuple(each for each in PRECISIONS if find_table(device.at(each)) is not None)
