"""How do runs differ? Their settings, and their fronts at equal latency."""

from collections.abc import Mapping

from edgenas.formats import Document
from edgenas.storage.run_comparison import at_equal_latency
from edgenas.storage.run_config import RunDocument, flag_of
from edgenas.storage.search_result import Model, SearchResult


class SettingDifference(Document):
    """A setting in which runs differ, and its value in each; None where it is not set."""

    setting: str
    values: dict[str, str | int | float | bool | None]


class EqualLatency(Document):
    """The best validation figure of each run among its models predicted within a latency; None if there is none."""

    latency_ms: float
    accuracies: dict[str, float | None]


def differing_settings(documents: Mapping[str, RunDocument]) -> tuple[SettingDifference, ...]:
    """The settings in which runs differ, in the order of their declaration."""
    plain = {name: document.config.settings.plain() for name, document in documents.items()}
    first = next(iter(plain.values()))
    values = {setting: {name: each[setting] for name, each in plain.items()} for setting in first}
    return tuple(
        SettingDifference(setting=flag_of(setting), values=by_run)
        for setting, by_run in values.items()
        if setting != "run" and len({repr(each) for each in by_run.values()}) > 1
    )


def side_by_side(
    documents: Mapping[str, RunDocument], results: Mapping[str, SearchResult]
) -> tuple[tuple[EqualLatency, ...], tuple[str, ...]]:
    """The best accuracies of runs at equal latency, and what to know of them; none if they cannot be compared."""
    devices = {document.config.device.name for document in documents.values()}
    metrics = {result.metric for result in results.values()}
    notes = [f"{name} has no result yet" for name in documents if name not in results]
    if len({document.config.data.fingerprint for document in documents.values()}) > 1:
        notes.append("the runs are on different images: their accuracies say little of each other")
    for what, values in (("devices", devices), ("metrics", metrics)):
        if len(values) > 1:
            notes.append(f"the runs have different {what}: {', '.join(sorted(values))}")
    if len(results) < 2 or len(devices) > 1 or len(metrics) > 1:
        return (), tuple(notes)
    rows = at_equal_latency(list(results.values()))
    found = (_row(latency_ms, dict(zip(results, best, strict=True))) for latency_ms, best in rows)
    return tuple(found), tuple(notes)


def _row(latency_ms: float, best: Mapping[str, Model | None]) -> EqualLatency:
    accuracies = {
        name: None if model is None else model.accuracies.validation for name, model in best.items()
    }
    return EqualLatency(latency_ms=latency_ms, accuracies=accuracies)
