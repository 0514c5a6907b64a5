"""Unknown names lead to the known one that was likely meant, and to none where none is alike."""

from __future__ import annotations

import datetime as dt

import pytest

from pricing.catalog import load_rate_cards
from pricing.errors import UnknownModel
from pricing.names import did_you_mean, nearest, with_question

PRO = "doubao-seed-2.0-pro"
KNOWN = ("search", "support", "Ads", "été", PRO)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("serch", "search"),
        ("Serach", "search"),
        ("suport", "support"),
        ("ADS", "Ads"),
        ("ÉTÉ", "été"),
        ("doubao-seed-2.0-por", PRO),
        ("gpt-4o", None),
        ("", None),
        ("\n", None),
        ("search" + "x" * 300, None),
    ],
)
def test_the_nearest_of_the_known_names(name: str, meant: str | None) -> None:
    assert nearest(name, KNOWN) == meant


def test_a_question_says_where_case_alone_differs() -> None:
    assert did_you_mean("serch", KNOWN) == "did you mean 'search'?"
    assert did_you_mean("SEARCH", KNOWN) == "did you mean 'search', which differs in case alone?"
    assert did_you_mean("zzz", KNOWN) == ""
    assert did_you_mean("search", []) == ""


def test_names_of_any_length_take_no_time() -> None:
    assert nearest("x" * 5_000_000, KNOWN) is None
    assert nearest("search", ["search" * 1_000_000, "serch"]) == "serch"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Doubao-Seed-2.0-Pro", f"did you mean '{PRO}', which differs in case alone?"),
        ("doubao-seed-2.0-por", f"did you mean '{PRO}'?"),
        # An alias with a pattern: the name that the pattern would take.
        ("Doubao-Seed-2-0-Pro-260215", "did you mean 'doubao-seed-2-0-pro-260215', which differs in case alone?"),
    ],
)
def test_an_unknown_model_is_refused_with_the_one_that_was_meant(name: str, words: str) -> None:
    with pytest.raises(UnknownModel) as refused:
        load_rate_cards()["evolink"].entry_at(name, dt.datetime(2026, 5, 1, tzinfo=dt.UTC))
    assert str(refused.value).startswith(f"model '{name}' is not on card 'evolink': {words} It has doubao-seed")


def test_a_question_stands_before_the_rest_of_a_refusal() -> None:
    assert with_question("did you mean 'a'?", "it has a, b") == "did you mean 'a'? It has a, b"
    assert with_question("", "it has a, b") == "it has a, b"
