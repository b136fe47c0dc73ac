"""Pictures of a run's report in a headless browser: three sizes, by day and by night, and on paper.

    python benchmarks/report_screenshots.py runs/flowers/report.html --out /tmp/pictures

Needs playwright (`pip install -e '.[dev]'`) and a Chromium: `--browser`, by default the one that is installed.
"""

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Scheme = Literal["light", "dark"]

SIZES = {"wide": (1280, 900), "tablet": (820, 1100), "phone": (390, 844)}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Take the pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--browser", default=next(filter(None, map(shutil.which, BROWSERS)), None))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=asked.browser, args=["--no-sandbox"])
        address = asked.report.resolve().as_uri()
        for size in SIZES:
            for scheme in SCHEMES:
                page = opened(browser, address, size, scheme)
                page.screenshot(path=asked.out / f"{size}-{scheme}.png", full_page=True)
                page.context.close()
        page = opened(browser, address, "wide", "light")
        chart = page.locator("[data-chart=front]").bounding_box()
        end = chart["y"] + chart["height"] + 20
        seen = {"x": 0, "y": 0, "width": SIZES["wide"][0], "height": end}
        page.screenshot(path=asked.out / "first-view.png", full_page=True, clip=seen)
        page.pdf(path=asked.out / "printed.pdf", format="A4", print_background=False)
        browser.close()
    for path in sorted(asked.out.iterdir()):
        print(path)


def opened(browser: "Browser", address: str, size: str, scheme: Scheme) -> "Page":
    """The report in a window of its own."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        device_scale_factor=1.5,
        offline=True,
    )
    page = context.new_page()
    page.on("pageerror", lambda error: print(f"error on the page: {error}"))
    page.on("console", lambda message: print(f"console: {message.text}"))
    page.goto(address)
    page.wait_for_selector("[data-chart=front] svg.plot")
    return page


if __name__ == "__main__":
    main()
