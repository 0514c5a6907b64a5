"""The words of a line as bash hands them to be completed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class


@add_completion_class
class BashWords(BashComplete):
    """bash's completion, for which `tag:team` is three words: `tag`, `:` and `team`."""

    _typed = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Joins the words again, and remembers what of the last one bash takes for words of their own."""
        args, last = super().get_completion_args()
        *args, word = joined_words([*args, last])
        self._typed = word if last in {":", "="} else word.removesuffix(last)
        return args, word

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Answers with the rest of the word."""
        return super().format_completion(CompletionItem(item.value.removeprefix(self._typed), item.type, item.help))


def joined_words(words: Iterable[str]) -> list[str]:
    """Joins words that bash parted at : and =; an = between an option and its value is left out."""
    joined: list[str] = []
    glue = False
    for word in words:
        is_mark = word in {":", "=", "::", ":="}
        if word == "=" and joined and joined[-1].startswith("-"):
            joined.append("")
            glue = True
        elif joined and (glue or is_mark) and word:
            joined[-1] += word
            glue = is_mark
        else:
            joined.append(word)
            glue = False
    return joined
