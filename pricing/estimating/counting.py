"""Input tokens of prompts, as ranges: tiktoken's counts, corrected by a calibration where there is one.

The uncorrected range of a text is +-20 % for Doubao Seed's models and for those whose very encoding counts, +-30 % for
any other: docs/decisions/0011. Tools and schemas are sent as JSON and become text by a template of the model's own,
which may be half as long or half as long again: +-50 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pricing.errors import UnusableCalibration
from pricing.estimating.calibration import Calibration, ModelCalibration, TokenRange
from pricing.estimating.tokens import ScriptTokens, count_all, count_scripts, encoding_of

MARGIN_PERCENT = 20
UNKNOWN_MARGIN_PERCENT = 30
SCHEMA_MARGIN_PERCENT = 50

_DOUBAO_SEED = "doubao-seed-"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PromptText:
    """The text of a request, in parts that are counted apart, and the tokens that wrap its messages.

    `schemas` are its tools and output formats as JSON. What is no `whole_request`, such as a prefix of it, has no share
    of what a request costs beyond its text.
    """

    texts: tuple[str, ...]
    message_overhead_tokens: int = 0
    whole_request: bool = True
    schemas: tuple[str, ...] = ()


class TextTokens(NamedTuple):
    """tiktoken's own counts of a prompt: its texts by script, and its schemas."""

    scripts: ScriptTokens
    schemas: int


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
    if calibration is not None and calibration.encoding != encoding:
        raise UnusableCalibration(
            f"the calibration corrects counts by {calibration.encoding}, not by {encoding}: "
            f"count with {calibration.encoding}, or calibrate with {encoding}"
        )
    correction = None if calibration is None else calibration.models.get(model)
    if correction is not None:
        return [
            _corrected(correction, prompt, tokens)
            for prompt, tokens in zip(prompts, count_prompts(prompts, encoding), strict=True)
        ]
    percent = margin_percent(model, encoding)
    return [
        _with_schemas(uncalibrated(sum(counts) + prompt.message_overhead_tokens, percent), schemas)
        for prompt, counts, schemas in _per_prompt(prompts, encoding, count_all)
    ]


def count_prompts(prompts: Sequence[PromptText], encoding: str) -> list[TextTokens]:
    """Counts each prompt's texts together, by script, and its schemas; what wraps its messages is not in them."""
    nothing = ScriptTokens(0, 0, 0, 0)
    return [
        TextTokens(ScriptTokens(*map(sum, zip(nothing, *tallies, strict=True))), schemas)
        for _, tallies, schemas in _per_prompt(prompts, encoding, count_scripts)
    ]


def _corrected(correction: ModelCalibration, prompt: PromptText, tokens: TextTokens) -> PromptCount:
    uncorrected = tokens.scripts.total + prompt.message_overhead_tokens + tokens.schemas
    schema_tokens = correction.schema_tokens_of(tokens.schemas)
    text = correction.range_of(
        tokens.scripts,
        prompt.message_overhead_tokens,
        schema_tokens=tokens.schemas,
        whole_request=prompt.whole_request,
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
