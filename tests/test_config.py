"""tollbook.toml beyond `[ledger]` and `[[project_rule]]`: workloads, budgets, and refusals that name file and key."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.config import Config, Workload, load_config, read_config, usd_limit
from ledger.errors import LedgerError
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from pricing.money import NANO
from tests.conftest import Cli

WORKLOAD = '[[workload]]\nname = "search"\nmodel = "doubao-seed-2.0-pro"\nprompts = ["*.txt"]\n'
BUDGET = '[[budget]]\nname = "all"\n'
CEILING = 2**63 - 1


def read(folder: Path, text: str) -> Config:
    path = folder / "tollbook.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def refusal(folder: Path, text: str) -> str:
    """What is said of a wrong file, without the file's name, which comes first."""
    with pytest.raises(LedgerError) as caught:
        read(folder, text)
    file, colon, words = str(caught.value).partition("tollbook.toml: ")
    assert (file, colon) == (f"{folder}/", "tollbook.toml: ")
    assert "\n" not in words
    return words


# --- what a file says -----------------------------------------------------------------------------------------------


def test_a_workload_with_every_key(tmp_path: Path) -> None:
    [found] = read(
        tmp_path,
        """
        [[workload]]
        name = "answers"
        model = "doubao-seed-2.0-lite"
        project = "support"
        prompts = ["prompts/*.md", "more/**/*.json"]
        parts = ["system.md", "tools.json"]
        cached_prefix = "system.md"
        extra_input_tokens = 1_200
        output_tokens = 0
        requests_per_month = 30_000
        max_usd_per_request = 0.05
        max_usd_per_month = "120.5"
        [workload.variables]
        product = "Kettle"
        "the name" = ""
        """,
    ).workloads
    assert found == Workload(
        name="answers",
        model="doubao-seed-2.0-lite",
        project="support",
        prompts=("prompts/*.md", "more/**/*.json"),
        parts=("system.md", "tools.json"),
        cached_prefix="system.md",
        extra_input_tokens=1_200,
        output_tokens=0,
        requests_per_month=30_000,
        max_usd_per_request=Decimal("0.05"),
        max_usd_per_month=Decimal("120.5"),
        variables={"product": "Kettle", "the name": ""},
    )


def test_what_a_workload_leaves_out_is_nothing(tmp_path: Path) -> None:
    [found] = read(tmp_path, WORKLOAD).workloads
    assert found == Workload(name="search", model="doubao-seed-2.0-pro", prompts=("*.txt",))
    assert (found.project, found.output_tokens, found.requests_per_month, found.cached_prefix) == (None,) * 4
    assert (found.extra_input_tokens, found.cached_input_tokens, found.variables) == (0, None, {})


def test_budgets_keep_amount_and_unit(tmp_path: Path) -> None:
    text = (
        BUDGET + 'amount = "500usd"\n[[budget]]\nname = "ide"\namount = "36.5 credits"\n'
        'projects = ["ide", "search"]\nmodels = ["m"]\n'
    )
    assert read(tmp_path, text).budgets == (
        Budget(name="all", amount=Amount(500 * NANO, "USD")),
        Budget(name="ide", amount=Amount(36 * NANO + NANO // 2, "CRD"), projects=("ide", "search"), models=("m",)),
    )


def test_workloads_and_budgets_may_share_a_name_and_keep_their_order(tmp_path: Path) -> None:
    names = ["z", "a", "m"]
    text = "".join(
        WORKLOAD.replace("search", name) + BUDGET.replace("all", name) + 'amount = "1usd"\n' for name in names
    )
    found = read(tmp_path, text)
    assert [workload.name for workload in found.workloads] == names
    assert [budget.name for budget in found.budgets] == names


def test_a_file_without_workloads_is_as_before(tmp_path: Path) -> None:
    found = read(tmp_path, '[ledger]\nprovider = "volcengine"\n')
    assert (found.ledger.provider, found.workloads, found.budgets) == ("volcengine", (), ())
    assert read(tmp_path, "") == Config()


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + WORKLOAD).workloads[0].name == "search"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "fifo"])
def test_a_configuration_that_is_no_file_is_refused_at_once(
    script: Cli, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "tollbook.toml")
    refused = script("report")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "tollbook.toml: isn't a file" in refused.stderr


def test_a_configuration_that_is_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    assert load_config(tmp_path) == Config()
    with pytest.raises(LedgerError, match=r"none\.toml: can't be read: No such file"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(LedgerError, match="can't be read: Is a directory"):
        read_config(tmp_path)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("prompt = 1", "workload[0].prompt: isn't a key of this file; remove it or correct its name"),
        ('"a b\\u001b" = 1', r"workload[0].'a b\x1b': isn't a key of this file; remove it or correct its name"),
        ("requests_per_month = -1", "workload[0].requests_per_month: -1 is negative; give 0 or more"),
        ("requests_per_month = 1.5", "workload[0].requests_per_month: 1.5 isn't a whole number; give one, "),
        ("requests_per_month = 1e3", "workload[0].requests_per_month: 1E+3 isn't a whole number; give one, "),
        ('requests_per_month = "30"', "workload[0].requests_per_month: '30' isn't a whole number; give one, "),
        ("requests_per_month = true", "workload[0].requests_per_month: true isn't a whole number; give one, "),
        (f"requests_per_month = {CEILING + 1}", f"workload[0].requests_per_month: {CEILING + 1} is past 2**63 - 1"),
        ("output_tokens = -1", "workload[0].output_tokens: -1 is negative; give 0 or more"),
        ("extra_input_tokens = -1", "workload[0].extra_input_tokens: -1 is negative; give 0 or more"),
        ("cached_input_tokens = -1", "workload[0].cached_input_tokens: -1 is negative; give 0 or more"),
        ("max_usd_per_request = -0.01", "workload[0].max_usd_per_request: -0.01 is negative; give 0 or more"),
        ("max_usd_per_month = -1", "workload[0].max_usd_per_month: -1 is negative; give 0 or more"),
        ('max_usd_per_month = "5usd"', "workload[0].max_usd_per_month: '5usd' isn't an amount of USD; give a number"),
        ("max_usd_per_month = true", "workload[0].max_usd_per_month: true isn't an amount of USD; give a number"),
        ("max_usd_per_month = []", "workload[0].max_usd_per_month: a list isn't an amount of USD; give a number"),
        ("max_usd_per_month = inf", "workload[0].max_usd_per_month: Infinity isn't an amount of USD; give a number"),
        ("max_usd_per_month = nan", "workload[0].max_usd_per_month: NaN isn't an amount of USD; give a number"),
        ("max_usd_per_month = 1e999999999", "workload[0].max_usd_per_month: 1E+999999999 isn't an amount of USD"),
        ("max_usd_per_month = 1e-10", "workload[0].max_usd_per_month: 1E-10 has more than 9 places; give at most 9"),
        ("max_usd_per_month = 1e-999999", "workload[0].max_usd_per_month: 1E-999999 has more than 9 places"),
        ("max_usd_per_month = 1.0000000001", "workload[0].max_usd_per_month: 1.0000000001 has more than 9 places"),
        ("variables = { a = 1 }", "workload[0].variables.a: 1 isn't text; write it in quotes"),
        ('variables = { a = "", b = 1.5 }', "workload[0].variables.b: 1.5 isn't text; write it in quotes"),
        ("variables = []", "workload[0].variables: a list isn't a table of keys and values"),
        ("project = 2.5", "workload[0].project: 2.5 isn't text; write it in quotes"),
        ('project = ""', "workload[0].project: '' is empty; give at least a character"),
        ('parts = "system.md"', "workload[0].parts: 'system.md' isn't a list; write texts in [brackets]"),
        ("parts = [1]", "workload[0].parts[0]: 1 isn't text; write it in quotes"),
        ('parts = ["a", ""]', "workload[0].parts[1]: '' is empty; give at least a character"),
        ('cached_prefix = ""', "workload[0].cached_prefix: '' is empty; give at least a character"),
    ],
)
def test_a_wrong_workload_names_key_value_and_rule(tmp_path: Path, line: str, words: str) -> None:
    assert refusal(tmp_path, f"{WORKLOAD}{line}\n").startswith(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[workload]]\nmodel = "m"\n', "workload[0].name: is missing; add it"),
        ('[[workload]]\nname = "n"\n', "workload[0].model: is missing; add it"),
        ('[[workload]]\nname = ""\nmodel = "m"\n', "workload[0].name: '' is empty; give at least a character"),
        (f'[[workload]]\nname = "{"n" * 201}"\n', f"workload[0].name: '{'n' * 79}... is longer than the 200"),
        ('[[workload]]\nname = "n"\nmodel = "m"\n', "workload[0]: 'n' has no request to estimate; give prompts, parts"),
        (
            '[[workload]]\nname = "n"\nmodel = "m"\nparts = ["p"]\ncolumns = ["q"]\n',
            "workload[0]: columns are of the rows of prompts; give prompts too",
        ),
        (f"{WORKLOAD}{WORKLOAD}", "workload[1].name: 'search' is the name of workload[0] too; give each its own"),
        (
            f'{WORKLOAD}cached_prefix = "p"\ncached_input_tokens = 0\n',
            "workload[0]: cached_prefix and cached_input_tokens both say what is cached; give one of them",
        ),
        ("workload = [1]\n", "workload[0]: 1 isn't a table of keys and values"),
        ('[workload]\nname = "n"\n', "workload: a table isn't a list; "),
        ("[budget]\n", "budget: a table isn't a list; write texts in [brackets], and tables under [[double brackets]]"),
        ("[unknown]\n", "unknown: isn't a key of this file; remove it or correct its name"),
        ("[ledger]\ntimezone = 1\n", "ledger.timezone: 1 isn't text; write it in quotes"),
        (BUDGET, "budget[0].amount: is missing; add it"),
        (
            f"{BUDGET}amount = 5\n",
            "budget[0].amount: '5' isn't an amount: give a number with its unit, such as 0.50usd",
        ),
        (f"{BUDGET}amount = 5.5\n", "budget[0].amount: '5.5' isn't an amount: give a number with its unit"),
        (f'{BUDGET}amount = "5"\n', "budget[0].amount: '5' isn't an amount: give a number with its unit"),
        (
            f'{BUDGET}amount = "5 stones"\n',
            "budget[0].amount: '5 stones' isn't an amount: give a number with its unit",
        ),
        (f'{BUDGET}amount = "-5usd"\n', "budget[0].amount: '-5usd' is negative: give 0 or more"),
        (f'{BUDGET}amount = "5usd"\nlimit = 1\n', "budget[0].limit: isn't a key of this file"),
        (f'{BUDGET}amount = "5usd"\nprojects = [""]\n', "budget[0].projects[0]: '' is empty"),
        (f'{BUDGET}amount = "5usd"\n' * 2, "budget[1].name: 'all' is the name of budget[0] too; give each its own"),
        ("a = " + "[" * 100_000, "can't be read: "),
        ("a = " + "1" * 5_000, "can't be read: "),
        ("a = 1e" + "9" * 30, "can't be read: "),
    ],
)
def test_a_wrong_file_names_key_and_rule(tmp_path: Path, text: str, words: str) -> None:
    assert refusal(tmp_path, text).startswith(words)


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_bytes("[ledger]\ndb = 'ü'\n".encode("latin-1"))
    with pytest.raises(LedgerError, match="can't be read: 'utf-8' codec"):
        read_config(tmp_path / "tollbook.toml")


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "nano"),
    [
        ("0", 0),
        ("-0.0", 0),
        ("0e999999999", 0),
        ("0.000000001", 1),
        ("5e-2", NANO // 20),
        ("0.050000000000000000000000000000000000000000", NANO // 20),
        ("123456789.123456789", 123_456_789_123_456_789),
    ],
)
def test_a_limit_is_exact_to_the_billionth(written: str, nano: int) -> None:
    assert usd_limit(Decimal(written), "key") == Amount(nano, "USD")


def test_no_limit_is_none() -> None:
    assert usd_limit(None, "key") is None


def test_a_limit_is_not_rounded_to_fit() -> None:
    with pytest.raises(LedgerError, match="more than 9 places"):
        usd_limit(Decimal("123456789.1234567890000000000000000000000000000001"), "key")


# --- sources --------------------------------------------------------------------------------------------------------


def test_sources_say_how_long_they_may_be_silent(tmp_path: Path) -> None:
    text = "".join(
        f'[[source]]\nname = "{name}"\nexpect_every = "{every}"\n'
        for name, every in (("evolink", "1d"), ("batch", "2w"), ("live", "36h"))
    )
    assert read(tmp_path, text).sources == {
        "evolink": timedelta(hours=24), "batch": timedelta(days=14), "live": timedelta(hours=36),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('name = "a"\nexpect_every = "0d"', "source[0].expect_every: '0d' isn't a length of time: give days, weeks"),
        ('name = "a"\nexpect_every = "1 day"', "source[0].expect_every: '1 day' isn't a length of time"),
        ('name = "a"\nexpect_every = 1', "source[0].expect_every: 1 isn't text; write it in quotes"),
        ('name = "a"', "source[0].expect_every: is missing"),
        ('name = ""\nexpect_every = "1d"', "source[0].name: '' is empty"),
        ('name = "a"\nexpect = "1d"', "source[0].expect: isn't a key of this file"),
        ('name = "a"\nexpect_every = "1d"\n[[source]]\nname = "a"\nexpect_every = "2d"', "source[1].name: 'a' is the"),
    ],
)
def test_a_source_that_cant_be_meant_is_refused(tmp_path: Path, lines: str, words: str) -> None:
    assert refusal(tmp_path, f"[[source]]\n{lines}\n").startswith(words)
