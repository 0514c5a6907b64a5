"""`tollbook workload init`: what of a folder becomes a workload, and that its configuration is estimated at once."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ledger.config import Workload, read_config
from tests.conftest import ROOT, Cli
from tests.helpers.workloads import CODE, LITE, chat

MODEL = ("--model", LITE)


def write(files: Mapping[str, str | bytes], folder: Path | None = None) -> None:
    for name, content in files.items():
        path = (folder or Path()) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def found(path: str = "tollbook.toml") -> dict[str, list[str]]:
    """The globs and names of each workload."""
    return {workload.name: list(workload.prompts) for workload in read_config(Path(path)).workloads}


def estimated(cli: Cli, path: str = "tollbook.toml") -> dict[str, int]:
    """The number of requests of each workload, as an estimate of the configuration reads them."""
    done = cli("estimate", "--config", path, "--json").ok()
    return {one["name"]: len(one["prompts"]) for one in done.json["workloads"]}


def body(model: str, text: str = "tea") -> str:
    return json.dumps(chat(text, model=model))


# --- what becomes a workload ----------------------------------------------------------------------------------------


def test_a_file_is_a_workload_and_so_is_a_folder_of_alternatives(cli: Cli) -> None:
    write(
        {
            "prompts/summary.md": "Sum up.", "prompts/sort.txt": "Sort.", "prompts/shop/system.md.j2": "You sell.",
            "prompts/shop/asked/a.md": "a", "prompts/shop/asked/b.md": "b", "prompts/shop/asked/c.prompt": "c",
        }
    )  # fmt: skip
    done = cli("workload", "init", *MODEL).ok()
    assert found() == {
        "sort": ["prompts/sort.txt"],
        "summary": ["prompts/summary.md"],
        "shop-system": ["prompts/shop/system.md.j2"],
        "shop-asked": ["prompts/shop/asked/*.md", "prompts/shop/asked/*.prompt"],
    }
    assert estimated(cli) == {"sort": 1, "summary": 1, "shop-system": 1, "shop-asked": 3}
    assert done.stdout.splitlines()[0] == "tollbook.toml: 4 workloads of 6 prompts"
    assert done.stdout.splitlines()[-1].endswith("and run: tollbook estimate --config tollbook.toml")
    assert done.stderr == ""


def test_the_examples_make_a_configuration(cli: Cli) -> None:
    cli("workload", "init", ROOT / "examples" / "estimate" / "prompts", *MODEL).ok()
    assert estimated(cli) == {"code-review": 1, "contract-review.zh": 1, "support-system": 1, "support-questions": 3}


def test_what_is_no_prompt_is_left_out(cli: Cli) -> None:
    write(
        {
            "a.md": "a", "README.md": "x", "readme.zh.md": "x", "CHANGELOG.txt": "x", ".hidden.md": "x",
            ".git/x.md": "x",
            "node_modules/p/x.md": "x", ".venv/x.txt": "x", "x.py": "x", "x.toml": "x", "picture.txt": b"\x89PNG\0",
            "latin.md": "é".encode("latin-1"), "package.json": "{}", "broken.json": "{", "rows.jsonl": '{"a": 1}\n',
            "empty.md": " \n", "sub/LICENSE.txt": "x",
        }
    )  # fmt: skip
    Path("folder.md").mkdir()
    Path("nowhere.md").symlink_to("missing")
    done = cli("workload", "init", *MODEL).ok()
    assert found() == {"a": ["a.md"]}
    notes = done.stderr.splitlines()
    assert notes[0].startswith("Note: left out: ./broken.json: ")
    assert notes[1] == "Note: left out: ./empty.md: is empty"
    assert notes[-1] == "Note: left out: 1 more"
    assert len(notes) == 6


def test_a_glob_that_would_match_others_gives_way_to_names(cli: Cli) -> None:
    write({"p/s/README.md": "x", "p/s/b.md": "b", "p/s/a.md": "a"})
    cli("workload", "init", "p", *MODEL).ok()
    assert found() == {"s": ["p/s/a.md", "p/s/b.md"]}


def test_bodies_name_their_model(cli: Cli) -> None:
    mixed = f"{body(CODE)}\n{body(LITE)}\n"
    many = f"{body(CODE)}\n{body('doubao-seed-2-0-code-260215')}\n{body('unknown')}\n"
    write({"p/many.jsonl": many, "p/mixed.jsonl": mixed, "p/both/a.json": body(CODE), "p/both/b.json": body(LITE)})
    done = cli("workload", "init", "p").ok()
    models = {one.name: one.model for one in read_config(Path("tollbook.toml")).workloads}
    assert models == {"many": CODE, "both-a": CODE, "both-b": LITE}
    assert estimated(cli) == {"many": 3, "both-a": 1, "both-b": 1}
    assert done.stderr == (
        f"Note: left out: p/mixed.jsonl: has requests to {CODE} and {LITE}: split it, as a workload has one model\n"
    )


def test_the_option_is_the_model_of_what_names_none_that_is_priced(cli: Cli) -> None:
    write({"p/code.json": body(CODE), "p/other.json": body("gpt-x"), "p/text.md": "tea"})
    cli("workload", "init", "p", *MODEL).ok()
    models = {one.name: one.model for one in read_config(Path("tollbook.toml")).workloads}
    assert models == {"code": CODE, "other": LITE, "text": LITE}


def test_names_differ_and_are_short_enough(cli: Cli) -> None:
    long = "/".join("d" * 90 for _ in range(3))
    write({"p/a.md": "a", "p/a.txt": "a", "p/a-2.md": "a", f"p/{long}/x.md": "x", f"p/{long}/y/x.md": "x"})
    cli("workload", "init", "p", *MODEL).ok()
    assert len(estimated(cli)) == 5


NASTY = [
    "[draft].md",
    "*.md",
    "a b.md",
    'say "so".md',
    "back\\slash.md",
    "line\nbreak.md",
    "bell\x07.md",
    "#.md",
    "-.md",
    "搜索.md",
]


@pytest.mark.parametrize("folder", ["p", "p/[x]", 'p/"', "p/-", "p/{{b}}"])
def test_any_name_is_read_back(cli: Cli, folder: str) -> None:
    write({f"{folder}/{name}": name for name in NASTY})
    done = cli("workload", "init", "p", *MODEL).ok()
    assert sum(estimated(cli).values()) == len(NASTY)
    assert "\x07" not in done.stdout + done.stderr


def test_a_name_that_no_configuration_can_hold_is_left_out(cli: Cli) -> None:
    write({"p/a.md": "a"})
    Path(os.fsdecode(b"p/\xff.md")).write_text("x")
    done = cli("workload", "init", "p", *MODEL).ok()
    assert found() == {"a": ["p/a.md"]}
    assert "its name isn't UTF-8" in done.stderr


# --- what is written ------------------------------------------------------------------------------------------------


def workload_with_hints(path: str = "tollbook.toml") -> Workload:
    """The one workload as it is once the # of each hint is taken away."""
    text = Path(path).read_text()
    start = text.index("[[workload]]")
    Path(path).write_text(text[:start] + text[start:].replace("\n# ", "\n"))
    [workload] = read_config(Path(path)).workloads
    return workload


def test_hints_hold_once_their_sign_is_taken_away(cli: Cli) -> None:
    write({"p/a.md": "{{shop}} {{ user.name }} {{x\x07}} {{shop}}"})
    cli("workload", "init", "p", *MODEL).ok()
    assert estimated(cli) == {"a": 1}
    workload = workload_with_hints()
    assert workload.variables == {"shop": "", "user.name": "", "x\x07": ""}
    assert workload.requests_per_month == 1_000
    assert workload.output_tokens is not None
    assert workload.max_usd_per_request is not None
    assert workload.max_usd_per_month is not None
    assert estimated(cli) == {"a": 1}


def test_paths_are_relative_to_the_file(cli: Cli) -> None:
    write({"src/prompts/a.md": "a", "src/prompts/q/b.md": "b", "src/prompts/q/c.md": "c", "costs/x": ""})
    for path in ("costs/first.toml", "src/prompts/first.toml"):
        cli("workload", "init", "src/prompts", *MODEL, "-o", path).ok()
        assert estimated(cli, path) == {"a": 1, "q": 2}
    assert found("costs/first.toml")["q"] == ["../src/prompts/q/*.md"]
    Path("linked").symlink_to("costs")
    Path("costs/first.toml").unlink()
    cli("workload", "init", "src/prompts", *MODEL, "-o", "linked/first.toml").ok()
    assert estimated(cli, "linked/first.toml") == {"a": 1, "q": 2}


def test_standard_output_takes_the_text_alone(cli: Cli) -> None:
    write({"p/a.md": "a"})
    done = cli("workload", "init", "p", *MODEL, "-o", "-").ok()
    assert tomllib.loads(done.stdout)["workload"] == [{"name": "a", "model": LITE, "prompts": ["p/a.md"]}]
    assert not Path("tollbook.toml").exists()
    assert not Path("-").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# ours alone\n",
        "# ours\n[ledger]\ndb   = 'book.db'  # here\n",
        "[ledger]\ndb = 'book.db'",
        "[ledger]\r\ndb = 'book.db'\r\n",
        '\n[[budget]]\nname = "b"\namount = "5usd"\n\n\n',
    ],
)
def test_what_a_configuration_has_stays_as_it_is(cli: Cli, text: str) -> None:
    write({"p/a.md": "a", "tollbook.toml": text})
    before = read_config(Path("tollbook.toml"))
    cli("workload", "init", "p", *MODEL).ok()
    raw = Path("tollbook.toml").read_bytes().decode()
    assert raw.startswith(text.rstrip())
    assert tomllib.loads(raw)
    assert raw.count("\r") == (raw.count("\n") if "\r" in text else 0)
    after = read_config(Path("tollbook.toml"))
    assert (after.ledger, after.budgets, len(after.workloads)) == (before.ledger, before.budgets, 1)


def test_an_empty_list_of_workloads_makes_room(cli: Cli) -> None:
    write({"p/a.md": "a", "tollbook.toml": "workload = []\n# kept\n[ledger]\n"})
    cli("workload", "init", "p", *MODEL).ok()
    assert "# kept\n[ledger]\n" in Path("tollbook.toml").read_text()
    assert estimated(cli) == {"a": 1}


def test_the_card_of_the_file_is_the_one_of_its_provider(cli: Cli) -> None:
    write({"p/a.json": body("acme-1"), "costs/tollbook.toml": '[ledger]\nprovider = "volcengine"\n'})
    done = cli("workload", "init", "p", "--model", "acme-1", "-o", "costs/tollbook.toml")
    assert done.exit_code == 2
    assert "card 'volcengine'" in done.stderr


# --- refusals -------------------------------------------------------------------------------------------------------


REFUSED: list[tuple[dict[str, str], tuple[Any, ...], str]] = [
    (
        {"p/a.md": "a"},
        ("p",),
        "p/a.md: names no model of the rate card: give one of 'tollbook rates list' with --model",
    ),
    ({"p/a.md": "a"}, ("p", "--model", "acme-1"), "model 'acme-1' is not on card 'evolink'"),
    ({"p/a.py": "a"}, ("p", *MODEL), "p: holds no prompt: give the folder of texts or request bodies"),
    ({"p/a.md": "a"}, ("q", *MODEL), "q: is no folder: give the one that the prompts are in"),
    ({"p/a.md": "a"}, ("p/a.md", *MODEL), "p/a.md: is no folder"),
    ({"p/a.md": "a"}, ("p", *MODEL, "-o", "missing/x.toml"), "missing/x.toml: can't be written"),
    ({"p/a.md": "a"}, ("p", *MODEL, "-o", "p"), "p: can't be written: Is a directory"),
    ({"p/a.md": "a", "x.md": "# x\n- y"}, ("p", *MODEL, "-o", "x.md"), "give another file with -o"),
    (
        {"p/a.md": "a", "x.toml": f'[[workload]]\nname = "w"\nmodel = "{LITE}"\nprompts = ["p/a.md"]\n'},
        ("p", *MODEL, "-o", "x.toml"),
        "x.toml: has 1 [[workload]] entry already: add to them by hand, or give another file with -o",
    ),
]


@pytest.mark.parametrize(("files", "args", "words"), REFUSED)
def test_a_refusal_changes_nothing(cli: Cli, files: dict[str, str], args: tuple[Any, ...], words: str) -> None:
    write(files)
    done = cli("workload", "init", *args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    there = {str(path): path.read_text() for path in Path().rglob("*") if path.is_file()}
    assert there == files
