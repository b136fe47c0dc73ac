"""The style shared by all plotly charts of the page."""

from typing import Any

from markupsafe import escape
from plotly.io import to_html

from edgenas.reporting.pictures import FRONT, GREY, MUTED

# Listed explicitly: newer versions' defaults include a button that sends the chart to Plotly's cloud.
_BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def chart(
    name: str,
    traces: list[dict[str, Any]],
    layout: dict[str, Any],
    library: bool = True,
    buttons: bool = True,
) -> str:
    """A chart as HTML.

    Args:
        name: id of its `div`.
        traces: plotly traces.
        layout: plotly layout.
        library: include plotly.js; once per page.
        buttons: show the mode bar.
    """
    config: dict[str, Any] = {"responsive": True, "displaylogo": False}
    config |= {"modeBarButtons": [_BUTTONS]} if buttons else {"displayModeBar": False}
    figure = {"data": traces, "layout": layout}
    return str(to_html(figure, config=config, include_plotlyjs=library, full_html=False, div_id=name))


def axis(title: str) -> dict[str, Any]:
    """An axis; its title is escaped, as it may come from a file."""
    return {"zeroline": False, "showline": True, "linecolor": GREY, "gridcolor": translucent(GREY),
            "automargin": True, "title": {"standoff": 12, "text": str(escape(title))}}  # fmt: skip


def style(height_px: int, font_px: int = 13) -> dict[str, Any]:
    """The part of the layout that all charts share."""
    return {
        "height": height_px,
        "font": {"family": _FONT, "size": font_px, "color": MUTED},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 48, "r": 12, "t": 36, "b": 48},
        "legend": {"orientation": "h", "x": 0, "y": -0.17, "xanchor": "left", "yanchor": "top"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": FRONT},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "#1c2127", "bordercolor": "#1c2127", "align": "left",
                       "font": {"family": _FONT, "size": 12, "color": "#ffffff"}},
    }  # fmt: skip


def translucent(color: str, opacity: float = 0.4) -> str:
    """A colour `#rrggbb` as rgba."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
