"""Reading and writing edgenas's files: strict pydantic models, atomic writes, errors that name the field."""

import json
import math
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from edgenas.board.problem import one_line
from edgenas.errors import FileFormatError, UnwritableError

MAX_FILE_BYTES = 64 * 2**20
"""Far above the size of any table, device or architecture: a larger file is not one of ours."""

MAX_ERRORS = 10_000

PART = ".part"
"""End of the name of a file that is being written."""

MAX_SHOWN = 200
"""Characters of a field's name that are shown."""

MAX_LINE = 1000


def _one_line(text: str) -> str:
    if len(text) > MAX_LINE or not text.isprintable():
        raise ValueError("must be a short, printable line")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
"""Text that comes from elsewhere and may be shown on a terminal."""


class Document(BaseModel):
    """Base of all document schemas: frozen, no unknown keys, no NaN, no infinity."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True, serialize_by_alias=True
    )


D = TypeVar("D", bound=Document)


def read_json(path: Path, model: type[D], max_bytes: int = MAX_FILE_BYTES) -> D:
    """Read and validate a JSON document.

    Args:
        path: the file.
        model: its schema.
        max_bytes: larger files are not read. Parsing takes up to forty times the memory of the text.

    Raises:
        FileFormatError: missing, too large, not JSON, or violating the schema (names file and field).
    """
    return validate(parse_json(path, max_bytes), model, path)


def parse_json(path: Path, max_bytes: int = MAX_FILE_BYTES) -> object:
    """Read a JSON file without checking a schema; arguments and errors as `read_json`."""
    text = _read_text(path, max_bytes)
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            path, "", f"is not JSON ({error})", "restore it, or delete and recreate it"
        ) from None
    return value


def read_toml(path: Path, model: type[D]) -> D:
    """Read and validate a TOML document; errors as `read_json`."""
    return validate(read_toml_values(path), model, path)


def read_toml_values(path: Path) -> dict[str, Any]:
    """The values of a TOML file, not yet checked against a schema; errors as `read_json`."""
    try:
        return tomllib.loads(_read_text(path))
    # tomllib also raises int()'s own ValueError (thousands of digits) and RecursionError (deep nesting).
    except (ValueError, RecursionError) as error:
        raise FileFormatError(path, "", f"is not TOML ({error})", "fix that line") from None


def validate(value: object, model: type[D], path: Path) -> D:
    """Validate a parsed document; the error names the first invalid field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        if (count := error.error_count()) > MAX_ERRORS:  # listing them takes a kilobyte each
            raise FileFormatError(
                path, "", f"has {count:,} invalid or unknown fields", "this is not a file edgenas writes"
            ) from None
        first = error.errors()[0]
        field = _field_name(".".join(str(part) for part in first["loc"]))
        found = "" if isinstance(first["input"], dict | list) else f" (found {_short(first['input'])})"
        raise FileFormatError(
            path,
            field,
            f"{_message(first)}{found}",
            "fix the field, or delete and recreate the file",
        ) from None


def write_json(path: Path, document: BaseModel | dict[str, Any]) -> None:
    """Write a JSON document atomically: a reader sees the old file or the new one.

    Raises:
        UnwritableError: the disk is full, or the folder is not writable.
    """
    if isinstance(document, BaseModel):
        text = document.model_dump_json(indent=2)
    else:
        text = json.dumps(document, indent=2, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content atomically; errors as `write_json`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(PART, f".{path.name}.", path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UnwritableError(path, error) from None


def remove_parts(folder: Path) -> None:
    """Delete what killed processes had not finished writing; nobody else may be writing there."""
    for part in folder.rglob(f".*{PART}"):
        part.unlink(missing_ok=True)


def _read_text(path: Path, max_bytes: int = MAX_FILE_BYTES) -> str:
    try:
        if path.stat().st_size > max_bytes:
            larger = f"is larger than {max_bytes // 2**20} MiB"
            raise FileFormatError(path, "", larger, "this is not a file edgenas writes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileFormatError(path, "", f"cannot be read ({error.strerror})", "check the path") from None
    except UnicodeDecodeError:
        raise FileFormatError(path, "", "is not UTF-8 text", "this is not a file edgenas writes") from None


def _field_name(text: str) -> str:
    return one_line(text, MAX_SHOWN) if len(text) <= MAX_SHOWN else f"{one_line(text, MAX_SHOWN)}..."


def _short(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _message(error: ErrorDetails) -> str:
    """The error in lower case; without pydantic's prefix if one of our validators raised it."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return error["msg"][:1].lower() + error["msg"][1:]
