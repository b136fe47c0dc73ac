"""The report in a real browser: it shows, links and answers to keys, and no name ever runs."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgenas.reporting.html_page import write_html
from edgenas.reporting.judged_images import Judged, JudgedImages

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Make = Callable[..., Any]

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ATTACKS = (
    "<script>hacked()</script>",
    "</script><script>hacked()</script>",
    "<img src=x onerror=hacked()>",
    '"><svg onload=hacked()>',
    "' onmouseover='hacked()",
    "javascript:hacked()",
    "{{ hacked() }}",
    "${hacked()}",
    "<!--<script>",
    "]]><style>*{display:none}</style>",
    "\u202egnp.exe\u2066",
    "\x00\x1b[31m\x7f",
    "\ud800",
    "&lt;script&gt;hacked()&lt;/script&gt;",
    "<a href=//evil.example>x</a>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0>",
    "=HYPERLINK(1)",
    "\u2028\u2029<b>",
    "<iframe srcdoc='<script>parent.hacked()</script>'>",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if BROWSER is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Any, make_view: Make, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`opened(width=1280, scheme="light", view=None, **changes)`: a page; it must stay silent and load nothing."""
    contexts, trouble = [], []

    def open_(width: int = 1280, scheme: str = "light", view: Any = None, **changes: Any) -> Any:
        path = tmp_path / "report.html"
        write_html(make_view(**changes) if view is None else view, path)
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(("file:", "data:", "blob:")) else trouble.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        page.wait_for_selector("[data-chart=front] svg.plot g.model")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert trouble == []


def shown_model(page: Any) -> str:
    (number,) = page.eval_on_selector_all(
        "[data-model]:not([hidden])", "all => all.map(each => each.dataset.model)"
    )
    return str(number)


def test_the_best_model_is_shown_first_and_a_click_shows_another(opened: Make) -> None:
    page = opened()
    assert shown_model(page) == "3"
    page.locator("[data-chart=front] g.model", has_text="1").first.click()
    assert shown_model(page) == "1"
    page.locator(".models [data-choose='2']").first.click()
    assert shown_model(page) == "2"


def test_keys_choose_models_and_their_focus_is_seen(opened: Make) -> None:
    page = opened()
    page.locator("[data-chart=front] g.model[tabindex='0']").focus()
    page.keyboard.press("ArrowLeft")
    assert shown_model(page) == "2"
    focused = "getComputedStyle(document.activeElement.firstElementChild).strokeWidth"
    assert page.evaluate(focused) == "4px"
    assert page.locator(".tooltip").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator(".tooltip").is_visible()


def test_a_point_tells_of_itself_under_the_pointer(opened: Make) -> None:
    page = opened()
    page.locator("[data-chart=front] g.model", has_text="3").first.hover()
    text = page.locator(".tooltip").inner_text()
    assert text.startswith("3: 0000000003") and "[0.800 to 3.20]" in text


def test_a_box_in_the_front_marks_networks_below_and_escape_clears_it(opened: Make) -> None:
    page = opened()
    page.locator(".plot-header button").first.click()  # all networks
    area = page.locator("[data-chart=front] svg.plot").bounding_box()
    page.mouse.move(area["x"] + 70, area["y"] + 40)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] - 50)
    page.mouse.up()
    faded, lines = page.locator(".parallel path.faded"), page.locator(".parallel path.joined")
    assert 0 < faded.count() < lines.count()
    page.locator("[data-chart=front] g.model[tabindex='0']").focus()
    page.keyboard.press("Escape")
    assert faded.count() == 0


def test_a_range_on_an_axis_marks_networks_in_the_front(opened: Make) -> None:
    page = opened()
    grip = page.locator(".parallel-axis .grip").last
    grip.scroll_into_view_if_needed()
    place = grip.bounding_box()
    page.mouse.move(place["x"] + 8, place["y"] + 20)
    page.mouse.down()
    page.mouse.move(place["x"] + 8, place["y"] + 100, steps=3)
    page.mouse.up()
    faded, points = page.locator("[data-chart=front] .dot.faded"), page.locator("[data-chart=front] .dot")
    assert 0 < faded.count() < points.count()
    page.locator(".parallel-axis").first.focus()
    page.keyboard.press("ArrowUp")  # of another axis, by keys: fewer are left
    assert faded.count() > 0
    page.keyboard.press("Escape")
    page.locator(".parallel-axis").last.focus()
    page.keyboard.press("Escape")
    assert faded.count() == 0


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_nothing_is_wider_than_the_window(opened: Make, width: int) -> None:
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_accuracies_are_in_percent(opened: Make) -> None:
    page = opened()
    ticks = page.locator("[data-chart=front] text.tick[text-anchor=end]").all_text_contents()
    assert len(ticks) > 2 and all(text.endswith(" %") for text in ticks)
    places = [float(text.removesuffix(" %")) for text in ticks]
    assert 1 < min(places) < max(places) <= 100
    best = page.locator(".hero .value").first.inner_text()
    assert re.fullmatch(r"\d+\.\d\d %", best)
    page.locator("[data-chart=front] g.model").first.hover()
    assert re.search(r"accuracy \d+\.\d\d % \(", page.locator(".tooltip").inner_text())


def test_night_follows_the_system_and_the_button_turns_it(opened: Make) -> None:
    page = opened(scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(16, 19, 23)"
    page.locator("[data-theme-switch]").click()
    assert page.evaluate(colour) == "rgb(246, 247, 249)"


def test_the_figures_are_saved_as_a_table(opened: Make) -> None:
    page = opened()
    with page.expect_download() as download:
        page.locator("[data-save]").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert download.value.suggested_filename == "demo.csv"
    assert lines[0].startswith("role,id,name") and len(lines) == 1 + 4 + 37


def test_200_hostile_names_run_nothing(opened: Make, make_view: Make, model: Make, baseline: Make) -> None:
    names = [
        attack + padding
        for attack in ATTACKS
        for padding in ("", " x", "\n", '"', "'", "<", ">", "`", "\\", "A" * 10_000)
    ]
    assert len(names) == 200
    models = [
        model(i, 0.9, 0.5 + i / 100, note=name, architecture={"space": {}, "choices": [name]}).model_copy(
            update={"name": name, "onnx": name}
        )
        for i, name in enumerate(names)
    ]
    base = make_view(data=names[1], notes=names, front=models[:100], baselines=models[100:], dropped=[])
    classes = tuple(names[:20])
    matrix = tuple(tuple(range(20)) for _ in classes)
    count = sum(map(sum, matrix))
    found = {models[0].id: Judged(images=count, matrix=matrix, worst=())}
    judged = JudgedImages(classes=classes, test_images=count, models=found)
    fields = {name: getattr(base, name) for name in base.__dataclass_fields__}
    page = opened(view=type(base)(**fields | {"judged": judged}))
    page.evaluate("globalThis.ran = []")
    for number in (1, 50, 150):
        page.evaluate(f"document.querySelector('[data-choose=\"{number}\"]').click()")
    page.locator("[data-chart=front] g.model").first.hover(force=True)
    kinds = page.evaluate("[...new Set([...document.querySelectorAll('*')].map(each => each.localName))]")
    assert not {"iframe", "base", "a", "b", "object"} & set(kinds)
    assert page.locator("script").count() == 2 and page.locator("style").count() == 1
    assert page.evaluate("document.querySelectorAll('meta[http-equiv]').length") == 1
    assert page.evaluate("typeof hacked") == "undefined"
    assert not [
        name
        for name in page.evaluate(
            "[...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames())"
        )
        if name.startswith("on")
    ]
    text = page.evaluate("document.body.textContent")
    assert "\u202e" not in text and "\x1b" not in text
    assert json.dumps(page.title())
