"""What an exported ONNX file says of itself, in its metadata: whoever has the file alone can use it."""

import json
from collections.abc import Mapping
from pathlib import Path

import onnx
from pydantic import Field

from edgenas.errors import FileFormatError
from edgenas.exporting.camera import Camera
from edgenas.exporting.preprocessing import Preprocessing
from edgenas.formats import Document, validate


class Origin(Document):
    """Where a file comes from: version of edgenas, run, and id of the model."""

    version: str
    run: str
    model: str


class FileMetadata(Document):
    """The entries, each of them JSON."""

    classes: tuple[str, ...] = Field(min_length=1, description="names, in the order of the outputs")
    preprocessing: Preprocessing
    edgenas: Origin
    camera: Camera | None = Field(default=None, description="what it takes, if it prepares pictures itself")


def with_metadata(content: bytes, metadata: FileMetadata) -> bytes:
    """A serialised ONNX model with the metadata; its graph and its other entries are left as they are."""
    model = onnx.load_model_from_string(content)
    entries = {each.key: each.value for each in model.metadata_props}
    values = metadata.model_dump(exclude_none=True)
    ours = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    onnx.helper.set_model_props(model, entries | ours)
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
