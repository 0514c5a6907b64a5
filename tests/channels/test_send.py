"""Messages over channels, to a real server on this machine: their forms, signatures, retries and failures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import sys
import time
import traceback

import pytest

from ledger.channels.forms import webhook_post
from ledger.channels.message import Message, NotDelivered
from ledger.channels.send import send
from ledger.channels.settings import Address, Channel, Kind, read_address
from ledger.errors import LedgerError
from tests.helpers.receiver import Answer, Receiver

SECRET = "Tr0ub4dor"
EVIL = "<!channel> @here *bold* [a](http://b) <at user_id=\"all\"></at> & 'x' 😀"
MESSAGE = Message("evt_1", f"budget {EVIL} has reached 80 % in 2026-03", ("33 of 40 USD spent",), {"percent": 80})


def sent(receiver: Receiver, kind: Kind = "webhook", secret: str | None = SECRET, *, seconds: int = 10) -> None:
    send(Channel("ops", kind, timeout_seconds=seconds), Address(f"{receiver.url}/hooks/T0/{SECRET}", secret), MESSAGE)


def refused(receiver: Receiver, kind: Kind = "webhook", *, seconds: int = 10) -> str:
    with pytest.raises(NotDelivered) as raised:
        sent(receiver, kind, seconds=seconds)
    told = "".join(traceback.format_exception(raised.value))
    assert SECRET not in told
    assert receiver.url not in told
    return str(raised.value)


# --- forms ----------------------------------------------------------------------------------------------------------


def test_a_webhook_gets_json_and_a_signature_over_id_time_and_body(receiver: Receiver) -> None:
    sent(receiver)
    [post] = receiver.posts
    assert post.json == {
        "schema": 1, "event_id": "evt_1", "percent": 80, "title": MESSAGE.title,
        "text": "33 of 40 USD spent\nevent evt_1",
    }  # fmt: skip
    assert (post.path, post.headers["webhook-id"]) == (f"/hooks/T0/{SECRET}", "evt_1")
    assert post.headers["content-type"].startswith("application/json")
    assert abs(int(post.headers["webhook-timestamp"]) - time.time()) < 60
    assert post.is_signed_by(SECRET.encode())
    assert not post.is_signed_by(b"another")


def test_a_secret_in_base64_is_its_bytes(receiver: Receiver) -> None:
    key = b"\x00\xff0123456789abcdef"
    sent(receiver, secret=f"whsec_{base64.b64encode(key).decode()}")
    assert receiver.posts[0].is_signed_by(key)


def test_another_time_id_or_body_has_another_signature() -> None:
    others = [MESSAGE, Message("evt_2", MESSAGE.title, MESSAGE.lines, {}), Message("evt_1", "", (), {})]
    made = [webhook_post(message, SECRET, now)[1]["webhook-signature"] for message in others for now in (1, 2)]
    assert len(set(made)) == 6


def test_a_webhook_without_a_secret_has_no_signature(receiver: Receiver) -> None:
    sent(receiver, secret=None)
    assert "webhook-signature" not in receiver.posts[0].headers
    assert receiver.posts[0].headers["webhook-id"] == "evt_1"


def test_slack_gets_names_as_text(receiver: Receiver) -> None:
    sent(receiver, "slack", None)
    posted = receiver.posts[0].json
    assert posted["text"].startswith("tollbook: budget &lt;!channel&gt; @here *bold*")
    assert not {"<", ">"} & set(posted["text"])
    assert "&amp; 'x'" in posted["text"]
    assert (posted["mrkdwn"], posted["link_names"]) == (False, False)
    assert posted["text"].endswith("\n33 of 40 USD spent\nevent evt_1")


def test_feishu_gets_names_as_text_and_its_own_signature(receiver: Receiver) -> None:
    receiver.otherwise = Answer(body=b'{"code":0,"msg":"success","data":{}}')
    sent(receiver, "feishu")
    sent(receiver, "feishu", None)
    signed, plain = (post.json for post in receiver.posts)
    assert signed["msg_type"] == "post"
    shown = signed["content"]["post"]["zh_cn"]
    assert shown["title"] == f"tollbook: {MESSAGE.title}"
    assert shown["content"] == [[{"tag": "text", "text": line}] for line in ("33 of 40 USD spent", "event evt_1")]
    key = f"{signed['timestamp']}\n{SECRET}".encode()
    assert signed["sign"] == base64.b64encode(hmac.digest(key, b"", hashlib.sha256)).decode()
    assert plain == {name: signed[name] for name in ("msg_type", "content")}


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_is_busy_is_asked_again(receiver: Receiver, status: int) -> None:
    receiver.answers = [Answer(status)]
    sent(receiver)
    first, second = receiver.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_a_host_that_asks_for_a_wait_gets_it(receiver: Receiver) -> None:
    receiver.answers = [Answer(429, headers={"Retry-After": "1"})]
    start = time.monotonic()
    sent(receiver)
    assert time.monotonic() - start >= 1


def test_what_goes_on_failing_fails(receiver: Receiver) -> None:
    receiver.otherwise = Answer(503)
    assert refused(receiver) == "the channel's host answered 503"
    assert len(receiver.posts) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 500, 502, 504])
def test_what_is_refused_or_may_have_been_taken_is_left_to_the_next_run(receiver: Receiver, status: int) -> None:
    receiver.otherwise = Answer(status, SECRET.encode())
    assert refused(receiver) == f"the channel's host answered {status}"
    assert len(receiver.posts) == 1


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.otherwise = Answer(307, headers={"Location": f"{receiver.url}/{SECRET}"})
    assert "answered 307, that it has moved" in refused(receiver)
    assert len(receiver.posts) == 1


def test_a_slow_host_may_have_it_and_is_left_to_the_next_run(receiver: Receiver) -> None:
    receiver.otherwise = Answer(seconds=2)
    assert refused(receiver, seconds=1) == "the channel's host doesn't answer in time"
    assert len(receiver.posts) == 1


def test_a_connection_that_ends_without_an_answer_fails(receiver: Receiver) -> None:
    receiver.otherwise = Answer(None)
    assert "ended the connection" in refused(receiver)


def test_a_host_that_is_not_there_fails() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert "can't be reached" in refused(Receiver(url))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"code":19021,"msg":"sign match fail"}', "Feishu answered code 19021: the signature is wrong"),
        (b'{"code":19024,"msg":"Key Words Not Found"}', "code 19024: the bot wants a keyword: let it be tollbook"),
        (b'{"code":9499,"msg":"Tr0ub4dor"}', "Feishu answered code 9499"),
        (b'{"StatusCode":11232}', "Feishu answered code 11232"),
        (b"ok", "without Feishu's code"),
        (b"[0]", "without Feishu's code"),
        (b'{"code":"0"}', "without Feishu's code"),
        (b"[" * 60_000, "without Feishu's code"),
    ],
)
def test_feishu_says_by_its_code_that_it_failed(receiver: Receiver, body: bytes, words: str) -> None:
    receiver.otherwise = Answer(body=body)
    assert words in refused(receiver, "feishu")


# --- apprise --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise imports it where Python still has it
def test_apprise_sends_to_its_own_addresses(receiver: Receiver) -> None:
    address = Address(f"{receiver.url.replace('http', 'json')}/{SECRET}", None)
    send(Channel("mail", "apprise"), address, MESSAGE)
    posted = receiver.posts[0].json
    assert posted["title"].startswith("tollbook: budget <!channel> @\u200bhere")
    assert posted["message"] == "33 of 40 USD spent\nevent evt_1"


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise imports it where Python still has it
def test_what_apprise_does_not_deliver_fails_in_silence(
    receiver: Receiver, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    receiver.otherwise = Answer(500)
    for url in (f"{receiver.url.replace('http', 'json')}/{SECRET}", f"nonsense://{SECRET}", SECRET):
        with pytest.raises(NotDelivered, match="apprise") as raised:
            send(Channel("mail", "apprise"), Address(url, None), MESSAGE)
        assert SECRET not in str(raised.value)
    out, err = capfd.readouterr()
    assert SECRET not in out + err + caplog.text


def test_a_missing_apprise_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(LedgerError, match=r"pip install 'tollbook\[notify\]'"):
        read_address(Channel("mail", "apprise", "MAIL_URL"), {"MAIL_URL": f"mailto://{SECRET}"})


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "OPS_URL isn't set in the environment"),
        ({"OPS_URL": " "}, "OPS_URL isn't set in the environment"),
        ({"OPS_URL": f"ftp://{SECRET}"}, "OPS_URL holds no address"),
        ({"OPS_URL": f"{SECRET}"}, "OPS_URL holds no address"),
        ({"OPS_URL": f"https://h:{SECRET}/"}, "OPS_URL holds no address"),
        ({"OPS_URL": f"https://[{SECRET}/"}, "OPS_URL holds no address"),
        ({"OPS_URL": f"https://h/\n{SECRET}"}, "OPS_URL holds no address"),
        ({"OPS_URL": f"https://h/a b{SECRET}"}, "OPS_URL holds no address"),
        ({"OPS_URL": "https://h/x"}, "OPS_SECRET isn't set in the environment"),
        ({"OPS_URL": "https://h/x", "OPS_SECRET": "whsec_x"}, "OPS_SECRET begins with whsec_ and isn't in base64"),
    ],
)
def test_an_address_that_is_none_is_named_by_its_variable(environment: dict[str, str], words: str) -> None:
    with pytest.raises(LedgerError) as raised:
        read_address(Channel("ops", "webhook", "OPS_URL", "OPS_SECRET"), environment)
    assert words in str(raised.value)
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert SECRET not in repr(read_address(Channel("ops", "slack", "U"), {"U": f"https://{SECRET}/"}))
