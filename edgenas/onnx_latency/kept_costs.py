"""Costs of kernels, kept in the user's cache: learning them takes a second, and follows from the fragments alone."""

import hashlib
import io
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from edgenas.errors import UnwritableError
from edgenas.formats import write_bytes
from edgenas.latency.table import Fragments
from edgenas.onnx_latency import kernel_fitting, kernel_rates
from edgenas.onnx_latency.kernel_fitting import KernelCosts, Posterior
from edgenas.user_folders import cache_folder

MAX_KEPT = 8
"""Files; those that were not used for longest are removed."""

MAX_BYTES = 2**28

_CODE = (kernel_fitting, kernel_rates)
"""What else costs follow from."""


def kernel_costs(fragments: Fragments) -> KernelCosts:
    """Costs learnt from fragments, now or in an earlier call; as `KernelCosts`."""
    path = cache_folder() / "kernel-costs" / f"{_key(fragments)}.npz"
    if (kept := _kept(path)) is not None:
        with suppress(ValueError):
            return KernelCosts(fragments, kept)
    found = KernelCosts(fragments)
    _keep(path, found.posterior)
    return found


def _key(fragments: Fragments) -> str:
    digest = hashlib.sha256(fragments.model_dump_json().encode())
    for module in _CODE:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:32]


def _kept(path: Path) -> Posterior | None:
    """None if there is none, or it is damaged: it can be made again."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        with np.load(path, allow_pickle=False) as arrays:
            found = Posterior(*(np.asarray(arrays[name], np.float64) for name in Posterior._fields))
        path.touch()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError):
        return None
    return found


def _keep(path: Path, posterior: Posterior) -> None:
    """Write it, unless the disk is full or the folder cannot be written: it is only a cache."""
    content = io.BytesIO()
    np.savez(content, **posterior._asdict())
    with suppress(OSError, UnwritableError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content.getvalue())
        by_use = sorted(path.parent.glob("*.npz"), key=lambda each: each.stat().st_mtime)
        for old in by_use[:-MAX_KEPT]:
            old.unlink(missing_ok=True)
