from edgenas.reporting.shown_text import MOST_SHOWN, percent, shown


def test_texts_from_outside_are_bounded_and_control_nothing() -> None:
    assert shown("x" * 10_000) == "x" * MOST_SHOWN + "\N{HORIZONTAL ELLIPSIS}"
    assert shown("a\u202eb\x1bc\ud800") == "a\ufffdb\ufffdc\ufffd"
    assert shown("two\nlines") == "two\nlines"


def test_small_shares_have_a_decimal() -> None:
    assert (percent(0.974), percent(0.012)) == ("97 %", "1.2 %")
