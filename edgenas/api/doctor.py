"""Checks of this machine and of a device: what works, and what would disturb a measurement."""

import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from edgenas.board.conditions import machine_conditions
from edgenas.board.power import find_meter, why_no_meter
from edgenas.device import find_device, runtime_for
from edgenas.device.catalogue import devices_of_package
from edgenas.device_models.fitted import model_of
from edgenas.errors import DeviceError, FileFormatError, InputError
from edgenas.formats import Document
from edgenas.latency.table import find_table
from edgenas.plugins import DEVICES, SPACES, Plugin, load_plugin, plugins
from edgenas.space import SearchSpace
from edgenas.storage.run_names import RUNS

MIN_FREE_BYTES = 2 * 2**30


class Check(Document):
    """One check; `mend` is the hint how to fix a problem, empty if there is none."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


class DoctorResult(Document):
    """All checks made."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)


def doctor(device: str | None = None) -> DoctorResult:
    """Check this machine, the plug-ins of other packages and, if given, a device.

    Raises:
        UnknownNameError: no such device.
    """
    checks = [*_versions(), *_machine(), *_folders(), *_plugins()]
    if device:
        checks += _device(device)
    return DoctorResult(checks=tuple(checks))


def _versions() -> Iterator[Check]:
    for name in ("torch", "torchvision", "onnx", "onnxruntime", "pymoo"):
        yield _check(name, True, metadata.version(name))


def _machine() -> Iterator[Check]:
    for condition in machine_conditions():
        yield _check(condition.name, condition.ok, condition.detail, condition.hint)
    meter = find_meter()
    yield _check("power meter", True, meter.name if meter else why_no_meter())


def _folders() -> Iterator[Check]:
    free = shutil.disk_usage(".").free
    yield _check(
        "disk",
        free > MIN_FREE_BYTES,
        f"{free / 2**30:.1f} GiB free here",
        "" if free > MIN_FREE_BYTES else "free at least 2 GiB",
    )
    parent = RUNS if RUNS.exists() else Path()
    writable = _is_writable(parent)
    yield _check(
        "run folder",
        writable,
        str(RUNS.resolve()),
        "" if writable else "run from a folder you can write to",
    )


def _is_writable(folder: Path) -> bool:
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _plugins() -> Iterator[Check]:
    for plugin in plugins():
        kind = plugin.group.removeprefix("edgenas.").removesuffix("s")
        try:
            _load(plugin)
            yield _check(f"{kind} {plugin.name}", True, f"from {plugin.package}")
        except InputError as error:
            yield _check(f"{kind} {plugin.name}", False, error.problem, error.hint)


def _load(plugin: Plugin) -> None:
    """Load a plug-in as far as its use will.

    Raises:
        InputError: it cannot be used.
    """
    found = load_plugin(plugin.group, plugin.name)
    if plugin.group == DEVICES:
        devices_of_package(plugin.name)
    elif plugin.group == SPACES and not (isinstance(found, type) and issubclass(found, SearchSpace)):
        raise InputError(
            f"{plugin.name} of {plugin.package} is not a class derived from SearchSpace",
            "fix or uninstall the package that provides it",
        )


def _check(name: str, ok: bool, detail: str, hint: str = "") -> Check:
    return Check(name=name, ok=ok, detail=detail, mend=hint)


def _device(name: str) -> Iterator[Check]:
    device = find_device(name)
    if device.is_host:
        try:
            runtime = runtime_for(device)
            yield _check("runtime", True, f"{runtime.name} {runtime.version}, {runtime.provider}")
        except DeviceError as error:
            yield _check("runtime", False, error.problem, error.hint)
    else:
        yield _check(
            "runtime",
            True,
            f"{device.runtime} on {device.ssh.host}, reached over SSH"
            if device.ssh
            else f"{device.runtime}, not reachable from here; over SSH or with a kit it can be measured",
        )
    try:
        table = find_table(device)
    except FileFormatError as error:
        yield _check("latency table", False, error.problem, error.hint)
        return
    if table:
        path, content = table
        yield _check("latency table", True, f"{path}, {content.history}")
    else:
        hint = f"edgenas profile --device {device.name}" if device.is_host else ""
        detail = f"none: latencies are {model_of(device).provenance}"
        yield _check("latency table", not device.is_host, detail, hint)
