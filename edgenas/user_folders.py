"""Where edgenas keeps what is the user's; also for users without a home, as in a container."""

import tempfile
from functools import cache
from pathlib import Path

import platformdirs


def data_folder() -> Path:
    """For devices and latency tables; the working folder if the user has no home."""
    try:
        return platformdirs.user_data_path("edgenas")
    except RuntimeError:
        return Path()


def cache_folder() -> Path:
    """For what can be made again; a folder that ends with the process if the user has no home."""
    try:
        return platformdirs.user_cache_path("edgenas")
    except RuntimeError:
        return Path(_temporary().name)


@cache
def _temporary() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="edgenas-", ignore_cleanup_errors=True)
