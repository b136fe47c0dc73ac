"""What all pages share: templates, style, scripts, and the policy that keeps the browser from anything else."""

import base64
import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from edgenas.device import Provenance
from edgenas.reporting.chart_content import Chart
from edgenas.reporting.shown_text import (
    accuracy_text,
    compact_choices,
    figure_ms,
    interval_text,
    percent,
    rank_text,
    shown,
)
from edgenas.units import format_count, format_milliseconds

_PAGE = "page"
_SCRIPTS = ("drawing.js", "plot.js", "parallel.js", "page.js")
_MEANING = {
    Provenance.MEASURED: "the sum of block times measured on this device, calibrated on whole networks",
    Provenance.CALIBRATED: "a device model fitted to published latencies or to a few measurements",
    Provenance.ESTIMATED: "computed from the device's datasheet alone, without any measurement",
}


def rendered(template: str, content: dict[str, Any], **values: Any) -> bytes:
    """A page.

    Args:
        template: name of the file in `page/`.
        content: what its scripts show, in types of JSON.
        values: of the template.
    """
    style, script = _asset("report.css"), _script()
    page = (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),
            script=Markup(script),
            policy=Markup(_policy(style, script)),
            content=_as_json(content),
            interval=interval_text,
            meaning=_MEANING,
            **values,
        )
    )
    return page.encode("utf-8", "replace")


def plain_chart(chart: Chart) -> dict[str, Any]:
    """A chart in types of JSON, its texts fit to be shown."""
    found: dict[str, Any] = _fit(asdict(chart))
    return found


def _fit(value: Any) -> Any:
    match value:
        case str():
            return shown(value)
        case dict():
            return {name: item if name == "ids" else _fit(item) for name, item in value.items()}
        case list() | tuple():
            return [_fit(item) for item in value]
    return value


@cache
def _environment() -> Environment:
    """Of all pages, so that each template is compiled once."""
    environment = Environment(
        loader=PackageLoader("edgenas.reporting", _PAGE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: shown(value) if type(value) is str else value,
    )
    environment.filters |= {
        "accuracy": accuracy_text,
        "capital": lambda text: text[:1].upper() + text[1:],
        "choices": compact_choices,
        "count": format_count,
        "limit": format_milliseconds,
        "ms": figure_ms,
        "percent": percent,
        "rank": rank_text,
        "whole": lambda text: Markup(escape(text)),
    }
    return environment


def _policy(style: str, script: str) -> str:
    """This style and this script alone; pictures within the page; no network."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _script() -> str:
    return '"use strict";\n' + "\n".join(_asset(name) for name in _SCRIPTS)


@cache
def _asset(name: str) -> str:
    return (files("edgenas.reporting") / _PAGE / name).read_text(encoding="utf-8")


def _as_json(content: dict[str, Any]) -> Markup:
    """JSON that ends no script element."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
