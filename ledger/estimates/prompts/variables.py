"""Placeholders of prompts, `{{name}}` or `{{ name }}`, and their texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# A name of at most 100 characters: longer ones are no placeholder but text between braces.
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s]{1,100})\s*\}\}")

# What other templates have: Jinja's filters and tags, Handlebars' partials.
_TEMPLATES = re.compile(r"\{\{[^{}\n]{1,200}\}\}|\{%[^{}\n]{1,200}%\}")


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Fills each placeholder with its variable; one without a variable stays.

    What a variable brings in is not looked through again.
    """
    return _PLACEHOLDER.sub(lambda found: variables.get(found[1], found[0]), text)


def placeholders_in(texts: Iterable[str]) -> set[str]:
    """Finds the names of placeholders."""
    return {match[1] for text in texts for match in _PLACEHOLDER.finditer(text)}


def marks_in(texts: Iterable[str]) -> list[str]:
    """Lists placeholders as `{{name}}`, and what else a template engine would replace, as written."""
    marks = {match[0] for text in texts for match in _TEMPLATES.finditer(text)}
    return sorted({_PLACEHOLDER.sub(r"{{\1}}", mark) for mark in marks})
