import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import InputError
from edgenas.settings.precisions import PRECISIONS, parse_precisions, precisions_setting


@given(st.lists(st.sampled_from(PRECISIONS), min_size=1, unique=True))
def test_any_order_is_brought_to_one_as_text_and_as_a_list(names: list[str]) -> None:
    expected = tuple(each for each in PRECISIONS if each in names)
    for given_names in (names, tuple(names), ", ".join(names)):
        assert parse_precisions(given_names, "--precision") == expected
        assert precisions_setting(given_names, "--precision") == ",".join(expected)


def test_any_leaves_it_to_the_device() -> None:
    assert parse_precisions("any", "--precision") == ()
    assert precisions_setting(["any"], "--precision") == "any"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("fp23", r"unknown --precision 'fp23'; did you mean"),
        ("fp32,any", r"unknown --precision 'any'"),
        ("", r"unknown --precision ''"),
        ("int8,int8", r"--precision int8,int8: int8 is repeated; give each once"),
        (8, r"--precision: 8 is no precision; give fp32, fp16, int8 or any"),
        ([], r"--precision: \[\] is no precision"),
        ([32], r"--precision: \[32\] is no precision"),
    ],
)
def test_what_is_refused(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_precisions(value, "--precision")
