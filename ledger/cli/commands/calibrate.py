"""`tollbook calibrate`: token counts corrected by what the API reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ledger.cli.app import App
from ledger.cli.command import command, rates_option
from ledger.cli.show.output import SHEET_FORMATS, chosen_output, note, refuse_unwritable
from ledger.cli.show.sheet import Column, Sheet, columns
from ledger.cli.show.whole_files import replacing
from ledger.errors import LedgerError
from ledger.values.words import counted
from pricing.estimating.tokens import DEFAULT_ENCODING, ENCODINGS

if TYPE_CHECKING:
    from ledger.estimates.prompts.pairs import Pairs
    from pricing.estimating.calibration import Calibration, ModelCalibration
    from pricing.estimating.fit import CountedPair
    from pricing.rate_card import RateCard

COLUMNS = (
    Column("model"),
    Column("pairs", "count"),
    Column("outliers", "count", 4),
    *columns("decimal", "words_factor", "cjk_factor", "digits_factor", "symbols_factor", priority=2),
    Column("message_factor", "decimal", 5),
    Column("schema_factor", "decimal", 8),
    Column("overhead_tokens", "decimal", 3),
    *columns("decimal", "error_before_percent", "error_after_percent"),
    *columns("decimal", "p90_before_percent", "p90_after_percent", priority=6),
    *columns("percent", "bias_before_percent", "bias_after_percent", priority=7),
    *columns("decimal", "range_low", "range_high", priority=1),
)
FOOTNOTES = (
    "A request has factor x tokens of each script, message factor x what wraps its messages, and the overhead.",
    "Errors are percent of the real count, on pairs that the fit had not seen: half are off by less than the error.",
    "The range holds nine in ten of these pairs, outliers apart: those beyond twice or half of what the fit predicts.",
)


@command(
    "tollbook calibrate pairs.jsonl -o calibration.json",
    "tollbook calibrate logged/*.jsonl --encoding cl100k_base -o calibration.json",
    "tollbook estimate prompt.txt --model doubao-seed-2.0-code --calibration calibration.json",
    shows=None,
)
@click.argument("files", metavar="PAIRS...", nargs=-1, required=True)
@click.option(
    "--encoding",
    type=click.Choice(ENCODINGS),
    default=DEFAULT_ENCODING,
    show_default=True,
    help="The encoding whose counts are corrected; estimates have to use the same.",
)
@click.option("--provider", metavar="P", help="Whose models. Default: [ledger] provider, else evolink.")
@rates_option
@click.option("-o", "--output", "path", metavar="FILE", help="Write the calibration, whole or not at all.")
@click.option("--format", "format_name", type=click.Choice(SHEET_FORMATS), help="How to show it. Default: table.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json: the calibration itself.")
def calibrate(
    app: App,
    /,
    *,
    files: tuple[str, ...],
    encoding: str,
    provider: str | None,
    rates: tuple[str, ...],
    path: str | None,
    format_name: str | None,
    as_json: bool,
) -> None:
    """Fit a model's token counts to what its API reported, and show the error before and after.

    PAIRS are JSON Lines of {"model", "text", "input_tokens"}, or with the body that was sent as "request" in place of
    "text"; or envelopes {"request", "response"} whose response has its usage. A model needs 8 pairs of different texts.
    """
    from ledger.estimates.prompts.pairs import read_pairs
    from ledger.values.safe_text import json_text

    output = chosen_output(SHEET_FORMATS, format_name, as_json=as_json, path=None)
    if path in ("", "-"):
        raise LedgerError("--output needs a file for the calibration: --json shows it on standard output")
    if path is not None:
        refuse_unwritable(path)
    found = read_pairs(files)
    calibration = _fitted(_by_model(found, app.card(provider, *rates), encoding), encoding)
    if path is not None:
        with replacing(path) as file:
            file.write((json_text(calibration.to_document(), indent=2) + "\n").encode())
    output.write(_sheet(calibration))
    _tell_what_is_left_out(found, calibration)


def _by_model(found: Pairs, card: RateCard, encoding: str) -> dict[str, list[CountedPair]]:
    """Counts the pairs of each model; a name that the card knows is its model's."""
    from pricing.estimating.counting import count_prompts
    from pricing.estimating.fit import CountedPair

    grouped: dict[str, list[CountedPair]] = {}
    counts = count_prompts([pair.text for pair in found.pairs], encoding)
    for pair, tokens in zip(found.pairs, counts, strict=True):
        model = card.resolve(pair.model) or pair.model
        overhead = tokens.message_overhead_tokens
        assert tokens.scripts is not None
        counted_pair = CountedPair(tokens.scripts, overhead, pair.input_tokens, tokens.schemas)
        grouped.setdefault(model, []).append(counted_pair)
    return grouped


def _fitted(pairs: dict[str, list[CountedPair]], encoding: str) -> Calibration:
    """Fits each model that has enough pairs; the others are named in a note."""
    from pricing.errors import TooFewPairs
    from pricing.estimating.calibration import Calibration
    from pricing.estimating.fit import LEAST_PAIRS, fit_model

    models: dict[str, ModelCalibration] = {}
    refused: list[TooFewPairs] = []
    for model, its_pairs in pairs.items():
        try:
            models[model] = fit_model(model, its_pairs)
        except TooFewPairs as error:
            refused.append(error)
    if not models:
        raise refused[0]
    for refusal in refused:
        note(f"left out: {refusal}")
    for model, correction in models.items():
        with_schemas = sum(pair.schema_tokens > 0 for pair in pairs[model])
        if with_schemas and correction.schema_factor is None:
            note(
                f"left out of {model}: {counted(with_schemas, 'pair')} with tools or schemas; {LEAST_PAIRS} of "
                "different lengths would give these a factor of their own"
            )
    return Calibration(encoding, models)


def _sheet(calibration: Calibration) -> Sheet:
    rows = [_row(name, calibration.models[name]) for name in sorted(calibration.models)]
    title = f"Calibration of counts by {calibration.encoding}"
    return Sheet(title, COLUMNS, rows, document=calibration.to_document(), footnotes=FOOTNOTES)


def _row(name: str, model: ModelCalibration) -> tuple[str | int, ...]:
    document = model.to_document()
    before, after = document["error_before"], document["error_after"]
    return (
        name, model.pairs, model.outliers, *document["factors"].values(), document["message_factor"],
        document.get("schema_factor"), document["overhead_tokens"], before["median_percent"], after["median_percent"],
        before["p90_percent"], after["p90_percent"], model.before.bias, model.after.bias, *document["range"].values(),
    )  # fmt: skip


def _tell_what_is_left_out(found: Pairs, calibration: Calibration) -> None:
    if found.beyond_text:
        note(f"left out, as their requests hold more than text: {counted(found.beyond_text, 'line')}")
    if found.without_usage:
        note(f"left out, as their responses report no input tokens: {counted(found.without_usage, 'line')}")
    for name in sorted(calibration.models):
        model = calibration.models[name]
        if model.outliers * 10 > model.pairs:
            note(f"{model.outliers} of {model.pairs} pairs of {name} are beyond twice or half of what the fit predicts")
