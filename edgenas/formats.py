"""Reading and writing edgenas's files: strict pydantic models, atomic writes, errors that name the field."""

import json
import math
import os
import re
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from edgenas.board.problem import one_line, printable, shortened
from edgenas.errors import FileFormatError, UnwritableError
from edgenas.file_content import content_of

MAX_FILE_BYTES = 64 * 2**20
"""Far above the size of any table, device or architecture: a larger file is not one of ours."""

MAX_TOML_BYTES, MAX_KEY_PARTS = 2**18, 8
"""People write TOML by hand. Its reader takes memory by the square of the parts of a dotted key."""

MAX_VALUES, CONTAINER = 1_000_000, 10
"""Values in a JSON file; an object or a list, which takes more memory, counts as so many."""

MAX_INTEGER = 2**63 - 1

MIN_MS, MAX_MS, MAX_COUNT = 1e-6, 1e7, 10**9
"""Far beyond any time of a run, and any number of runs."""

MAX_ERRORS = 10_000

PART = ".part"
"""End of the name of a file that is being written."""

MAX_NAME_SHOWN, MAX_VALUE_SHOWN = 200, 60
"""Characters of a field's name and of its value that are shown."""

NOT_OURS = "this is not a file edgenas writes"

UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Commands for a terminal, and halves of characters, which no file can hold. Lines and tabs are text."""

_STRING_OR_COMMENT = re.compile(
    r"""\"{3}(?:[^"\\]|\\.|"{1,2}(?!"))*+(?:"{3})?|'{3}(?:[^']|'{1,2}(?!'))*+(?:'{3})?"""
    r"""|"(?:[^"\\\n]|\\.)*+"?|'[^'\n]*+'?|\#[^\n]*+""",
    re.DOTALL,
)

_LONG_KEY = re.compile(rf"(?:\.[ \t]*+[\w-]*+[ \t]*+){{{MAX_KEY_PARTS}}}")
"""In TOML whose strings have been replaced by letters."""

MAX_LINE = 1000


def _one_line(text: str) -> str:
    if len(text) > MAX_LINE or not text.isprintable():
        raise ValueError("must be a short, printable line")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
"""Text that comes from elsewhere and may be shown on a terminal."""


Milliseconds = Annotated[float, Field(ge=MIN_MS, le=MAX_MS)]
"""A time that is possible."""


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
    text = _text_of(path, max_bytes, NOT_OURS)
    count = text.count(",") + CONTAINER * (text.count("{") + text.count("["))
    if count > MAX_VALUES:
        raise FileFormatError(path, "", "has too many values", NOT_OURS)
    try:
        value: object = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            path, "", f"is not JSON ({_reason(error)})", "restore it, or delete and recreate it"
        ) from None
    _check_values(path, value)
    return value


@contextmanager
def hinted(hint: str) -> Iterator[None]:
    """Give what is wrong with a file another hint: the usual one is for files that their user writes."""
    try:
        yield
    except FileFormatError as error:
        raise FileFormatError(error.path, error.field, error.found, hint) from None


def read_toml(path: Path, model: type[D]) -> D:
    """Read and validate a TOML document; errors as `read_json`."""
    values = read_toml_values(path)
    _check_values(path, values)
    return validate(values, model, path)


def read_toml_values(path: Path) -> dict[str, Any]:
    """The values of a TOML file, not checked yet: files that they name may have any name. Errors as `read_json`."""
    text = _text_of(path, MAX_TOML_BYTES, "give a TOML file, as docs/settings.md shows one")
    if long := _LONG_KEY.search(_STRING_OR_COMMENT.sub("s", text)):
        raise FileFormatError(path, one_line(long[0], 40), "has too many parts", "write it as a table")
    try:
        return tomllib.loads(text)
    # tomllib also raises int()'s own ValueError (thousands of digits) and RecursionError (deep nesting).
    except (ValueError, RecursionError) as error:
        raise FileFormatError(path, "", f"is not TOML ({_reason(error)})", "fix that line") from None


def _reason(error: ValueError | RecursionError) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def validate(value: object, model: type[D], path: Path) -> D:
    """Validate a parsed document; the error names the first invalid field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        if (count := error.error_count()) > MAX_ERRORS:  # listing them takes a kilobyte each
            raise FileFormatError(path, "", f"has {count:,} invalid or unknown fields", NOT_OURS) from None
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


def _text_of(path: Path, max_bytes: int, hint: str) -> str:
    """The text of a file, without the mark that some editors put before it."""
    try:
        return content_of(path, max_bytes, hint).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileFormatError(path, "", "is not UTF-8 text", hint) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{_short(twice)} is there twice")
    return found


def _check_values(path: Path, value: object) -> None:
    """Check that a document's texts can be shown and written, and that its whole numbers are of a usual size."""
    pending: list[tuple[str, Any]] = [("", {"": value})]
    while pending:
        place, container = pending.pop()
        for name, item in container.items() if isinstance(container, dict) else enumerate(container):
            field = f"{place}.{name}".strip(".")
            if isinstance(item, dict | list):
                pending.append((field, item))
            if any(isinstance(text, str) and UNPRINTABLE.search(text) for text in (name, item)):
                found = "must be text without control characters or halves of characters"
                raise FileFormatError(path, _field_name(field), found, "fix the field")
            if isinstance(item, int) and abs(item) > MAX_INTEGER:
                raise FileFormatError(path, _field_name(field), "is too large a number", "fix the field")


def _field_name(text: str) -> str:
    return printable(shortened(text, MAX_NAME_SHOWN))


def _short(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return shortened(repr(value), MAX_VALUE_SHOWN)


def _message(error: ErrorDetails) -> str:
    """The error in lower case; without pydantic's prefix if one of our validators raised it."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return error["msg"][:1].lower() + error["msg"][1:]
