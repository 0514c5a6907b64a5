"""Project, tags, provider and source of a record: which of options, payloads, rules and defaults holds."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.book.rows import Facts
from ledger.config import Config, LedgerSection, load_config
from ledger.errors import LedgerError
from ledger.intake.fields.record import UsageRecord
from ledger.intake.labels import Resolver, RunOptions
from ledger.values.project_rule import ProjectRule
from pricing.errors import RecordError
from pricing.record_fields import MAX_OCCURRED_US
from tests.conftest import Cli
from tests.helpers.ledgers import charges, counts
from tests.helpers.sources import AT, lines, record, response

KEEP = Config(LedgerSection(keep_tags=("team", "env")))


def resolved(options: RunOptions | None = None, config: Config = KEEP, **facts: Any) -> Facts:
    return Resolver(options or RunOptions(), config).resolve(UsageRecord("r1", AT * 10**6, **facts))


def tags(facts: Facts) -> dict[str, str]:
    found: dict[str, str] = json.loads(facts.tags)
    return found


# --- precedence -----------------------------------------------------------------------------------------------------

RULE = Config(KEEP.ledger, (ProjectRule("ruled", {"source": "*"}),))
# In the order of precedence: what each place says, and how it says so.
PROJECTS: list[tuple[str, dict[str, Any]]] = [
    ("option", {"options": RunOptions(project="option")}),
    ("record", {"project": "record"}),
    ("response", {"response_metadata": {"project": "response"}}),
    ("request", {"request_metadata": {"project": "request"}}),
    ("ruled", {"config": RULE}),
    ("unassigned", {}),
]


@pytest.mark.parametrize("count", range(1, len(PROJECTS) + 1))
def test_the_first_place_that_names_a_project_decides(count: int) -> None:
    for places in itertools.combinations(PROJECTS, count):
        arguments = {key: value for _name, says in places for key, value in says.items()}
        assert resolved(**arguments).project == places[0][0]


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_project_names_none(blank: str) -> None:
    facts = resolved(project=blank, response_metadata={"project": blank}, request_metadata={"project": "request"})
    assert facts.project == "request"


def test_tags_hold_key_by_key() -> None:
    facts = resolved(
        RunOptions(tags={"a": "option"}),
        config=Config(LedgerSection(keep_tags=("a", "b", "c", "d"))),
        tags={"a": "record", "b": "record"},
        response_metadata={"a": "response", "b": "response", "c": "response"},
        request_metadata={"a": "request", "b": "request", "c": "request", "d": "request"},
    )
    assert tags(facts) == {"a": "option", "b": "record", "c": "response", "d": "request"}
    assert facts.tags == '{"a":"option","b":"record","c":"response","d":"request"}'


def test_metadata_is_kept_by_keep_tags_and_other_tags_always() -> None:
    metadata = {"team": "t", "secret": "s", "project": "p"}
    both: Any = {"response_metadata": metadata, "request_metadata": metadata}
    facts = resolved(RunOptions(tags={"option": "o"}), tags={"own": "1"}, **both)
    assert tags(facts) == {"team": "t", "own": "1", "option": "o"}
    assert tags(resolved(config=Config(LedgerSection(keep_tags=())), response_metadata=metadata)) == {}
    assert Config().ledger.keep_tags == ("team", "env", "feature", "user")


def test_provider_and_source_default_from_option_to_configuration() -> None:
    toml = Config(LedgerSection(provider="configured"))
    assert resolved().provider == "evolink"
    assert (resolved(config=toml).provider, resolved(config=toml).source) == ("configured", "configured")
    assert resolved(config=toml, provider="record").provider == "record"
    assert resolved(config=toml, provider="record").source == "record"
    assert resolved(RunOptions(provider="option"), toml, provider="record").provider == "option"
    assert resolved(RunOptions(provider="option"), toml, source="record").source == "record"
    assert resolved(RunOptions(source="option"), toml, source="record").source == "option"


def test_the_option_gives_a_service_tier_to_requests_that_state_none() -> None:
    batch = RunOptions(service_tier="batch")
    assert resolved(batch).service_tier == "batch"
    assert resolved(batch, service_tier="flex").service_tier == "flex"
    assert resolved(batch, kind="cache_storage").service_tier is None


# --- rules ----------------------------------------------------------------------------------------------------------


def ruled(pattern: dict[str, str], **facts: Any) -> bool:
    config = Config(KEEP.ledger, (ProjectRule("ruled", pattern),))
    options = RunOptions(tags=facts.pop("option_tags", {}))
    return resolved(options, config, **facts).project == "ruled"


@pytest.mark.parametrize(
    ("pattern", "facts", "matches"),
    [
        ({"source": "gate*"}, {"source": "gateway"}, True),
        ({"source": "gate*"}, {"source": "Gateway"}, False),
        ({"source": "evolink"}, {}, True),
        ({"model": "doubao-*"}, {"requested_model": "doubao-x", "reported_model": "gpt"}, True),
        ({"model": "doubao-*"}, {"requested_model": "gpt", "reported_model": "doubao-x"}, False),
        ({"model": "doubao-*"}, {"reported_model": "doubao-x"}, True),
        ({"model": "*"}, {}, False),
        ({"tag.team": "care"}, {"response_metadata": {"team": "care"}}, True),
        ({"tag.team": "care"}, {"request_metadata": {"team": "care"}, "response_metadata": {"team": "x"}}, False),
        ({"tag.team": "care"}, {"option_tags": {"team": "care"}}, True),
        ({"tag.secret": "s"}, {"response_metadata": {"secret": "s"}}, False),
        ({"tag.team": "c[ab]re"}, {"tags": {"team": "care"}}, True),
        ({"service.name": "api-?"}, {"service_name": "api-1"}, True),
        ({"service.name": "api-?"}, {}, False),
        ({"source": "evolink", "tag.team": "care"}, {"tags": {"team": "care"}}, True),
        ({"source": "evolink", "tag.team": "care"}, {"tags": {"team": "other"}}, False),
    ],
)
def test_a_rule_holds_where_every_pattern_does(pattern: dict[str, str], facts: dict[str, Any], matches: bool) -> None:
    assert ruled(pattern, **facts) is matches


def test_the_first_rule_that_holds_decides() -> None:
    rules = tuple(ProjectRule(f"p{n}", {"source": source}) for n, source in enumerate(("x", "evo*", "*")))
    assert resolved(config=Config(KEEP.ledger, rules)).project == "p1"


@pytest.mark.parametrize(
    "rule",
    [
        '"tag.team" = "care"\n"service.name" = "api"\n',
        'tag.team = "care"\nservice.name = "api"\n',
        '[project_rule.tag]\nteam = "care"\n[project_rule.service]\nname = "api"\n',
    ],
    ids=["quoted", "dotted", "tables"],
)
def test_a_rule_may_be_spelled_as_toml_allows(tmp_path: Path, rule: str) -> None:
    (tmp_path / "tollbook.toml").write_text(f'[[project_rule]]\nproject = "care"\nsource = "*"\nmodel = "*"\n{rule}')
    config = load_config(tmp_path)
    [found] = config.project_rules
    assert found.patterns == {"tag.team": "care", "service.name": "api", "source": "*", "model": "*"}
    assert resolved(config=config, tags={"team": "care"}, requested_model="m", service_name="api").project == "care"
    assert resolved(config=config, tags={"team": "care"}, requested_model="m").project == "unassigned"


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"project": "p" * 201}, "too_long"),
        ({"response_metadata": {"project": "p" * 201}}, "too_long"),
        ({"response_metadata": {"project": "a\0b"}}, "nul_byte"),
        ({"response_metadata": {"project": "a\ud800b"}}, "lone_surrogate"),
        ({"response_metadata": {"team": "t" * 513}}, "too_long"),
        ({"request_metadata": {"team": "a\0b"}}, "nul_byte"),
        ({"request_metadata": {"team": "a\ud800"}}, "lone_surrogate"),
        ({"tags": {f"k{n}": "v" for n in range(65)}}, "invalid_tags"),
        ({"provider": "p" * 65}, "too_long"),
    ],
)  # fmt: skip
def test_what_can_not_be_kept_is_refused_by_name(facts: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        resolved(**facts)
    assert caught.value.reason == reason


def test_the_limits_themselves_are_kept() -> None:
    tags_64 = {f"k{n}": "v" * 512 for n in range(64)}
    facts = resolved(project="p" * 200, provider="p" * 64, tags=tags_64, provider_amount_nano=2**63 - 1)
    assert (len(facts.project), len(facts.source), len(tags(facts))) == (200, 64, 64)
    assert facts.provider_amount_nano == 2**63 - 1
    # A key that isn't kept has no limits.
    assert resolved(response_metadata={"secret": "s" * 10_000}).tags == "{}"


def test_the_last_moment_is_one_that_every_zone_can_name() -> None:
    Resolver(RunOptions(), KEEP).resolve(UsageRecord("r1", MAX_OCCURRED_US))
    with pytest.raises(RecordError, match="after 9999-12-31T00:00:00Z"):
        Resolver(RunOptions(), KEEP).resolve(UsageRecord("r1", MAX_OCCURRED_US + 1))


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(project="p" * 201),
        RunOptions(project=" "),
        RunOptions(source="s" * 65),
        RunOptions(source=""),
        RunOptions(provider="a\0b"),
        RunOptions(project="\udcff"),
        RunOptions(tags={"": "v"}),
        RunOptions(tags={"k" * 65: "v"}),
        RunOptions(tags={"k": "v" * 513}),
        RunOptions(tags={"k": "\udcff"}),
    ],
)
def test_options_that_no_record_could_be_kept_with_are_wrong_use(options: RunOptions) -> None:
    with pytest.raises(LedgerError):
        Resolver(options, KEEP)


def test_options_travel_with_quarantined_lines() -> None:
    options = RunOptions("evolink", "gateway", "search", {"b": "2", "a": "ü"}, assume_cache_storage=True)
    assert msgspec.json.decode(msgspec.json.encode(options, order="sorted"), type=RunOptions) == options


# --- configuration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[ledger", "can't be read"),
        ("[ledger]\nunknown = 1\n", "unknown"),
        ("[unknown]\n", "unknown"),
        ("[ledger]\ndb = 1\n", "ledger.db: 1 isn't text"),
        ('[ledger]\nkeep_tags = "team"\n', "ledger.keep_tags: 'team' isn't a list"),
        ("[ledger]\nrollup_tags = [1]\n", "ledger.rollup_tags[0]: 1 isn't text"),
        ('[[project_rule]]\nsource = "x"\n', "project_rule[0].project"),
        ('[[project_rule]]\nproject = "p"\n', "project_rule[0]: needs at least one of"),
        ('[[project_rule]]\nproject = "p"\ncolour = "x"\n', "project_rule[0].colour"),
        ('[[project_rule]]\nproject = "p"\nsource = 1\n', "project_rule[0].source"),
        ('[[project_rule]]\nproject = "p"\nsource = "x"\n[[project_rule]]\nproject = ""\n', "project_rule[1].project"),
        ('[project_rule]\nproject = "p"\n', "project_rule: a table isn't a list"),
        ("\xff", "can't be read"),
    ],
)
def test_a_wrong_configuration_names_file_and_key(cli: Cli, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "tollbook.toml").write_bytes(text.encode("latin-1"))
    for command in (["ingest", "-"], ["report"], ["status"]):
        outcome = cli(*command, stdin="")
        assert outcome.exit_code == 2
        assert f"{tmp_path / 'tollbook.toml'}" in outcome.stderr
        assert words in outcome.stderr
        assert outcome.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tollbook.toml"]


# --- through the command line ---------------------------------------------------------------------------------------


def test_every_place_reaches_the_charges(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text(
        '[ledger]\nkeep_tags = ["team"]\n[[project_rule]]\nproject = "by-rule"\nsource = "mirror"\n'
    )
    asked = {"model": "doubao-seed-2.0-pro", "metadata": {"project": "request", "team": "request"}}
    made: list[object] = [
        {"request": asked, "response": response("a", metadata={"project": "response"}), "project": "envelope"},
        {"request": asked, "response": response("b", metadata={"project": "response", "other": "x"})},
        {"request": asked, "response": response("c", metadata={"team": "response"}), "tags": {"own": "1"}},
        record("d", requested_model="doubao-seed-2.0-pro", project="record", tags={"own": "2"}),
        response("e", metadata=None),
    ]
    assert counts(db_cli("ingest", "-", "--json", stdin=lines(made)).ok().json) == {"accepted": 5}
    db_cli("ingest", "-", "--source", "mirror", "--tag", "env=prod", stdin=lines([made[4]])).ok()
    db_cli("ingest", "-", "--source", "all", "--project", "option", "--tag", "own=3", stdin=lines(made)).ok()
    found = {(row["source"], row["request_id"]): (row["project"], row["tags"]) for row in charges(db_cli)}
    assert found == {
        ("evolink", "a"): ("envelope", {"team": "request"}),
        ("evolink", "b"): ("response", {"team": "request"}),
        ("evolink", "c"): ("request", {"team": "response", "own": "1"}),
        ("evolink", "d"): ("record", {"own": "2"}),
        ("evolink", "e"): ("unassigned", {}),
        ("mirror", "e"): ("by-rule", {"env": "prod"}),
        ("all", "a"): ("option", {"team": "request", "own": "3"}),
        ("all", "b"): ("option", {"team": "request", "own": "3"}),
        ("all", "c"): ("option", {"team": "response", "own": "3"}),
        ("all", "d"): ("option", {"own": "3"}),
        ("all", "e"): ("option", {"own": "3"}),
    }


def test_rolled_up_tags_are_reported_from_roll_ups_and_others_from_rows(db_cli: Cli) -> None:
    db_cli("db", "rollups", "--tag", "team").ok()
    made = [response(f"r{n}", metadata={"team": f"t{n % 2}", "env": f"e{n % 3}"}) for n in range(6)]
    db_cli("ingest", "-", stdin=lines(made)).ok()
    for key, each in (("team", 3), ("env", 2)):
        rows = db_cli("report", "--by", f"tag:{key}", "--json").ok().json["rows"]
        assert {row["requests"] for row in rows} == {each}
    outcome = db_cli("db", "rollups", *itertools.chain.from_iterable(("--tag", name) for name in "abcde"))
    assert (outcome.exit_code, "at most 4" in outcome.stderr) == (2, True)
    assert db_cli("db", "rollups").exit_code == 2
    assert db_cli("db", "rollups", "--tag", "a,b").exit_code == 2
