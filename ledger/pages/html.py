"""A page as one HTML file: no script, and nothing that is fetched."""

from __future__ import annotations

from fractions import Fraction

from ledger.pages.view.blocks import Page
from ledger.values.words import tenths


def to_html(page: Page) -> str:
    """Returns the page; whatever text the data has stays text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # takes a while, and no other command needs it

    environment = Environment(loader=PackageLoader("ledger", "pages"), autoescape=True, undefined=StrictUndefined)
    environment.filters["percent"] = _percent
    return environment.get_template("page.html.j2").render(page=page)


def _percent(part: int) -> str:
    """Writes tenths of a percent for a style: 123 is 12.3%."""
    return f"{tenths(Fraction(part, 10))}%"
