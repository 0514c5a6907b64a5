"""`tollbook budget notify`: each crossing once, whatever fails, and nobody sees an address."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger.web import PatientRetry
from tests.conftest import Cli, Outcome
from tests.helpers.budgets import FROM, refusal, use
from tests.helpers.ledgers import PRO, database_files, execute, rows, tamper, value
from tests.helpers.receiver import Answer, Receiver
from tests.helpers.sources import lines, record

SECRET = "Tr0ub4dor"
CHANNELS = """
[[source]]
name = "evolink"
expect_every = "90d"

[[channel]]
name = "ops"
kind = "webhook"
url_env = "OPS_URL"
secret_env = "OPS_SECRET"
timeout = 1

[[channel]]
name = "chat"
kind = "slack"
url_env = "CHAT_URL"
"""
AT = ("--at", "2026-03-20")


@pytest.fixture
def tolled(db_cli: Cli, receiver: Receiver) -> Cli:
    """9 credits of search in March, a budget of 10 that notifies ops; variables that hold the receiver's address."""
    Path("tollbook.toml").write_text(CHANNELS, encoding="utf-8")
    use(db_cli, ("2026-03-02", "search", PRO, 4), ("2026-03-05", "search", PRO, 5))
    budget(db_cli, 10)
    variables = {
        "OPS_URL": f"{receiver.url}/ops/{SECRET}", "CHAT_URL": f"{receiver.url}/chat/{SECRET}", "OPS_SECRET": SECRET,
    }  # fmt: skip

    def run(*args: object, env: dict[str, str] | None = None, **options: Any) -> Outcome:
        return db_cli(*args, env=variables if env is None else env, **options)

    return run


def budget(cli: Cli, credits: float, *options: str, name: str = "search", notify: Sequence[str] = ("ops",)) -> None:
    """States a budget of search, whose forecast tells nothing unless the options want it."""
    named = [part for channel in notify for part in ("--notify", channel)]
    rule = ("--amount", f"{credits}credits", "--project", "search", "--alert-forecast", "1000", *FROM)
    cli("budget", "set", name, *rule, *named, *options).ok()


def notify(cli: Cli, *options: str, code: int = 0) -> list[tuple[str, str, int | None, str, str]]:
    """Runs notify; returns kind, name, percent, channel and state of each alert."""
    outcome = cli("budget", "notify", "--json", *(options or AT))
    assert outcome.exit_code == code, outcome.stderr
    return [tuple(row[key] for key in ("kind", "name", "percent", "channel", "state")) for row in outcome.json["rows"]]


def undelivered(cli: Cli) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("budget", "status", *AT, "--json").ok().json["undelivered"]
    return found


# --- once -----------------------------------------------------------------------------------------------------------


def test_a_crossing_is_sent_once(tolled: Cli, receiver: Receiver) -> None:
    assert notify(tolled) == [("actual", "search", 80, "ops", "delivered")]
    assert notify(tolled) == []
    [post] = receiver.posts
    assert post.path == f"/ops/{SECRET}"
    assert post.is_signed_by(SECRET.encode())
    assert post.json["text"].startswith("9.00 of 10.00 CRD spent (90 %)\n")
    assert (post.json["budget"], post.json["percent"], post.json["actual"]) == ("search", 80, "9")
    use(tolled, ("2026-03-06", "search", PRO, 1))
    assert notify(tolled) == [("actual", "search", 100, "ops", "delivered")]
    assert len({post.json["event_id"] for post in receiver.posts}) == 2
    assert "nothing is news" in tolled("budget", "notify", *AT).ok().stderr
    tolled("verify").ok()
    tolled("db", "check").ok()


def test_a_raised_budget_is_told_once_it_is_crossed_anew(tolled: Cli) -> None:
    notify(tolled)
    budget(tolled, 11)  # 80 % of it are 8.8, and 9 were told
    assert notify(tolled) == []
    budget(tolled, 20)
    assert notify(tolled) == []
    use(tolled, ("2026-03-06", "search", PRO, 7))
    assert notify(tolled) == [("actual", "search", 80, "ops", "delivered")]


def test_a_period_that_ended_between_two_runs_is_told(tolled: Cli, db_url: str) -> None:
    budget(tolled, 1, "--period", "day", name="daily")
    # Of periods that were over before there was a budget nothing is told.
    assert notify(tolled, "--at", "2026-04-03", "--dry-run") == []
    tamper(db_url, "UPDATE budgets SET recorded_at = 1772300000000000")  # 28 February
    found = notify(tolled, "--at", "2026-04-03")
    assert found.count(("actual", "search", 80, "ops", "delivered")) == 1
    # The 2nd of March is too long ago, the 5th is a month ago.
    assert [each for each in found if each[1] == "daily"] == [
        ("actual", "daily", percent, "ops", "delivered") for percent in (80, 100)
    ]
    assert notify(tolled, "--at", "2026-04-03") == []
    assert notify(tolled, "--at", "2026-05-20") == []


def test_a_forecast_is_told_after_two_days_over(tolled: Cli) -> None:
    days = [f"2026-03-{day:02}" for day in range(6, 11)]
    use(tolled, *((day, "search", PRO, 1) for day in days))
    budget(tolled, 100, "--alert-forecast", "50")
    use(tolled, *((f"2026-03-{day}", "search", PRO, 6) for day in range(11, 15)))
    told = [notify(tolled, "--at", f"2026-03-{day}") for day in (10, 11, 12, 13, 14)]
    assert [len(each) for each in told].count(1) == 1
    [first] = [place for place, each in enumerate(told) if each]
    assert told[first] == [("forecast", "search", 50, "ops", "delivered")]
    over = [
        tolled("budget", "status", "--at", f"2026-03-{day}", "--json").ok().json["rows"][0]["crossed_by_forecast"]
        for day in (10, 11, 12, 13, 14)
    ]
    assert over[: first + 1] == [[]] * (first - 2) + [[50]] * 3


def test_a_silent_source_is_told_once_and_so_is_its_return(tolled: Cli, receiver: Receiver) -> None:
    Path("tollbook.toml").write_text(CHANNELS.replace("90d", "3d"), encoding="utf-8")
    assert {each[0] for each in notify(tolled, "--at", "2026-03-08T09:00:00Z")} == {"actual"}
    asked = ("--at", "2026-03-08T11:00:00Z")  # the last usage is of the 5th, at 10:00
    assert notify(tolled, *asked, "--channel", "chat") == [("silent", "evolink", None, "chat", "delivered")]
    assert notify(tolled, "--at", "2026-03-09", "--channel", "chat") == []
    assert "source evolink is silent\nsilent: evolink since 2026-03-05T10:00:00Z" in receiver.posts[-1].json["text"]
    use(tolled, ("2026-03-09", "ide", PRO, 1))
    assert notify(tolled, "--at", "2026-03-09") == [("back", "evolink", None, "standard output", "shown")]
    assert notify(tolled, "--at", "2026-03-10") == []
    # Another silence is another event.
    assert notify(tolled, "--at", "2026-03-12T11:00:00Z") == [("silent", "evolink", None, "standard output", "shown")]


def test_what_waits_in_quarantine_makes_an_amount_the_least(tolled: Cli, receiver: Receiver) -> None:
    unpriced = record("x", occurred_at="2026-03-07T10:00:00Z", project="search", requested_model="unheard-of")
    assert tolled("ingest", "-", stdin=lines([unpriced])).exit_code == 3
    notify(tolled)
    [post] = receiver.posts
    assert (post.json["not_booked_lines"], post.json["text"].split(" CRD")[0]) == (1, "at least 9.00 of 10.00")


def test_a_dry_run_claims_and_sends_nothing(tolled: Cli, receiver: Receiver) -> None:
    assert notify(tolled, *AT, "--dry-run") == [("actual", "search", 80, "ops", "new")]
    assert (receiver.posts, undelivered(tolled)) == ([], [])
    assert notify(tolled) == [("actual", "search", 80, "ops", "delivered")]


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(404), "not delivered to ops: the channel's host answered 404; the next run sends it again"),
        (Answer(seconds=2), "not delivered to ops: the channel's host doesn't answer in time"),
    ],
    ids=["refused", "slow"],
)
def test_a_failed_delivery_is_shown_and_sent_again_by_the_next_run(
    tolled: Cli, receiver: Receiver, answer: Answer, words: str
) -> None:
    receiver.otherwise = answer
    outcome = tolled("budget", "notify", *AT)
    assert (outcome.exit_code, outcome.stderr.count("Note: not delivered")) == (1, 1)
    assert words in outcome.stderr
    [waiting] = undelivered(tolled)
    assert (waiting["name"], waiting["percent"], waiting["attempts"]) == ("search", 80, 1)
    assert waiting["error"] in words
    assert "1 alert not delivered yet" in tolled("budget", "status", *AT).ok().stdout
    assert notify(tolled, code=1) == [("actual", "search", 80, "ops", "failed")]
    receiver.otherwise = Answer()
    assert notify(tolled) == [("actual", "search", 80, "ops", "delivered")]
    assert len({post.headers["webhook-id"] for post in receiver.posts}) == 1
    assert {post.headers["webhook-id"] for post in receiver.posts} == {waiting["event_id"]}
    assert len({post.body for post in receiver.posts}) == 1
    assert undelivered(tolled) == []
    assert notify(tolled) == []


@pytest.mark.parametrize(
    ("start", "channel"),
    [("2026-03-01", "ops"), ("2026-01-01", "chat")],
    ids=["ended", "as if it had never been"],
)
def test_what_was_left_of_a_removed_budget_is_sent(tolled: Cli, receiver: Receiver, start: str, channel: str) -> None:
    receiver.otherwise = Answer(404)
    assert notify(tolled, code=1) == [("actual", "search", 80, "ops", "failed")]
    tolled("budget", "remove", "search", "--from", start).ok()
    receiver.otherwise = Answer()
    assert notify(tolled, *AT, "--channel", "chat") == [("actual", "search", 80, channel, "delivered")]
    assert undelivered(tolled) == []


def test_a_removed_budget_whose_channel_is_gone_holds_nobody_up(tolled: Cli, receiver: Receiver) -> None:
    budget(tolled, 10, name="other", notify=["chat"])
    receiver.otherwise = Answer(404)
    notify(tolled, code=1)
    receiver.otherwise = Answer()
    Path("tollbook.toml").write_text(CHANNELS.replace('"ops"', '"crew"'), encoding="utf-8")
    assert "budget 'search': no channel 'ops' in tollbook.toml" in tolled("budget", "notify", *AT).stderr
    tolled("budget", "remove", "search", "--from", "2026-03-01").ok()
    outcome = tolled("budget", "notify", *AT, "--json").ok()
    told = [(row["name"], row["channel"], row["state"]) for row in outcome.json["rows"]]
    assert sorted(told) == [("other", "chat", "delivered"), ("search", "standard output", "shown")]
    words = "Note: budget 'search' has ended and tollbook.toml has no channel 'ops': told over standard output"
    assert outcome.stderr.splitlines() == [words]
    assert notify(tolled) == []


def test_what_fails_on_one_channel_holds_up_no_other(tolled: Cli, receiver: Receiver) -> None:
    budget(tolled, 5, name="chatty", notify=["chat"])
    receiver.answers = [Answer(404), Answer(404)]
    found = notify(tolled, code=1)
    assert sorted(each[-1] for each in found) == ["delivered", "failed", "failed"]


def test_a_claim_of_a_killed_run_is_taken_up_once_it_has_expired(tolled: Cli, db_url: str, receiver: Receiver) -> None:
    receiver.otherwise = Answer(404)
    notify(tolled, code=1)
    receiver.otherwise = Answer()
    execute(db_url, "UPDATE budget_deliveries SET state = 'claimed'")
    outcome = tolled("budget", "notify", *AT).ok()
    assert "1 alert left to another run" in outcome.stderr
    assert len(receiver.posts) == 1
    execute(db_url, "UPDATE budget_deliveries SET changed_at = changed_at - 900000000")  # 15 minutes
    assert notify(tolled) == [("actual", "search", 80, "ops", "delivered")]
    first, second = receiver.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_nobody_waits_for_a_channel_to_write(tolled: Cli, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.channels.send import send

    booked = []

    def meanwhile(*args: Any) -> None:
        use(tolled, ("2026-03-06", "search", PRO, 1))
        booked.append(True)
        send(*args)

    monkeypatch.setattr("ledger.budgets.notify.send", meanwhile)
    assert notify(tolled) == [("actual", "search", 80, "ops", "delivered")]
    assert booked


def test_budgets_and_figures_are_read_at_one_moment(tolled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.budgets.definitions import read_schedules

    def after_a_change(connection: Any) -> Any:
        budget(tolled, 10, "--from", "2026-03-01", notify=["chat"])
        return read_schedules(connection)

    monkeypatch.setattr("ledger.budgets.notify.read_schedules", after_a_change)
    assert notify(tolled) == [("actual", "search", 80, "ops", "delivered")]


def test_standard_output_is_told_what_names_no_channel(tolled: Cli, receiver: Receiver) -> None:
    budget(tolled, 11, notify=[])
    outcome = tolled("budget", "notify", *AT).ok()
    assert "tollbook: budget search has reached 80 % in 2026-03\n9.00 of 11.00 CRD spent (81.8 %)" in outcome.stdout
    assert notify(tolled) == []
    budget(tolled, 9, notify=[])
    assert notify(tolled, *AT, "--channel", "chat") == [("actual", "search", 100, "chat", "delivered")]
    assert [post.path for post in receiver.posts] == [f"/chat/{SECRET}"]
    assert receiver.posts[0].json["text"].startswith("tollbook: budget search has reached 100 % in 2026-03\n")


def test_what_standard_output_could_not_show_is_told_again(
    tolled: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget(tolled, 10, notify=[])

    def broken(*_args: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("ledger.cli.show.output.Output.write", broken)
        assert tolled("budget", "notify", *AT).exit_code == 2
    assert value(db_url, "SELECT state FROM budget_deliveries") == "failed"
    assert notify(tolled) == [("actual", "search", 80, "standard output", "shown")]
    assert value(db_url, "SELECT state FROM budget_deliveries") == "delivered"


# --- wrong use ------------------------------------------------------------------------------------------------------


def test_a_channel_that_is_not_there_is_refused_before_anything_is_recorded(tolled: Cli, db_url: str) -> None:
    budget(tolled, 10, notify=["opss"])
    for options, words in (
        (AT, "budget 'search': no channel 'opss' in tollbook.toml: did you mean 'ops'?"),
        ((*AT, "--channel", "char"), "--channel: no channel 'char' in tollbook.toml: did you mean 'chat'?"),
        ((*AT, "--dry-run"), "no channel 'opss'"),
    ):
        outcome = tolled("budget", "notify", *options)
        assert (outcome.exit_code, outcome.stdout) == (2, "")
        assert words in outcome.stderr
    budget(tolled, 10)
    outcome = tolled("budget", "notify", *AT, env={"OPS_URL": "https://h.invalid/x"})
    assert outcome.exit_code == 2
    assert "channel 'ops': OPS_SECRET isn't set in the environment" in outcome.stderr
    assert rows(db_url, "SELECT * FROM budget_events") == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (f'kind = "slack"\nurl = "https://{SECRET}/"', "channel[0].url: secrets don't belong in this file"),
        (f'kind = "webhook"\nsecret = "{SECRET}"', "channel[0].secret: secrets don't belong in this file"),
        (f'kind = "slack"\nurl_env = "https://{SECRET}/"', "channel[0].url_env: isn't the name of an environment"),
        (f'kind = "feishu"\nurl_env = "U"\nsecret_env = "{SECRET} "', "channel[0].secret_env: isn't the name"),
        (f'kind = "slack"\nurl_env = ["{SECRET}"]', "channel[0].url_env: isn't the name"),
        (f'kind = "slack"\nwebhook_url = "{SECRET}"', "channel[0].webhook_url: isn't a key of this file"),
        ('kind = "slack"', "channel[0].url_env: is missing"),
        ('kind = "slack"\nurl_env = "U"\nsecret_env = "S"', "a channel of kind slack has none"),
        ('kind = "stdout"\nurl_env = "U"', "a channel of kind stdout has none"),
        ('kind = "slak"\nurl_env = "U"', "did you mean 'slack'?"),
        ('kind = "slack"\nurl_env = "U"\ntimeout = 0', "channel[0].timeout: give whole seconds from 1 to 60"),
        ('kind = "slack"\nurl_env = "U"\ntimeout = true', "channel[0].timeout: give whole seconds from 1 to 60"),
    ],
)
def test_a_channel_that_is_wrong_is_refused_without_showing_a_secret(cli: Cli, entry: str, words: str) -> None:
    Path("tollbook.toml").write_text(f'[[channel]]\nname = "ops"\n{entry}\n', encoding="utf-8")
    told = refusal(cli)
    assert words in told
    assert SECRET not in told


def test_two_channels_of_one_name_are_refused(cli: Cli) -> None:
    Path("tollbook.toml").write_text('[[channel]]\nname = "a"\nkind = "stdout"\n' * 2, encoding="utf-8")
    assert "'a' is the name of channel[0] too" in cli("budget", "notify").stderr


# --- secrets and guards ---------------------------------------------------------------------------------------------


def test_no_output_and_no_table_holds_an_address_or_a_secret(
    tolled: Cli, db_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def run(*args: str, code: int, **options: Any) -> None:
        outcome = tolled(*args, **options)
        assert outcome.exit_code == code
        said.append(outcome.stdout + outcome.stderr)

    budget(tolled, 9, name="other", notify=[])
    asked = ("budget", "notify", *AT, "--channel", "chat")
    monkeypatch.setattr(PatientRetry, "get_backoff_time", lambda _retry: 0.0)
    unreachable = dict.fromkeys(("OPS_URL", "CHAT_URL"), f"http://{SECRET}.invalid:1/{SECRET}")
    run(*asked, code=1, env={**unreachable, "OPS_SECRET": SECRET})
    for answer, options in (
        (Answer(None), ("--json",)),
        (Answer(500, SECRET.encode()), ("--format", "csv")),
        (Answer(302, headers={"Location": f"/{SECRET}"}), ()),
    ):
        receiver.otherwise = answer
        run(*asked, *options, code=1)
    # The third is for ops, which doesn't wait so long.
    receiver.answers, receiver.otherwise = [Answer(404), Answer(404), Answer(seconds=1.2)], Answer()
    run(*asked, code=1)
    assert "doesn't answer in time" in said[-1]
    run("budget", "status", *AT, "--json", code=0)
    run(*asked, "--dry-run", code=0)
    run(*asked, code=0)
    run("verify", code=0)
    assert SECRET not in "".join(said)
    assert receiver.url not in "".join(said)
    assert {post.path for post in receiver.posts} == {f"/ops/{SECRET}", f"/chat/{SECRET}"}
    kept = database_files(db_url)
    assert b"search" in kept
    assert SECRET.encode() not in kept
    assert receiver.url.encode() not in kept


def test_verify_finds_an_event_that_was_changed_or_has_no_delivery(tolled: Cli, db_url: str) -> None:
    notify(tolled)
    execute(db_url, "DELETE FROM budget_deliveries")
    assert "budget_events 1 (search): its delivery is missing" in tolled("verify").stderr
    tamper(db_url, "UPDATE budget_events SET percent = 90")
    assert "budget_events 1 (search): it is no longer as it was recorded" in tolled("verify").stderr
