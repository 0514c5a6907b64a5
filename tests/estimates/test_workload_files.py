"""Which requests a workload is: globs, parts, request bodies, variables; and what is refused of its files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import msgspec
import pytest

from ledger.config import read_config
from ledger.estimates.prompts.files import json_of
from ledger.estimates.workloads.files import requests_of
from ledger.estimates.workloads.read_document import read_workloads
from ledger.values.safe_text import json_text
from tests.helpers.workloads import LITE, PRO, Project, chat, inputs, tea


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


# --- which requests -------------------------------------------------------------------------------------------------


def test_globs_are_relative_to_the_folder_and_sorted_by_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["b.md", "a/z.md", "a/b/c/deep.md", "a/y.md", "A.md"]
    project.write({name: tea(number) for number, name in enumerate(names, start=1)})
    (project.folder / "a" / "folder.md").mkdir()
    monkeypatch.chdir("/")
    assert inputs(project.one('prompts = ["*.md"]')) == {"A.md": 5, "b.md": 1}
    assert list(inputs(project.one('prompts = ["a/**/*.md", "b.md", "*.md"]'))) == [
        "A.md",
        "a/b/c/deep.md",
        "a/y.md",
        "a/z.md",
        "b.md",
    ]
    assert list(inputs(project.one('prompts = ["a/*.md"]'))) == ["a/y.md", "a/z.md"]


def test_a_file_that_two_globs_match_is_one_request(project: Project) -> None:
    project.write({"a.md": tea(1), "x/b.md": tea(2)})
    assert list(inputs(project.one('prompts = ["*.md", "./a.md", "x/../a.md", "**/b.md", "x/b.md"]'))) == [
        "a.md",
        "x/b.md",
    ]


def test_paths_outside_the_folder_are_read(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "a.md").write_text(tea(3))
    project.write({"a.md": tea(1)})
    assert inputs(project.one(f'prompts = ["{other}/*.md"]')) == {f"{other}/a.md": 3}
    name = f"../{project.folder.name}/a.md"
    assert inputs(project.one(f'prompts = ["{name}"]')) == {name: 1}


def test_names_that_look_like_globs_or_options_are_files_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write({"[draft].md": tea(1), "-": tea(2)})
    monkeypatch.chdir(project.folder)
    folder, project.folder = project.folder, Path()
    assert inputs(project.one('prompts = ["[draft].md", "-"]')) == {"-": 2, "[draft].md": 1}
    assert inputs(project.one('parts = ["-"]')) == {"-": 2}
    project.folder = folder


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_name_that_is_no_utf8_reads_back_from_json(project: Project) -> None:
    project.write({os.fsdecode(b"p/caf\xe9.md"): "tea"})
    document = project.estimate('prompts = ["p/*.md"]')
    assert list(inputs(document.workloads[0])) == ["p/caf\\udce9.md"]
    assert read_workloads(json_of(json_text(msgspec.to_builtins(document)).encode(), "x.json"), "x.json") == document


@pytest.mark.parametrize("pattern", ["*.txt", "folder", "none.md", "nothing/**", r"a\u0000b", r"*\u0000"])
def test_a_glob_that_matches_no_file_is_refused(project: Project, pattern: str) -> None:
    project.write({"a.md": tea(1), "folder/b.md": tea(1)})
    said = project.refusal(f'prompts = ["a.md", "{pattern}"]')
    assert said.startswith(f"workload 'w': prompts {pattern!r} matches no file in ".replace(r"\\u0000", r"\x00"))


def test_parts_are_joined_in_their_order_and_counted_one_by_one(project: Project) -> None:
    # "hot" + "tea" joined would be cut into other tokens than apart.
    project.write({"1.md": "hot", "2.md": "tea", "3.md": tea(3)})
    entry = project.one('parts = ["2.md", "1.md", "3.md"]')
    assert inputs(entry) == {"2.md + 1.md + 3.md": 1 + 1 + 3}
    found = requests_of(read_config(project.folder / "tollbook.toml").workloads[0], project.folder)
    assert [prompt.text.texts for prompt in found.prompts] == [("tea", "hot", tea(3))]


def test_every_alternative_begins_with_the_parts(project: Project) -> None:
    project.write({"system.md": tea(100), "rules.md": tea(20), "p/a.md": tea(1), "p/b.md": tea(2)})
    entry = project.one('parts = ["system.md", "rules.md"]\nprompts = ["p/*"]')
    assert inputs(entry) == {"p/a.md": 121, "p/b.md": 122}
    found = requests_of(read_config(project.folder / "tollbook.toml").workloads[0], project.folder)
    assert [prompt.text.texts for prompt in found.prompts] == [
        (tea(100), tea(20), tea(1)),
        (tea(100), tea(20), tea(2)),
    ]


def test_request_bodies_are_alternatives_each(project: Project) -> None:
    lines = [chat(tea(1)), {"input": tea(2)}, chat(tea(3), tea(4))]
    project.write(
        {
            "a.jsonl": "\n\n".join(map(json.dumps, lines)),
            "b.json": json.dumps([chat(tea(5)), chat(tea(6))]),
            "c.json": json.dumps({"instructions": tea(7), "input": tea(8)}),
            "d.md": tea(9),
        }
    )
    entry = project.one('prompts = ["*.json", "*.jsonl", "*.md"]')
    # 3 tokens a request and 3 a message, plain text without.
    assert inputs(entry) == {
        "a.jsonl:1": 1 + 3 + 3,
        "a.jsonl:3": 2 + 3 + 3,
        "a.jsonl:5": 3 + 4 + 3 + 2 * 3,
        "b.json[0]": 5 + 3 + 3,
        "b.json[1]": 6 + 3 + 3,
        "c.json": 7 + 8 + 3 + 2 * 3,
        "d.md": 9,
    }
    assert [prompt.message_overhead_tokens for prompt in entry.prompts] == [6, 6, 9, 6, 6, 9, 0]


def test_bodies_that_are_joined_are_one_request(project: Project) -> None:
    project.write(
        {"system.json": json.dumps(chat(tea(10))), "a.json": json.dumps(chat(tea(1), tea(2))), "text.md": tea(4)}
    )
    entry = project.one('parts = ["system.json", "text.md"]\nprompts = ["a.json", "text.md"]')
    assert inputs(entry) == {"a.json": 10 + 4 + 1 + 2 + 3 * 3 + 3, "text.md": 10 + 4 + 4 + 3 + 3}


def test_a_part_of_several_requests_is_refused(project: Project) -> None:
    project.write({"a.json": json.dumps([chat(tea(1)), chat(tea(2))])})
    assert project.refusal('parts = ["a.json"]') == (
        "workload 'w': part 'a.json' holds 2 requests: a part is joined into one; give it under prompts"
    )


def test_what_a_body_holds_besides_text_is_named(project: Project) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    part = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, image]}], "prediction": {"a": 1}}
    project.write({"part.json": json.dumps(part), "a.json": json.dumps(chat(tea(1), model=PRO))})
    entry = project.one('parts = ["part.json"]\nprompts = ["a.json"]')
    assert entry.prompts[0].uncounted == ["1 image", "the key prediction"]
    assert entry.prompts[0].warnings == [
        f"its body names model {PRO!r}: priced as {LITE}",
        (
            "not counted, so that the price is at least this: 1 image and the key prediction; "
            "give image_tokens for images, or name what is sent of a row by --column, or "
            "add their tokens as extra input tokens"
        ),
    ]
    counted = project.one('parts = ["part.json"]\nprompts = ["a.json"]\nimage_tokens = 1_000').prompts[0]
    assert (counted.uncounted, counted.image_tokens) == (["the key prediction"], 1_000)
    assert counted.input_tokens == entry.prompts[0].input_tokens + 1_000


@pytest.mark.parametrize(
    ("files", "config", "words"),
    [
        ({}, 'parts = ["none.md"]', "{folder}/none.md: can't be read: No such file or directory"),
        ({}, 'parts = ["."]', "can't be read: Is a directory"),
        ({"a.md": b"\x89PNG\0"}, 'prompts = ["a.md"]', "{folder}/a.md: is binary"),
        ({"a.md": b"caf\xe9"}, 'prompts = ["a.md"]', "{folder}/a.md: byte 4 is not UTF-8"),
        ({"a.json": "{}"}, 'prompts = ["a.json"]', "{folder}/a.json: isn't a request body"),
        ({"a.json": "[]"}, 'parts = ["a.json"]', "{folder}/a.json: holds no request"),
        ({"a.jsonl": '{"input": "x"}\n{'}, 'prompts = ["a.jsonl"]', "{folder}/a.jsonl:2: "),
        ({"a.md": "x"}, 'prompts = ["a.md"]\ncached_prefix = "none.md"', "{folder}/none.md: can't be read"),
    ],
)
def test_files_that_cannot_be_read_are_named(
    project: Project, files: dict[str, str | bytes], config: str, words: str
) -> None:
    project.write(files)
    said = project.refusal(config)
    assert said.startswith("workload 'w': ")
    assert words.format(folder=project.folder) in said


# --- variables ------------------------------------------------------------------------------------------------------


def test_variables_take_their_places_everywhere(project: Project) -> None:
    project.write(
        {
            "system.md": "{{name}} and{{ name }}",
            "a.md": "{{name}}{{other}}",
            "b.json": json.dumps(chat("{{other}}")),
        }
    )
    text = (
        'parts = ["system.md"]\nprompts = ["a.md", "b.json"]\ncached_prefix = "system.md"\n'
        "variables = { name = '" + tea(5) + "', other = '{{name}}' }"
    )
    entry = project.one(text)
    assert entry.warnings == []
    found = requests_of(read_config(project.folder / "tollbook.toml").workloads[0], project.folder)
    filled = f"{tea(5)} and{tea(5)}"
    # What a variable brings in is not looked through again.
    assert [prompt.text.texts for prompt in found.prompts] == [(filled, tea(5) + "{{name}}"), (filled, "{{name}}")]
    assert found.cached_prefix == filled
    assert [prompt.cached_input_tokens for prompt in entry.prompts] == [5 + 1 + 5] * 2


def test_missing_and_unused_variables_are_named_once(project: Project) -> None:
    project.write({"a.md": "{{b}} {{a}} {{a}} {{known}}", "b.md": "{{a}}", "p.md": "{{c}}"})
    entry = project.one('parts = ["p.md"]\nprompts = ["a.md", "b.md"]\nvariables = { known = "", z = "", y = "" }')
    assert entry.warnings == [
        "no variable is given for {{a}}, {{b}}, {{c}}: counted as written",
        "no file asks for {{y}}, {{z}}: correct the name, or leave the variable out",
    ]
    assert [prompt.warnings for prompt in entry.prompts] == [[], []]


def test_placeholders_are_named_without_any_variables_and_not_by_the_hundred(project: Project) -> None:
    project.write({"a.md": "".join(f"{{{{v{number:02}}}}}" for number in range(12))})
    [said] = project.one('prompts = ["a.md"]').warnings
    names = ", ".join(f"{{{{v{number:02}}}}}" for number in range(10))
    assert said == f"no variable is given for {names} and 2 more: counted as written"
