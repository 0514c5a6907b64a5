"""A key that no response had before is told where it makes reading slow."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Cli
from tests.helpers.sources import response


@pytest.mark.parametrize(("known", "unknown", "is_told"), [(400, 600, True), (600, 400, False), (0, 999, False)])
def test_a_key_of_most_responses_that_is_not_known_is_told(cli: Cli, known: int, unknown: int, is_told: bool) -> None:
    made = [response(f"a{number}") for number in range(known)]
    made += [response(f"b{number}", sparkle=1) for number in range(unknown)]
    stdin = "".join(json.dumps(each) + "\n" for each in made)
    for options, outcome in ((["--dry-run"], "accepted"), (["--strict"], "accepted"), ([], "duplicate")):
        result = cli("ingest", "-", *options, stdin=stdin)
        assert f"{known + unknown:,} {outcome}" in result.stderr
        assert ("'sparkle' that isn't known" in result.stderr) is is_told
