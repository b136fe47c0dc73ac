"""What an exported ONNX file says of itself, in its metadata: whoever has the file alone can use it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from pydantic import Field

from edgenas.errors import FileFormatError
from edgenas.exporting.camera import Camera
from edgenas.exporting.preprocessing import Preprocessing
from edgenas.formats import Document, validate
from edgenas.latency.latency import Latency
from edgenas.storage.search_result import Accuracies
from edgenas.vocabulary import Metric, Precision, TargetName


class Origin(Document):
    """Where a file comes from: version of edgenas, run, and id of the model."""

    version: str
    run: str
    model: str


class MadeFor(Document):
    """The device that it was made for, the conditions that latencies on it hold for, and what the file is for."""

    name: str
    conditions: str
    target: TargetName


class MetricAndAccuracies(Accuracies):
    """Accuracies by kind, and the metric that they are by."""

    metric: Metric


class DataOfRun(Document):
    """The images that it was trained on: last part of their path, and a digest of the pixels."""

    name: str
    fingerprint: str


class FileMetadata(Document):
    """The entries, each of them JSON; None for those that a file does not have.

    Files of earlier versions have the first three alone.
    """

    classes: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="names, in the order of the outputs"
    )
    preprocessing: Preprocessing
    edgenas: Origin
    architecture: dict[str, Any] | None = None
    precision: Precision | None = None
    device: MadeFor | None = None
    latency_ms: Latency | None = None
    accuracy: MetricAndAccuracies | None = None
    data: DataOfRun | None = None
    versions: dict[str, str] | None = Field(default=None, description="of Python and of libraries")
    camera: Camera | None = Field(default=None, description="what it takes, if it prepares pictures itself")


def with_metadata(content: bytes, metadata: FileMetadata) -> bytes:
    """A serialised ONNX model with the metadata; its graph and its other entries are left as they are."""
    model = onnx.load_model_from_string(content)
    entries = {each.key: each.value for each in model.metadata_props}
    for name, value in metadata.model_dump(mode="json").items():
        entries.pop(name, None)
        if value is not None:
            entries[name] = json.dumps(value, ensure_ascii=False)
    onnx.helper.set_model_props(model, entries)
    return bytes(model.SerializeToString())


def metadata_of(entries: Mapping[str, str], path: Path) -> FileMetadata | None:
    """The metadata among the entries of a file; None if there is none of edgenas.

    Args:
        entries: of `metadata_props`.
        path: the file, for messages.

    Raises:
        FileFormatError: an entry is missing or damaged.
    """
    if "preprocessing" not in entries:
        return None
    try:
        found = {name: json.loads(entries[name]) for name in FileMetadata.model_fields if name in entries}
    except (ValueError, RecursionError) as error:
        raise FileFormatError(path, "metadata", f"is not JSON ({error})", "export it again") from None
    return validate(found, FileMetadata, path)
