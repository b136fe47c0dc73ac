from edgenas.reporting.plotly_style import axis, chart, translucent


def test_a_chart_brings_plotly_and_buttons_only_where_they_are_wanted() -> None:
    first, small = chart("a", [], {}), chart("b", [], {}, library=False, buttons=False)
    assert "plotly.js v" in first and "modeBarButtons" in first
    assert "plotly.js v" not in small and '"displayModeBar": false' in small


def test_a_title_from_a_file_stays_text() -> None:
    assert axis("<b>")["title"]["text"] == "&lt;b&gt;"


def test_a_colour_lets_through_what_is_below() -> None:
    assert translucent("#0a14ff", 0.25) == "rgba(10,20,255,0.25)"
