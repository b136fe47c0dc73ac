"""Operating points at which a device has tables: its own, and those that differ in threads and batch alone."""

import re

from edgenas.device import CPU, Device, find_device
from edgenas.device.device import MAX_BATCH, MAX_THREADS
from edgenas.latency.table import tables_of

_POINT = re.compile(r"-t([1-9]\d{0,3})-b([1-9]\d{0,3})(?!\d)")
"""Threads and batch in the name of a table."""


def points_with_tables(device: Device) -> list[Device]:
    """The device at each operating point that has a table file, the nearest to its own first.

    Another batch is nearer than another number of threads: what more images cost is known, what more threads save is
    not. Of two that are equally near, the lesser one comes first.
    """
    names = {path.stem for path in tables_of(device.name)}
    places = {(int(match[1]), int(match[2])) for name in names for match in _POINT.finditer(name)}
    points = [_at(device, *place) for place in places if max(place) <= min(MAX_BATCH, MAX_THREADS)]
    found = [point for point in points if point.table_name in names]
    return sorted(found, key=lambda point: (*_distance(device, point), point.threads, point.batch))


def _at(device: Device, threads: int, batch: int) -> Device:
    if (threads, batch) == (device.threads, device.batch):
        return device
    return find_device(device, threads if device.provider == CPU else None, batch=batch)


def _distance(device: Device, point: Device) -> tuple[float, float]:
    """The factors between threads and between batches."""
    return _factor(point.threads, device.threads), _factor(point.batch, device.batch)


def _factor(one: int, other: int) -> float:
    return max(one, other) / min(one, other)
