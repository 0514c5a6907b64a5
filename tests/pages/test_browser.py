"""The month's page in a real browser: nothing fetched, nothing cut off, readable by everyone, right in its total."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import ROOT, Cli

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
AXE = os.environ.get("TOLLBOOK_TEST_AXE", "")
REQUIRED = bool(os.environ.get("TOLLBOOK_TEST_BROWSER_REQUIRED"))
SCREEN, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PAPER = {"width": 703, "height": 1_046}  # A4 less the page's own margins, at 96 dots an inch: 186 mm and 277 mm
EXAMPLES = (ROOT / "examples/api-reference-response.json", *sorted((ROOT / "examples/usage").iterdir()))
MONTH = "2026-03"
NASTY = (
    "<script>alert(1)</script>",
    '"><img src="https://example.com/x.png" onerror="alert(2)">',
    "{{ 7 * 7 }} & {% raw %}",
    "مشروع البحث",
    "🧾 receipts 👩‍👩‍👧",
    "x" * 200,
    "long name " * 20,
)

# Of cells with a note: the pixels between it and the figure, and the lines that it takes.
GAPS = """cells => cells.map(cell => {
  const [figure, note] = [...cell.children].map(it => [...it.getClientRects()])
  const apart = [figure[0].left - note[0].right, note[0].left - figure[0].right]
  const height = parseFloat(getComputedStyle(cell.querySelector("small")).lineHeight)
  return {between: Math.max(...apart), lines: Math.max(note.length, Math.round(note[0].height / height))}
})"""

OpenPage = Callable[..., Page]


def needed(found: object, what: str) -> None:
    """Skips the test without what it needs, or fails where TOLLBOOK_TEST_BROWSER_REQUIRED is set."""
    if not found:
        reason = f"needs {what}: see CONTRIBUTING.md"
        if REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    needed(BROWSER, "Chromium")
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=quiet)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens a file, and fails at the end where anything else was asked for or the console told of an error."""
    told: list[str] = []
    contexts = []

    def open_(path: Path, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": SCREEN, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: told.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: told.append(f"error: {error}"))
        page.on("dialog", lambda dialog: told.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: told.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert told == []


def made_page(cli: Cli, folder: Path, *options: str) -> Path:
    cli("budget", "report", "--month", MONTH, "--format", "html", "-o", "page.html", *options).ok()
    return folder / "page.html"


@pytest.fixture
def examples_page(cli: Cli, tmp_path: Path) -> Path:
    """The page of the examples' second month, of budgets that are over, at risk and fine, both months closed."""
    cli("ingest", *EXAMPLES).ok()
    since = ("--from", "2026-02-01")
    cli("budget", "set", "all", "--amount", "40usd", *since, "--owner", "Platform").ok()
    cli("budget", "set", "ide", "--amount", "6usd", "--project", "ide-assistant", *since, "--owner", "Ann").ok()
    cli("budget", "set", "search", "--amount", "5usd", "--project", "search", *since).ok()
    cli("close", "--through", MONTH).ok()
    return made_page(cli, tmp_path)


@pytest.fixture
def nasty_page(cli: Cli, tmp_path: Path) -> Path:
    """The page of a month whose projects, tags and budgets have names that pages break on."""
    lines = [
        json.dumps(
            {
                "request_id": f"{month}-{number}",
                "occurred_at": f"2026-{month}-{number + 1:02}T10:00:00Z",
                "requested_model": "doubao-seed-2.0-pro",
                "status": "completed",
                "input_tokens": 30_000 * (number + 1),
                "output_tokens": 2_000,
                "project": name,
                "tags": {"team": name},
            }
        )
        for month in ("02", "03")
        for number, name in enumerate(NASTY)
    ]
    path = tmp_path / "nasty.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    cli("ingest", path).ok()
    for number, name in enumerate(NASTY):
        cli("budget", "set", name, "--amount", f"{number + 1}usd", "--from", "2026-02-01", "--owner", name).ok()
    return made_page(cli, tmp_path)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [SCREEN, PHONE], ids=["screen", "phone"])
@pytest.mark.parametrize("which", ["examples_page", "nasty_page"])
def test_the_page_fits_and_is_readable_by_everyone(
    which: str, viewport: Any, scheme: Any, open_page: OpenPage, request: pytest.FixtureRequest
) -> None:
    needed(AXE and Path(AXE).is_file(), "axe-core, named by TOLLBOOK_TEST_AXE")
    page = open_page(request.getfixturevalue(which), viewport=viewport, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    told = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found["violations"]]
    assert told == []


def test_the_page_needs_no_script(examples_page: Path, open_page: OpenPage) -> None:
    page = open_page(examples_page, java_script_enabled=False)
    assert page.locator("h1").is_visible()
    assert not re.search(r"<script|\son\w+=|javascript:|https?://(?!www\.w3\.org/)", examples_page.read_text())


def test_the_total_on_the_page_is_the_report_s(examples_page: Path, cli: Cli, open_page: OpenPage) -> None:
    usd = cli("report", "--month", MONTH, "--json").ok().json["total"]["usd"]
    page = open_page(examples_page)
    assert f"{usd} USD" in page.locator("footer").inner_text()
    assert f"{float(usd):.2f}" in page.locator("h1").inner_text()


def test_the_chart_has_words_and_a_table_of_its_days(examples_page: Path, open_page: OpenPage) -> None:
    page = open_page(examples_page)
    chart = page.get_by_role("img")
    assert "10 March with 2.06 USD" in str(chart.get_attribute("aria-label"))
    page.locator("summary").click()
    days = page.locator("details tbody tr")
    assert days.count() == 31
    assert days.nth(9).inner_text().split() == ["10", "March", "2.06"]


@pytest.mark.parametrize("which", ["examples_page", "nasty_page"])
def test_the_first_printed_page_holds_all_before_the_details(
    which: str, open_page: OpenPage, request: pytest.FixtureRequest
) -> None:
    page = open_page(request.getfixturevalue(which), viewport=PAPER)
    page.emulate_media(media="print")
    box = page.locator(".first").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= PAPER["height"]


@pytest.mark.parametrize("which", ["examples_page", "nasty_page"])
def test_printed_movements_keep_their_zero_line_and_figures_apart(
    which: str, open_page: OpenPage, request: pytest.FixtureRequest
) -> None:
    """Browsers print no backgrounds that they aren't told to; a change stands beside what it went from and to."""
    page = open_page(request.getfixturevalue(which), viewport=PAPER)
    page.emulate_media(media="print")
    zero_line = page.locator("#why .move b").first
    assert zero_line.evaluate("it => getComputedStyle(it).printColorAdjust") == "exact"
    gaps = page.locator("#why .number:has(small)").evaluate_all(GAPS)
    assert gaps
    assert all(gap["between"] >= 4 and gap["lines"] == 1 for gap in gaps), gaps


def test_names_stay_text(nasty_page: Path, open_page: OpenPage) -> None:
    page = open_page(nasty_page)
    text = page.locator("body").inner_text()
    for name in NASTY[:5]:
        assert name in text
    assert page.locator("body script, body img").count() == 0


def test_the_first_page_of_the_docs_shows_it(open_page: OpenPage, pytestconfig: pytest.Config) -> None:
    """The picture is written with --update-golden; other fonts than its own change the height a little."""
    page = open_page(ROOT / "docs/march-2026.html", viewport={"width": 860, "height": 900}, device_scale_factor=1.5)
    box = page.locator("#why").bounding_box()
    assert box is not None
    height = box["y"] + box["height"] + 16
    picture = ROOT / "docs/march-2026.png"
    if pytestconfig.getoption("--update-golden"):
        page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": 860, "height": height}, full_page=True)
    width_px, height_px = struct.unpack(">II", picture.read_bytes()[16:24])
    assert width_px == 1_290
    assert abs(height_px / 1.5 - height) < height / 10
