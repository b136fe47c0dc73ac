"""Costs of kernels, kept in the user's cache: learning them takes a second, and follows from the fragments alone."""

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import scipy
from safetensors import SafetensorError
from safetensors.numpy import load, save

from edgenas.errors import FileFormatError, UnwritableError
from edgenas.file_content import content_of
from edgenas.formats import write_bytes
from edgenas.latency.table import Fragments
from edgenas.onnx_latency import kernel_fitting, kernel_rates, pieces
from edgenas.onnx_latency.kernel_fitting import KernelCosts, Posterior
from edgenas.user_folders import cache_folder

MAX_KEPT = 8
"""Files; those that were not used for longest are removed."""

MAX_BYTES = 2**25
"""Of a file: those of today's fragments have four megabytes."""

_CODE = (kernel_fitting, kernel_rates, pieces)
"""What else costs follow from."""


def kernel_costs(fragments: Fragments) -> KernelCosts:
    """Costs learnt from fragments, now or in an earlier call; as `KernelCosts`."""
    path = cache_folder() / "kernel-costs" / f"{_key(fragments)}.safetensors"
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
    digest.update(f"{np.__version__} {scipy.__version__}".encode())
    return digest.hexdigest()[:32]


def _kept(path: Path) -> Posterior | None:
    """None if there is none, or it is damaged: it can be made again."""
    try:
        arrays = load(content_of(path, MAX_BYTES))
        found = Posterior(*(np.asarray(arrays[name], np.float64) for name in Posterior._fields))
    except (FileFormatError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    with suppress(OSError):
        path.touch()
    return found


def _keep(path: Path, posterior: Posterior) -> None:
    """Write it, unless the disk is full or the folder cannot be written: it is only a cache."""
    with suppress(OSError, UnwritableError):
        write_bytes(
            path, save({name: np.asarray(each, order="C") for name, each in posterior._asdict().items()})
        )
        by_use = sorted(path.parent.glob("*.safetensors"), key=lambda each: each.stat().st_mtime)
        for old in by_use[:-MAX_KEPT]:
            old.unlink(missing_ok=True)
