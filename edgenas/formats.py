"""The door every file of edgenas passes: strict pydantic models, safe writes, errors that name the field."""

import json
import math
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from edgenas.errors import FileFormatError, InputError

MAX_FILE_BYTES = 64 * 2**20
"""No table, device or architecture comes near it; a larger file is not one of ours."""


class Document(BaseModel):
    """Base of everything that is read from a file: frozen, no unknown keys, no NaN, no infinity."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True, serialize_by_alias=True
    )


D = TypeVar("D", bound=Document)


def read_json(path: Path, model: type[D]) -> D:
    """Read and validate a JSON document.

    Raises:
        FileFormatError: missing, too large, not JSON, or against the schema (names file and field).
    """
    return validate(parse_json(path), model, path)


def parse_json(path: Path) -> object:
    """The values of a JSON file, not yet checked against a schema; errors as `read_json`."""
    text = _read_text(path)
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            path, "", f"is not JSON ({error})", "restore it, or delete it and make it again"
        ) from None
    return value


def read_toml(path: Path, model: type[D]) -> D:
    """Read and validate a TOML document; errors as `read_json`."""
    return validate(read_toml_values(path), model, path)


def read_toml_values(path: Path) -> dict[str, Any]:
    """The values of a TOML file, not yet checked against a schema; errors as `read_json`."""
    try:
        return tomllib.loads(_read_text(path))
    # tomllib lets int()'s own ValueError (thousands of digits) and a RecursionError (deep nesting) through.
    except (ValueError, RecursionError) as error:
        raise FileFormatError(path, "", f"is not TOML ({error})", "correct the line") from None


def validate(value: object, model: type[D], path: Path) -> D:
    """Check a parsed document against its schema, naming the first wrong field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        found = "" if isinstance(first["input"], dict | list) else f" (found {_short(first['input'])})"
        raise FileFormatError(
            path,
            field,
            f"{_message(first)}{found}",
            "correct the field, or delete the file and make it again",
        ) from None


def write_json(path: Path, document: BaseModel | dict[str, Any]) -> None:
    """Write a JSON document so that a reader sees the old or the new file, never a torn one.

    Raises:
        InputError: the folder cannot be written.
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
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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
        raise InputError(
            f"{path}: cannot be written ({error.strerror})", "choose a folder you can write to"
        ) from None


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FileFormatError(path, "", "is larger than 64 MiB", "this is not a file edgenas writes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileFormatError(path, "", f"cannot be read ({error.strerror})", "check the path") from None
    except UnicodeDecodeError:
        raise FileFormatError(path, "", "is not UTF-8 text", "this is not a file edgenas writes") from None


def _short(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _message(error: ErrorDetails) -> str:
    """What is wrong: in our own words where a validator of ours says it, without what pydantic puts before them."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return error["msg"][:1].lower() + error["msg"][1:]
