"""`tollbook budget notify --digest`: each month and week once over each channel, whatever fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_budget_notify import CHANNELS
from tests.conftest import Cli, Outcome
from tests.helpers.budgets import FROM, refusal, use
from tests.helpers.ledgers import PRO, database_files, execute, finish, rows, start, tamper
from tests.helpers.receiver import Answer, Receiver
from tests.helpers.sources import lines, record
from tests.helpers.wallets import close

PAGE = '[page]\nurl = "https://pages.example/spend/{month}.html?a=1&b=2"\n'
MORE = """
[[channel]]
name = "lark"
kind = "feishu"
url_env = "CHAT_URL"

[[channel]]
name = "mail"
kind = "apprise"
url_env = "MAIL_URL"
"""
EVIL = "<!here> *x* @all <a href='http://b'>&"
Digest = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def tolled(db_cli: Cli, receiver: Receiver) -> Cli:
    """72 and 144 credits, 1 and 2 USD, of February and March; budgets that are over, at risk and fine in March."""
    Path("tollbook.toml").write_text(PAGE + CHANNELS + MORE, encoding="utf-8")
    use(db_cli, *((f"2026-02-0{day}", "search", PRO, 14) for day in range(2, 6)), ("2026-02-06", "ide", PRO, 16))
    use(db_cli, *((f"2026-03-0{day}", "search", PRO, 20) for day in range(2, 8)))
    use(db_cli, *((f"2026-03-0{day}", EVIL, PRO, 12) for day in (2, 3)))
    for name, amount in (("fine", "1000credits"), ("over", "100credits"), (EVIL, "150credits")):
        db_cli("budget", "set", name, "--amount", amount, *FROM).ok()
    variables = {
        "OPS_URL": f"{receiver.url}/ops", "CHAT_URL": f"{receiver.url}/chat", "OPS_SECRET": "s",
        "MAIL_URL": f"{receiver.url.replace('http', 'json')}/mail",
    }  # fmt: skip

    def run(*args: object, env: dict[str, str] | None = None, **options: Any) -> Outcome:
        return db_cli(*args, env=variables if env is None else env, **options)

    return run


@pytest.fixture
def digest(tolled: Cli, monkeypatch: pytest.MonkeyPatch) -> Digest:
    """Runs with a digest on a day, and returns the period and state of each that it told."""

    def run(
        day: str, kind: str = "monthly", *options: str, channel: str = "ops", code: int = 0
    ) -> list[tuple[str, str]]:
        at_noon(monkeypatch, day)
        outcome = tolled("budget", "notify", "--digest", kind, "--channel", channel, "--json", *options)
        assert outcome.exit_code == code, outcome.stderr
        found = outcome.json["rows"]
        assert {(row["kind"], row["name"]) for row in found} <= {(kind, channel)}
        return [(row["period"], row["state"]) for row in found]

    return run


def at_noon(monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    """Makes it noon of a day for the command, or the time that is given."""
    moment = datetime.fromisoformat(day if "T" in day else f"{day}T12:00").replace(tzinfo=UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return moment.astimezone(tz)

    monkeypatch.setattr("ledger.cli.commands.budget_notify.datetime", Clock)


# --- when -----------------------------------------------------------------------------------------------------------


def test_a_month_is_told_as_open_on_day_three_and_as_final_once_it_is_closed(
    tolled: Cli, digest: Digest, receiver: Receiver
) -> None:
    assert digest("2026-04-02") == []
    assert digest("2026-04-03") == [("2026-03 open", "delivered")]
    assert digest("2026-04-04") == []
    close(tolled, "2026-03")
    assert digest("2026-04-05") == [("2026-03 final", "delivered")]
    assert digest("2026-04-06") == []
    opened, final = (post.json for post in receiver.posts)
    assert (opened["closed"], final["closed"], final["close_number"]) == (False, True, 1)
    assert opened["event_id"] != final["event_id"]
    assert "open, as of 3 April" in opened["text"].split("\n")[0]
    assert "final, closed" in final["text"].split("\n")[0]
    tolled("verify").ok()
    tolled("db", "check").ok()


def test_a_month_closed_before_day_three_is_told_as_final_alone(tolled: Cli, digest: Digest) -> None:
    close(tolled, "2026-03")
    assert digest("2026-04-01") == [("2026-03 final", "delivered")]
    assert digest("2026-04-03", "monthly", "--dry-run") == []


def test_months_closed_at_once_are_told_where_they_were_told_as_open_and_else_the_last(
    tolled: Cli, digest: Digest
) -> None:
    assert digest("2026-03-03") == [("2026-02 open", "delivered")]
    assert digest("2026-04-03") == [("2026-03 open", "delivered")]
    close(tolled, "2026-03")
    assert digest("2026-04-04") == [("2026-02 final", "delivered"), ("2026-03 final", "delivered")]
    assert digest("2026-04-04", channel="chat") == [("2026-03 final", "delivered")]


def test_a_month_that_was_reopened_is_told_again_with_its_next_close(tolled: Cli, digest: Digest) -> None:
    close(tolled, "2026-03")
    assert digest("2026-04-01") == [("2026-03 final", "delivered")]
    tolled("reopen", "2026-03", "--reason", "late").ok()
    # What is final no more is said to be.
    assert digest("2026-04-03") == [("2026-03 open", "delivered")]
    close(tolled, "2026-03")
    assert digest("2026-04-04") == [("2026-03 final, close 2", "delivered")]
    assert digest("2026-04-05") == []


def test_a_week_is_told_once_from_its_monday_on_by_the_month_it_mostly_lies_in(
    digest: Digest, receiver: Receiver
) -> None:
    assert digest("2026-03-01T23:59", "weekly") == [("2026-W08", "delivered")]
    assert digest("2026-03-02T00:00", "weekly") == [("2026-W09", "delivered")]
    assert digest("2026-03-08T23:59", "weekly") == []
    assert digest("2026-03-11", "weekly") == [("2026-W10", "delivered")]
    # Of 23 February to 1 March six days are of February.
    assert [post.json["month"] for post in receiver.posts] == ["2026-02", "2026-02", "2026-03"]
    assert "open, as of 11 March" in receiver.posts[-1].json["verdict"]


def test_weeks_and_months_begin_in_the_zone_of_the_ledger(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tollbook.toml").write_text('[ledger]\ntimezone = "Asia/Shanghai"\n', encoding="utf-8")
    use(cli, ("2026-03-02", "search", PRO, 16))

    def told(moment: str, kind: str) -> list[str]:
        at_noon(monkeypatch, moment)
        found = cli("budget", "notify", "--digest", kind, "--dry-run", "--json").ok().json["rows"]
        return [row["period"] for row in found]

    assert [told(f"2026-03-15T{time}", "weekly") for time in ("15:59", "16:00")] == [["2026-W10"], ["2026-W11"]]
    assert [told(f"2026-04-02T{time}", "monthly") for time in ("15:59", "16:00")] == [[], ["2026-03 open"]]


def test_each_channel_and_kind_is_told(digest: Digest, receiver: Receiver) -> None:
    receiver.otherwise = Answer(body=b'{"code": 0}')
    for channel in ("ops", "chat", "lark"):
        assert digest("2026-04-03", channel=channel) == [("2026-03 open", "delivered")]
    assert digest("2026-04-03", "weekly") == [("2026-W13", "delivered")]
    assert len(receiver.posts) == 4


def test_nothing_due_is_a_note(tolled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    at_noon(monkeypatch, "2026-04-02")
    assert "no monthly digest is due" in tolled("budget", "notify", "--digest", "monthly").ok().stderr


def test_a_digest_run_sends_no_alert_and_an_alert_run_no_digest(
    tolled: Cli, digest: Digest, receiver: Receiver
) -> None:
    receiver.otherwise = Answer(404)
    assert digest("2026-04-03", code=1) == [("2026-03 open", "failed")]
    receiver.otherwise = Answer()
    outcome = tolled("budget", "notify", "--at", "2026-03-20", "--channel", "chat", "--json").ok()
    assert "actual" in {row["kind"] for row in outcome.json["rows"]} <= {"actual", "forecast"}
    assert digest("2026-04-03") == [("2026-03 open", "delivered")]
    assert {post.json["kind"] for post in receiver.posts if post.path == "/ops"} == {"monthly"}


# --- what -----------------------------------------------------------------------------------------------------------


def test_a_webhook_gets_the_figures_of_the_page_and_the_page(tolled: Cli, digest: Digest, receiver: Receiver) -> None:
    close(tolled, "2026-03")
    digest("2026-04-03")
    [post] = receiver.posts
    assert post.is_signed_by(b"s")
    page = tolled("budget", "report", "--month", "2026-03", "--json").ok().json
    found = post.json
    assert found["title"] == "monthly digest, 2026-03 final"
    for key in (
        "verdict", "month", "timezone", "basis", "closed", "closed_at", "close_number", "forced_reason", "as_of",
        "total", "previous", "data_through", "not_booked", "silent", "change",
    ):  # fmt: skip
        assert found[key] == page[key], key
    assert [(each["budget"], each["state"]) for each in found["budgets"]] == [("over", "over"), (EVIL, "risk")]
    assert [each for each in page["budgets"] if each["state"] != "fine"] == found["budgets"]
    # By 64 credits, 24 and 16; of the 72 that are a USD.
    assert found["change_by_project"] == page["change_by_project"][:3]
    assert [(each["project"], each["change_usd"]) for each in found["change_by_project"]] == [
        ("search", "0.888888889"), (EVIL, "0.333333333"), ("ide", "-0.222222222"),
    ]  # fmt: skip
    assert found["page_url"] == "https://pages.example/spend/2026-03.html?a=1&b=2"
    assert found["page_html"] == tolled("budget", "report", "--month", "2026-03").ok().stdout


def test_people_get_verdict_budgets_movements_and_the_address_of_the_page(digest: Digest, receiver: Receiver) -> None:
    digest("2026-04-03")
    told = receiver.posts[0].json["text"].split("\n")
    assert told[1:] == [
        "budget over: 144.00 of 100.00 CRD (144 %), over since 5 March",
        f"budget {EVIL}: 144.00 of 150.00 CRD (96 %), 80 % reached on 6 March",
        "search +0.89: 0.78 → 1.67 USD",
        f"{EVIL} +0.33: 0.00 → 0.33 USD",
        "ide −0.22: 0.22 → 0.00 USD",
        "page: https://pages.example/spend/2026-03.html?a=1&b=2",
        f"event {receiver.posts[0].json['event_id']}",
    ]
    assert told[0].startswith("March 2026: 2.00 USD, 100.0 % more than February")


def test_of_many_budgets_the_first_are_named(tolled: Cli, digest: Digest, receiver: Receiver) -> None:
    for number in range(5):
        tolled("budget", "set", f"over-{number}", "--amount", "10credits", *FROM).ok()
    digest("2026-04-03")
    told = receiver.posts[0].json["text"].split("\n")
    assert [line.split(":")[0] for line in told[1:6]] == [f"budget over-{number}" for number in range(5)]
    assert told[6] == "2 more like these: tollbook budget status --month 2026-03 has them."
    assert len(receiver.posts[0].json["budgets"]) == 7


def test_names_stay_text_in_chats(digest: Digest, receiver: Receiver) -> None:
    receiver.otherwise = Answer(body=b'{"code": 0}')
    digest("2026-04-03", channel="chat")
    digest("2026-04-03", channel="lark")
    slack, feishu = (post.json for post in receiver.posts)
    assert "<" not in slack["text"]
    assert "budget &lt;!here&gt; *x* @all &lt;a href='http://b'&gt;&amp;: 144.00" in slack["text"]
    assert "https://pages.example/spend/2026-03.html?a=1&amp;b=2" in slack["text"]
    assert slack["mrkdwn"] is slack["link_names"] is False
    parts = [part for line in feishu["content"]["post"]["zh_cn"]["content"] for part in line]
    assert {part["tag"] for part in parts} == {"text"}
    assert any(part["text"].startswith(f"budget {EVIL}: 144.00") for part in parts)
    assert "page_html" not in str(slack) + str(feishu)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise imports it where Python still has it
def test_apprise_gets_the_page_as_a_file(tolled: Cli, digest: Digest, receiver: Receiver) -> None:
    import base64

    close(tolled, "2026-03")
    digest("2026-04-03", channel="mail")
    [posted] = (post.json for post in receiver.posts)
    [attached] = posted["attachments"]
    assert (attached["filename"], attached["mimetype"]) == ("2026-03.html", "text/html")
    page = tolled("budget", "report", "--month", "2026-03").ok().stdout
    assert base64.b64decode(attached["base64"]).decode() == page
    assert "@\u200ball" in posted["message"]


def test_what_waits_in_quarantine_is_said(tolled: Cli, digest: Digest, receiver: Receiver) -> None:
    unpriced = record("x", occurred_at="2026-03-07T10:00:00Z", project="search", requested_model="unheard-of")
    assert tolled("ingest", "-", stdin=lines([unpriced])).exit_code == 3
    digest("2026-04-03")
    told = receiver.posts[0].json["text"].split("\n")
    assert told[0].startswith("March 2026: at least 2.00 USD")
    assert told[1].startswith("Not complete: data through 7 March 10:00; not booked: 1 line in quarantine")


def test_a_month_without_anything_amiss_says_so(tolled: Cli, digest: Digest, receiver: Receiver) -> None:
    for name in ("over", EVIL):
        tolled("budget", "set", name, "--amount", "1000credits", *FROM).ok()
    digest("2026-04-03")
    assert receiver.posts[0].json["text"].split("\n")[1] == "no budget is over or at risk"
    digest("2026-03-01", "weekly")
    assert receiver.posts[1].json["text"].split("\n")[0].startswith("February 2026: 1.00 USD")


def test_without_an_address_of_pages_there_is_none(digest: Digest, receiver: Receiver) -> None:
    Path("tollbook.toml").write_text(CHANNELS, encoding="utf-8")
    digest("2026-04-03")
    assert receiver.posts[0].json["page_url"] is None
    assert "page:" not in receiver.posts[0].json["text"]


def test_standard_output_shows_a_digest_and_a_dry_run_any(
    tolled: Cli, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_noon(monkeypatch, "2026-04-03")
    run = ("budget", "notify", "--digest", "monthly")
    for options in ((), ("--channel", "ops")):
        shown = tolled(*run, *options, "--dry-run").ok().stdout
        assert shown.startswith("Digests that would be sent (")
        assert "tollbook: monthly digest, 2026-03 open\nMarch 2026: 2.00 USD" in shown
    assert receiver.posts == []
    assert "tollbook: monthly digest, 2026-03 open\n" in tolled(*run).ok().stdout
    assert "no monthly digest is due" in tolled(*run).ok().stderr


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_digest_that_fails_is_sent_again_as_it_was(
    tolled: Cli, digest: Digest, receiver: Receiver, db_url: str
) -> None:
    receiver.otherwise = Answer(404)
    assert digest("2026-04-03", code=1) == [("2026-03 open", "failed")]
    status = tolled("budget", "status", "--json").ok().json["undelivered"]
    [waiting] = [(each["kind"], each["name"], each["period"], each["attempts"]) for each in status]
    assert waiting == ("monthly", "ops", "2026-03 open", 1)
    assert "1 digest not delivered yet: 'tollbook budget notify --digest'" in tolled("budget", "status").ok().stdout
    receiver.otherwise = Answer()
    use(tolled, ("2026-03-09", "search", PRO, 18))
    assert digest("2026-04-04", "monthly", "--dry-run") == [("2026-03 open", "waiting")]
    assert digest("2026-04-04") == [("2026-03 open", "delivered")]
    first, second = receiver.posts
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == status[0]["event_id"]
    assert tolled("budget", "status", "--json").ok().json["undelivered"] == []
    assert receiver.url.encode() not in database_files(db_url)
    tamper(db_url, "UPDATE budget_events SET content = '{}'")
    assert "budget_events 1 (ops): it is no longer as it was recorded" in tolled("verify").stderr


def test_a_claim_of_a_killed_run_is_taken_up(digest: Digest, receiver: Receiver, db_url: str) -> None:
    receiver.otherwise = Answer(404)
    digest("2026-04-03", code=1)
    receiver.otherwise = Answer()
    execute(db_url, "UPDATE budget_deliveries SET state = 'claimed'")
    assert digest("2026-04-03") == []
    execute(db_url, "UPDATE budget_deliveries SET changed_at = changed_at - 900000000")  # 15 minutes
    assert digest("2026-04-03") == [("2026-03 open", "delivered")]


RUNS = """
import sys
from datetime import UTC, datetime
from ledger.cli import cli
from ledger.cli.commands import budget_notify
class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime(2026, 4, 3, 12, tzinfo=UTC)
budget_notify.datetime = Clock
for _ in range(int(sys.argv[1])):
    try:
        cli.main(["budget", "notify", "--digest", sys.argv[2], "--channel", "ops", "--db", sys.argv[3]])
    except SystemExit as end:
        assert end.code == 0, end.code
"""


def test_runs_at_once_send_each_digest_once(
    tolled: Cli, receiver: Receiver, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(tolled, "2026-02")
    receiver.otherwise = Answer(seconds=0.1)
    monkeypatch.setenv("OPS_URL", receiver.url)
    monkeypatch.setenv("OPS_SECRET", "s")
    processes = [start(RUNS, [2, kind, db_url], Path.cwd()) for kind in ("monthly", "monthly", "weekly")]
    for process in processes:
        exit_code, _out, err = finish(process)
        assert exit_code == 0, err
    told = sorted((post.json["kind"], post.json["period"]) for post in receiver.posts)
    assert told == [("monthly", "2026-02 final"), ("monthly", "2026-03 open"), ("weekly", "2026-W13")]
    assert set(rows(db_url, "SELECT state FROM budget_deliveries")) == {("delivered",)}


# --- wrong use ------------------------------------------------------------------------------------------------------


def test_a_digest_is_of_now(tolled: Cli) -> None:
    outcome = tolled("budget", "notify", "--digest", "monthly", "--at", "2026-04-03")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "--digest tells of now: leave out --at" in outcome.stderr


def test_a_channel_without_its_address_is_refused_before_anything_is_recorded(
    tolled: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_noon(monkeypatch, "2026-04-03")
    run = ("budget", "notify", "--digest", "monthly", "--channel")
    assert "--channel: no channel 'opps' in tollbook.toml: did you mean 'ops'?" in tolled(*run, "opps").stderr
    outcome = tolled(*run, "ops", env={})
    assert outcome.exit_code == 2
    assert "OPS_URL isn't set" in outcome.stderr
    assert rows(db_url, "SELECT * FROM budget_events") == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('url = "pages/{month}"', "page.url: 'pages/{month}' is no address: give one such as https://"),
        ('url = "javascript:alert(1)"', "is no address"),
        ('url = "https:///x"', "is no address"),
        ('url = "https://h:x/"', "is no address"),
        ('url = "https://h/a b"', "is no address"),
        (r'url = "https://h/\u001b"', r"page.url: 'https://h/\x1b' is no address"),
        (r'url = "https://h/\u202e"', "is no address"),
        (r'url = "https://h/\n"', "is no address"),
        ('url = "https://ann:Tr0ub4dor@h/"', "page.url: has a user or password: secrets don't belong"),
        ('url = "https://h/{year}"', "has braces other than {month}"),
        ('url = "https://h/{{month}}"', "has braces other than {month}"),
        ("url = 1", "page.url: 1 isn't text"),
        ('uri = "https://h/"', "page.uri: isn't a key of this file"),
    ],
)
def test_an_address_of_pages_that_is_none_is_refused(cli: Cli, entry: str, words: str) -> None:
    Path("tollbook.toml").write_text(f"[page]\n{entry}\n", encoding="utf-8")
    told = refusal(cli)
    assert words in told
    assert "Tr0ub4dor" not in told
