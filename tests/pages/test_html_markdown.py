"""The page in HTML and in Markdown: well formed, alike in words, and safe with names of any kind."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ledger.pages.figures.month import Totals
from ledger.pages.figures.values import Days, Ranked
from ledger.pages.html import to_html
from ledger.pages.markdown import to_markdown
from ledger.pages.view.blocks import Page
from ledger.pages.view.page import page_of
from ledger.pages.view.words import LONGEST_NAME, name, plain
from ledger.reports.bridge.values import Movement
from tests.helpers.page_figures import CENT, budget_status, march, running_march

NASTY = (
    "<script>alert(1)</script>", "\"quo'tes\" & <b>bold</b>", "\u202eevil", "\N{PARTY POPPER} party", "مشروع البحث",
    "| pipe `code` [link](http://x)", "=1+1", "x" * 300,
    "@team #1 GH-1 !1 https://x.y www.x.y",
)  # fmt: skip


class Outline(HTMLParser):
    """Tags in order, the texts between them, and every address or style in an attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)


@pytest.fixture(params=[march, running_march])
def page(request: pytest.FixtureRequest) -> Page:
    return page_of(request.param())


def test_the_html_is_well_formed_and_fetches_nothing(page: Page) -> None:
    html = to_html(page)
    outline = Outline(html)
    assert outline.open == []
    assert not {"script", "link", "img", "iframe", "object", "form", "a", "base"} & set(outline.tags)
    assert not {key for _tag, key, _value in outline.attributes if key.startswith("on") or key in ("src", "href")}
    assert not re.search(r"https?:|//[a-z]|@import|url\(", html)


def test_the_html_has_its_language_its_headings_in_order_and_a_name_for_each_chart(page: Page) -> None:
    outline = Outline(to_html(page))
    assert ("html", "lang", "en") in outline.attributes
    assert [tag for tag in outline.tags if re.fullmatch(r"h\d", tag)] == ["h1"] + ["h2"] * outline.tags.count("section")
    labels = [value for tag, key, value in outline.attributes if (tag, key) == ("div", "aria-label")]
    assert len(labels) == [value for _tag, key, value in outline.attributes if key == "role"].count("img") == 1
    assert labels[0].startswith("Cost by day in March 2026, in USD")
    assert outline.tags.count("th") == [key for tag, key, _value in outline.attributes if tag == "th"].count("scope")
    assert outline.tags.count("table") == outline.tags.count("caption")


def test_markdown_says_what_the_html_says(page: Page) -> None:
    html = "".join(Outline(to_html(page)).texts)
    markdown = re.sub(r"\\(.)", r"\1", to_markdown(page)).replace("&lt;", "<").replace("&gt;", ">")
    said = [line for each in (*page.first, *page.details) for line in (*each.lines, each.note)]
    texts = [plain(text) for text in (*said, *(each.text for each in page.facts))]
    tables = [table for each in (*page.first, *page.details) for table in each.tables]
    texts += [plain(cell.text) for table in tables for row in table.rows for cell in row]
    for text in [" ".join(map(plain, page.verdict)), *texts, page.control, page.command]:
        assert text in html
        assert text in markdown


def page_named(text: str) -> Page:
    """A page whose budgets, projects, models and owners all have one name."""
    status = budget_status(text[:200], 5_00, 6_00, owner=text[:200])
    [first, *rest] = march().levers
    bridge = march().bridge
    assert bridge is not None
    figures = march(
        budgets=(status,), levers=(replace(first, project=text, owner=text), *rest),
        projects=(Ranked(text, CENT, CENT, 1, 1),), models=(Ranked(text, CENT, CENT, 1, 1),),
        bridge=replace(bridge, by_project=(Movement(text, 0, CENT),)), rate_entries=(text,), project=text,
    )  # fmt: skip
    return page_of(figures)


@pytest.mark.parametrize("text", NASTY)
def test_names_of_any_kind_stay_text(text: str) -> None:
    page = page_named(text)
    outline = Outline(to_html(page))
    assert "script" not in outline.tags
    assert name(text).shown in outline.texts
    assert "\u202e" not in "".join(outline.texts)
    said = [each for each in outline.texts if each not in (page.command, page.report_command)]
    said += [value for _tag, key, value in outline.attributes if key not in ("title", "style")]
    assert max(len(word) for each in said for word in each.split()) <= LONGEST_NAME


@pytest.mark.parametrize("text", NASTY)
def test_names_of_any_kind_stay_text_in_markdown(text: str) -> None:
    # The last line has the commands, as code.
    *lines, commands = to_markdown(page_named(text)).splitlines()
    markup = r"<(?!!-- -->)|(?<!\\)[]`]|@\w|#\d|://(?!<)|www\."
    assert not [line for line in lines if re.search(markup, line)]
    assert "<script" not in re.sub("(`+) ?.*?[^`] ?\\1(?!`)", "", commands)
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    for before, count, line in zip(bars, bars[1:], lines[1:], strict=False):
        if line.startswith("|"):
            assert count in (before, before or count), line


def test_a_long_name_is_cut_and_has_all_of_it_as_its_title() -> None:
    outline = Outline(to_html(page_of(march(projects=(Ranked("x" * 300, CENT, CENT, 1, 1),)))))
    assert "x" * (LONGEST_NAME - 1) + "…" in outline.texts
    assert ("bdi", "title", "x" * 300) in outline.attributes


def test_an_empty_month_has_its_budgets_and_no_more() -> None:
    page = page_of(march(total=Totals(), days=Days(()), projects=(), models=(), levers=(), parts=()))
    assert [each.name for each in page.first] == ["budgets"]
    assert page.details == ()
    assert Outline(to_html(page)).open == []
