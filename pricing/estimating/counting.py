"""Input tokens of prompts, as ranges: tiktoken's counts, corrected by a calibration where there is one.

The uncorrected range of a text is +-20 % for Doubao Seed's models and for those whose very encoding counts, +-30 % for
any other: docs/decisions/0011. Tools and schemas are sent as JSON and become text by a template of the model's own,
which may be half as long or half as long again: +-50 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import msgspec

from pricing.errors import UnusableCalibration
from pricing.estimating.calibration import Calibration, ModelCalibration, TokenRange
from pricing.estimating.tokens import ScriptTokens, count_all, count_scripts, encoding_of

MARGIN_PERCENT = 20
UNKNOWN_MARGIN_PERCENT = 30
SCHEMA_MARGIN_PERCENT = 50

_DOUBAO_SEED = "doubao-seed-"

T = TypeVar("T")


class PromptText(msgspec.Struct, frozen=True):
    """The text of a request, in parts that are counted apart, and the tokens that wrap its messages.

    `schemas` are its tools and output formats as JSON. What is no `whole_request`, such as a prefix of it, has no share
    of what a request costs beyond its text.
    """

    texts: tuple[str, ...]
    message_overhead_tokens: int = 0
    whole_request: bool = True
    schemas: tuple[str, ...] = ()


class TextTokens(NamedTuple):
    """tiktoken's own counts of a prompt: texts, by script too if asked for, schemas, and what wraps messages."""

    texts: int
    schemas: int
    scripts: ScriptTokens | None
    message_overhead_tokens: int
    whole_request: bool


class PromptCount(NamedTuple):
    """Input tokens of a prompt, how many of the expected ones are of its schemas, and what tiktoken itself counted."""

    tokens: TokenRange
    schema_tokens: int = 0
    uncorrected_tokens: int = 0


def margin_percent(model: str, encoding: str) -> int:
    """Finds how far an uncorrected count of the model's text may be off, in percent; `model` is its id on the card."""
    return MARGIN_PERCENT if is_tokenizer_known(model, encoding) else UNKNOWN_MARGIN_PERCENT


def is_tokenizer_known(model: str, encoding: str) -> bool:
    """Tells whether the model is one that the narrower range is for: Doubao Seed's, or one of this very encoding."""
    return model.lower().startswith(_DOUBAO_SEED) or encoding_of(model) == encoding


def uncalibrated(tokens: int, percent: int = MARGIN_PERCENT) -> TokenRange:
    """Returns a count give or take a percentage of it, rounded outwards: 101 tokens are 80 to 122."""
    return TokenRange(tokens * (100 - percent) // 100, tokens, -(-tokens * (100 + percent) // 100))


def count_inputs(
    prompts: Sequence[PromptText], model: str, *, encoding: str, calibration: Calibration | None
) -> list[PromptCount]:
    """Counts the input tokens of each prompt, with what wraps its messages; `model` is its id on the card.

    UnusableCalibration where the calibration corrects counts by another encoding.
    """
    by_script = calibration is not None and model in calibration.models
    counted = count_prompts(prompts, encoding, by_script=by_script)
    return inputs_of(counted, model, encoding=encoding, calibration=calibration)


def inputs_of(
    counted: Iterable[TextTokens], model: str, *, encoding: str, calibration: Calibration | None
) -> list[PromptCount]:
    """Computes the input tokens of prompts that have been counted, by script if the calibration has the model."""
    if calibration is not None and calibration.encoding != encoding:
        raise UnusableCalibration(
            f"the calibration corrects counts by {calibration.encoding}, not by {encoding}: "
            f"count with {calibration.encoding}, or calibrate with {encoding}"
        )
    correction = None if calibration is None else calibration.models.get(model)
    percent = margin_percent(model, encoding)

    @cache  # many prompts are alike in their counts
    def input_of(tokens: TextTokens) -> PromptCount:
        if correction is not None:
            return _corrected(correction, tokens)
        return _with_schemas(uncalibrated(tokens.texts + tokens.message_overhead_tokens, percent), tokens.schemas)

    return list(map(input_of, counted))


def count_prompts(prompts: Sequence[PromptText], encoding: str, *, by_script: bool = True) -> list[TextTokens]:
    """Counts each prompt's texts together, and its schemas; what wraps its messages is not in them."""
    if not by_script:
        return [
            TextTokens(sum(counts), schemas, None, prompt.message_overhead_tokens, prompt.whole_request)
            for prompt, counts, schemas in _per_prompt(prompts, encoding, count_all)
        ]
    nothing = ScriptTokens(0, 0, 0, 0)
    found = []
    for prompt, tallies, schemas in _per_prompt(prompts, encoding, count_scripts):
        scripts = ScriptTokens(*map(sum, zip(nothing, *tallies, strict=True)))
        found.append(TextTokens(scripts.total, schemas, scripts, prompt.message_overhead_tokens, prompt.whole_request))
    return found


def _corrected(correction: ModelCalibration, tokens: TextTokens) -> PromptCount:
    assert tokens.scripts is not None
    uncorrected = tokens.texts + tokens.message_overhead_tokens + tokens.schemas
    schema_tokens = correction.schema_tokens_of(tokens.schemas)
    text = correction.range_of(
        tokens.scripts,
        tokens.message_overhead_tokens,
        schema_tokens=tokens.schemas,
        whole_request=tokens.whole_request,
    )
    if schema_tokens is None:
        return _with_schemas(text, tokens.schemas)._replace(uncorrected_tokens=uncorrected)
    return PromptCount(text, schema_tokens, uncorrected)


def _with_schemas(text: TokenRange, schema_tokens: int) -> PromptCount:
    """Adds schemas that no calibration knows, with their own range."""
    schemas = uncalibrated(schema_tokens, SCHEMA_MARGIN_PERCENT)
    both = TokenRange(*map(sum, zip(text, schemas, strict=True)))
    return PromptCount(both, schema_tokens, both.expected)


def _per_prompt(
    prompts: Sequence[PromptText], encoding: str, count: Callable[[Sequence[str], str], list[T]]
) -> Iterator[tuple[PromptText, list[T], int]]:
    """Yields each prompt with the counts of its texts and the tokens of its schemas.

    A text that several have is counted once.
    """
    counts = _counted((text for prompt in prompts for text in prompt.texts), encoding, count)
    schemas = _counted((schema for prompt in prompts for schema in prompt.schemas), encoding, count_all)
    for prompt in prompts:
        yield prompt, [counts[text] for text in prompt.texts], sum(schemas[schema] for schema in prompt.schemas)


def _counted(texts: Iterator[str], encoding: str, count: Callable[[Sequence[str], str], list[T]]) -> Mapping[str, T]:
    different = list(dict.fromkeys(texts))
    return dict(zip(different, count(different, encoding), strict=True)) if different else {}
