"""Names from elsewhere say nothing to what shows Markdown."""

import pytest

from edgenas.exporting.markdown import code, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("raspberry-pi-5: CPUExecutionProvider, fp32", "raspberry-pi-5: CPUExecutionProvider, fp32"),
        ("<img src=x onerror=y> | a", r"\<img src=x onerror=y\> \| a"),
        ("a\n\n## Heading\n[x](javascript:y)", r"a  \#\# Heading \[x\](javascript:y)"),
        ("**`&lt;`** \\", r"\*\*\`\&lt;\`\*\* \\"),
        ("\x1b[31m\u202e", r"?\[31m?"),
    ],
)
def test_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("a `b` <c>", "`a 'b' <c>`"), ("```\n# x", "`''' # x`"), ("\x1b|", "`?|`")]
)
def test_code_ends_where_the_text_does(text: str, shown: str) -> None:
    assert code(text) == shown
