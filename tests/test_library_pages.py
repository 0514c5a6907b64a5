"""Pages on the library: each example prints what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.helpers.pages import assert_examples_print_what_is_said, blocks_in


@pytest.mark.parametrize("page", ["docs/library.md"])
def test_examples_print_what_the_page_says(page: str, tmp_path: Path) -> None:
    assert_examples_print_what_is_said(blocks_in((ROOT / page).read_text(encoding="utf-8")), tmp_path)
