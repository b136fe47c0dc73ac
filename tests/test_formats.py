"""The door every file passes: strict schemas, whole writes, errors that name file and field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator

from edgenas import formats
from edgenas.errors import FileFormatError, InputError, UnwritableError
from edgenas.formats import (
    Document,
    read_json,
    read_toml,
    read_toml_values,
    validate,
    write_bytes,
    write_json,
)

# Examples overwrite the same file, so that the folder may stay the same for all of them.
properties = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class Part(Document):
    size_bytes: int = Field(gt=0)
    share: float = Field(ge=0, le=1)


class Whole(Document):
    schema_: Literal["edgenas.test/1"] = Field(default="edgenas.test/1", alias="schema")
    name: str = Field(pattern="^[a-z]+$")
    time_ms: float = Field(gt=0)
    parts: tuple[Part, ...]
    named: dict[str, Part] = Field(default={})

    @field_validator("name")
    @classmethod
    def _not_taken(cls, name: str) -> str:
        if name == "taken":
            raise ValueError("MobileNet has that name")
        return name


parts = st.builds(Part, size_bytes=st.integers(1, 10**12), share=st.floats(0, 1))
wholes = st.builds(
    Whole,
    name=st.from_regex("[a-z]+", fullmatch=True).filter(lambda name: name != "taken"),
    time_ms=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    parts=st.lists(parts, max_size=3).map(tuple),
    named=st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"])), parts, max_size=3),
)

GOOD: dict[str, Any] = {
    "schema": "edgenas.test/1",
    "name": "abc",
    "time_ms": 1.5,
    "parts": [{"size_bytes": 1, "share": 0.5}],
    "named": {"x": {"size_bytes": 2, "share": 0.0}},
}


@given(document=wholes)
@properties
def test_valid_documents_survive(tmp_path: Path, document: Whole) -> None:
    path = tmp_path / "whole.json"
    write_json(path, document)
    assert read_json(path, Whole) == document


def test_written_json_is_for_people_too(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b" / "x.json", {"b": 1, "a": [2]})
    text = (tmp_path / "a" / "b" / "x.json").read_text()
    assert text == '{\n  "b": 1,\n  "a": [\n    2\n  ]\n}\n'


def test_documents_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Part(size_bytes=1, share=0).size_bytes = 2  # type: ignore[misc]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _set(value: Any) -> Callable[[dict[str, Any], str], None]:
    def change(parent: dict[str, Any], key: str) -> None:
        parent[key] = value

    return change


def _remove(parent: dict[str, Any], key: str) -> None:
    del parent[key]


PLACES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "": lambda document: document,
    "parts.0.": lambda document: document["parts"][0],
    "named.x.": lambda document: document["named"]["x"],
}
BAD_NUMBERS = [float("nan"), float("inf"), -float("inf"), -1, "many", None, [], {}]
MUTATIONS = [
    *(("", "schema", _set(value)) for value in ("edgenas.test/2", "", None, 1)),
    *(("", "name", _set(value)) for value in ("ABC", "", None, 3, ["a"])),
    *(("", "time_ms", _set(value)) for value in (0, *BAD_NUMBERS)),
    *(("parts.0.", "size_bytes", _set(value)) for value in (0, 1.5, *BAD_NUMBERS)),
    *(("named.x.", "share", _set(value)) for value in (1.01, *BAD_NUMBERS)),
    ("", "name", _remove),
    ("", "time_ms", _remove),
    ("", "parts", _remove),
    ("parts.0.", "share", _remove),
    ("named.x.", "size_bytes", _remove),
    ("", "extra", _set(1)),
    ("parts.0.", "extra", _set(1)),
    ("named.x.", "extra", _set(None)),
    ("", "parts", _set("none")),
    ("", "named", _set([1])),
]


@pytest.mark.parametrize(("where", "key", "change"), MUTATIONS)
def test_each_wrong_field_is_named(
    tmp_path: Path, where: str, key: str, change: Callable[[dict[str, Any], str], None]
) -> None:
    document = json.loads(json.dumps(GOOD))
    change(PLACES[where](document), key)
    path = tmp_path / "whole.json"
    path.write_text(json.dumps(document))
    with pytest.raises(FileFormatError) as caught:
        read_json(path, Whole)
    assert caught.value.field == f"{where}{key}"
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: {where}{key}: ")
    assert "\n" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(value=json_values)
@properties
def test_any_json_is_a_document_or_a_format_error(tmp_path: Path, value: object) -> None:
    path = tmp_path / "any.json"
    path.write_text(json.dumps(value))
    with pytest.raises(FileFormatError) as caught:
        read_json(path, Whole)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {**GOOD, "time_ms": float("nan")},
            r"x\.json: time_ms: input should be a finite number \(found nan\)",
        ),
        ({**GOOD, "time_ms": -2}, r"x\.json: time_ms: input should be greater than 0 \(found -2\)"),
        ({**GOOD, "colour": 1}, r"x\.json: colour: extra inputs are not permitted \(found 1\); fix"),
        ({**GOOD, "name": "A" * 99}, r"x\.json: name: string should match .* \(found 'A{56}\.\.\.\)"),
        (
            {**GOOD, "name": "taken"},
            r"x\.json: name: MobileNet has that name \(found 'taken'\); fix the field",
        ),
        ([], r"x\.json: input should be a valid dictionary or instance of Whole; fix the field"),
    ],
)
def test_messages(value: object, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        validate(value, Whole, Path("x.json"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON .*; restore it, or delete and recreate it"),
        (b"{", "is not JSON .*; restore it, or delete and recreate it"),
        (b"[" * 100_000, "is not JSON .*; restore it, or delete and recreate it"),
        (b'{"time_ms": ' + b"1" * 5000 + b"}", "is not JSON .*; restore it, or delete and recreate it"),
        (b"\xff\xfe{}", "is not UTF-8 text; this is not a file edgenas writes"),
        (b'{"a": 1, "a": 2}', r"is not JSON \('a' is there twice\); restore it"),
        (b'{"a\0": 1}', "is not JSON .*; restore it"),
        (b'{"a": ["\\ud800"]}', "a.0: must be text without control characters"),
        (b'{"\\u001b[2J": 1}', r"\?\[2J: must be text without control"),
        (b'{"a": {"b": -%d}}' % 2**64, r"a\.b: is too large a number; fix the field"),
        (b"[" + b"[]," * 100_000 + b"1]", "has too many values; this is not a file edgenas writes"),
        (b"[" + b"1," * 1_000_000 + b"1]", "has too many values; this is not a file edgenas writes"),
    ],
    ids=[
        "empty",
        "torn",
        "deep",
        "long number",
        "not UTF-8",
        "key twice",
        "null",
        "half a character",
        "command for a terminal",
        "large number",
        "many lists",
        "many numbers",
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"x\.json: {message}"):
        read_json(path, Whole)


@pytest.mark.parametrize("read", [read_json, read_toml_values])
def test_a_byte_order_mark_is_passed_over(tmp_path: Path, read: Callable[..., Any]) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbf" + (b"a = 1" if read is read_toml_values else json.dumps(GOOD).encode()))
    assert read(path) == {"a": 1} if read is read_toml_values else read(path, Whole).name == "abc"


LONG_KEYS = ["a." * 20_000 + "b = 1", "[" + "a." * 9 + "b]", "x = {" + "'a,' . " * 9 + "b = 1}"]


@pytest.mark.parametrize("content", LONG_KEYS, ids=["key", "table", "inline"])
def test_keys_of_many_parts_are_refused_unread(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=r"x\.toml: .+: has too many parts; write it as a table"):
        read_toml_values(path)


def test_dots_in_texts_and_comments_are_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    dots = "a.b.c.d.e.f.g.h.i.j"
    path.write_text(f'# {dots}\nx = "\\"{dots}"\ny = \'{dots}\'\nz = """"{dots}\n"""\n')
    assert read_toml_values(path) == {"x": f'"{dots}', "y": dots, "z": f'"{dots}\n'}


def test_toml_that_cannot_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[a]\nb = ["\\u001b[31m"]')
    with pytest.raises(FileFormatError, match=r"a\.b\.0: must be text without control characters"):
        read_toml(path, Whole)
    path.write_text("#" * (formats.MAX_TOML_BYTES + 1))
    with pytest.raises(
        FileFormatError, match=r"is larger than 256 KiB; give a TOML file, as docs/settings\.md"
    ):
        read_toml_values(path)


@pytest.mark.parametrize(
    "content", ["= 1", "a = ", "a = 1\na = 2", "a = " + "[" * 100_000, "a = " + "1" * 5000],
    ids=["no key", "no value", "twice", "deep", "long number"],
)  # fmt: skip
def test_what_is_no_toml_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=r"x\.toml: is not TOML \(.*\); fix that line"):
        read_toml(path, Whole)


@pytest.mark.parametrize("read", [read_json, read_toml])
def test_missing_and_folder_are_refused(tmp_path: Path, read: Callable[..., Whole]) -> None:
    with pytest.raises(
        FileFormatError, match=r"none\.json: cannot be read \(No such file .*\); check the path"
    ):
        read(tmp_path / "none.json", Whole)
    with pytest.raises(FileFormatError, match=r"cannot be read \(it is a folder\); "):
        read(tmp_path, Whole)


def test_oversized_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(formats.MAX_FILE_BYTES + 1)
    with pytest.raises(FileFormatError, match=r"huge\.json: is larger than 64 MiB; this is not a file"):
        read_json(path, Whole)


def test_toml_and_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('schema = "edgenas.test/1"\nname = "abc"\ntime_ms = 2\nparts = []\n')
    assert read_toml(path, Whole).time_ms == 2.0
    path.write_text('name = "abc"\ntime_ms = nan\nparts = []\n')
    with pytest.raises(
        FileFormatError, match=r"x\.toml: time_ms: input should be a finite number \(found nan\)"
    ):
        read_toml(path, Whole)


def test_write_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    for content in (b"first", b"second"):
        write_bytes(path, content)
        assert path.read_bytes() == content
    assert _names(tmp_path) == ["x.bin"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": [1, float("inf")]}, {"a": object()}])
def test_failing_serialisation_keeps_the_old_file(tmp_path: Path, value: dict[str, Any]) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises((ValueError, TypeError), match="JSON"):
        write_json(path, value)
    assert json.loads(path.read_text()) == {"a": 1}
    assert _names(tmp_path) == ["x.json"]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_failing_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(step, fail)
        with pytest.raises(
            UnwritableError,
            match=r"x\.json: cannot be written \(No space left on device\); free some space there, and repeat",
        ):
            write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert _names(tmp_path) == ["x.json"]


def test_interrupt_while_writing_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert _names(tmp_path) == ["x.json"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written \(.*\); choose a writable folder"):
        write_json(tmp_path / "file" / "x.json", {})
    with pytest.raises(InputError, match=r"cannot be written \(.*\); choose a writable folder"):
        write_json(tmp_path, {})
    assert _names(tmp_path) == ["file"]
