"""`tollbook comment`: a Markdown report as one comment on a change."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import POSITIVE
from ledger.cli.command import examples, options
from ledger.cli.completion import complete_values
from ledger.cli.groups import Group
from ledger.cli.show.output import note
from ledger.errors import LedgerError
from ledger.values.safe_text import visible

if TYPE_CHECKING:
    from ledger.comments.body import Body
    from ledger.comments.hosts import Place
    from ledger.comments.post import Behavior


@click.group(
    cls=Group,
    epilog=examples("tollbook comment github diff.md", "tollbook comment gitlab diff.md --behavior new"),
)
def comment() -> None:
    """Post what `tollbook diff --format markdown` wrote as one comment, kept up to date.

    Only a comment of the account that the token belongs to is edited, whoever else wrote one with the same first line.
    Without the right to write there, as in a pull request from a fork, it says so and passes.
    """


_body_options = options(
    click.argument("file", metavar="[FILE|-]", default="-"),
    click.option(
        "--behavior",
        type=click.Choice(["update", "new"]),
        default="update",
        show_default=True,
        help="Edit the comment that is there, or make a new one each time.",
    ),
    click.option("--tag", metavar="TEXT", help="Keeps the comments of several configurations apart."),
    click.option("--dry-run", is_flag=True, help="Print the text and what would be done with it; write nothing."),
)


@comment.command(
    epilog=examples(
        "tollbook comment github diff.md",
        "tollbook comment github diff.md --tag search",
        "tollbook comment github diff.md --dry-run",
        "tollbook diff --base-ref origin/main --format markdown | tollbook comment github --pull-request 7",
    )
)
@_body_options
@click.option(
    "--pull-request", "number", metavar="N", type=POSITIVE, help="Which one. Default: the one the job runs for."
)
def github(*, number: int | None, **given: Any) -> None:
    """Comment on a pull request.

    Reads GITHUB_TOKEN (or GH_TOKEN), GITHUB_REPOSITORY, GITHUB_API_URL, and GITHUB_REF or GITHUB_EVENT_PATH for the
    pull request's number, as GitHub Actions sets them. The token needs pull-requests: write.
    """
    from ledger.comments.hosts import GITHUB_MAX_CHARACTERS, github_place

    _comment(lambda: github_place(os.environ, number), GITHUB_MAX_CHARACTERS, **given)


@comment.command(
    epilog=examples(
        "tollbook comment gitlab diff.md", "tollbook comment gitlab diff.md --merge-request 7 --behavior new"
    )
)
@_body_options
@click.option("--merge-request", "number", metavar="IID", type=POSITIVE, help="Which one. Default: the pipeline's.")
def gitlab(*, number: int | None, **given: Any) -> None:
    """Comment on a merge request.

    Reads GITLAB_TOKEN (an access token with the scope api), and CI_API_V4_URL, CI_PROJECT_ID and CI_MERGE_REQUEST_IID
    as GitLab CI sets them.
    """
    from ledger.comments.hosts import GITLAB_MAX_CHARACTERS, gitlab_place

    _comment(lambda: gitlab_place(os.environ, number), GITLAB_MAX_CHARACTERS, **given)


for _command in (github, gitlab):
    complete_values(_command)


_DONE = {"create": "created", "update": "updated", "unchanged": "unchanged"}


def _comment(
    find_place: Callable[[], Place],
    max_characters: int,
    *,
    file: str,
    behavior: Behavior,
    tag: str | None,
    dry_run: bool,
) -> None:
    from ledger.comments.body import fitted, read_body
    from ledger.estimates.prompts.files import read_text

    body = read_body(read_text(file), "standard input" if file == "-" else file, tag)
    if dry_run:
        # As it would be posted, but for what a terminal would obey.
        click.echo("\n".join(visible(line) for line in fitted(body.text, max_characters).split("\n")), nl=False)
        note(_foreseen(find_place, body, behavior))
    else:
        _post(find_place, body, behavior)


def _post(find_place: Callable[[], Place], body: Body, behavior: Behavior) -> None:
    from ledger.comments.hosts import NotPosted

    try:
        place = find_place()
        from ledger.comments.post import post_comment  # requests takes a while to import

        action, comment_id, remark = post_comment(place, body, behavior)
    except NotPosted as reason:
        note(str(reason))
        return
    if remark is not None:
        note(remark)
    if action == "quiet":
        click.echo(f"Nothing to say: no comment on {place.request}")
    else:
        click.echo(f"Comment {comment_id} on {place.request}: {_DONE[action]}")


def _foreseen(find_place: Callable[[], Place], body: Body, behavior: Behavior) -> str:
    """Tells what would be done; where that can't be known, why: without a token, a request, an answer of the host."""
    from ledger.comments.hosts import NotPosted

    try:
        place = find_place()
        from ledger.comments.post import plan_comment

        action, comment_id, remark = plan_comment(place, body, behavior)
    except (NotPosted, LedgerError) as reason:
        return f"whether a comment is there to be edited can't be known: {reason}"
    said = {
        "create": f"would create a comment on {place.request}",
        "update": f"would edit comment {comment_id} on {place.request}",
        "unchanged": f"would leave comment {comment_id} on {place.request} unchanged: it has this text",
        "quiet": f"quiet: would make no comment on {place.request}, as there is nothing to say",
    }[action]
    return said if remark is None else f"{said}; {remark}"
