"""`tollbook comment`: a Markdown report as one comment on a change."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ledger.cli.app import POSITIVE
from ledger.cli.command import examples, options
from ledger.cli.completion import complete_values
from ledger.cli.groups import Group
from ledger.cli.show.output import note

if TYPE_CHECKING:
    from ledger.comments.hosts import Place
    from ledger.comments.post import Behavior


@click.group(
    cls=Group,
    epilog=examples("tollbook comment github diff.md", "tollbook comment gitlab diff.md --behavior new"),
)
def comment() -> None:
    """Post what `tollbook diff --format markdown` wrote as one comment, kept up to date.

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
)


@comment.command(
    epilog=examples(
        "tollbook comment github diff.md",
        "tollbook comment github diff.md --tag search",
        "tollbook diff --base-ref origin/main --format markdown | tollbook comment github --pull-request 7",
    )
)
@_body_options
@click.option(
    "--pull-request", "number", metavar="N", type=POSITIVE, help="Which one. Default: the one the job runs for."
)
def github(file: str, behavior: Behavior, tag: str | None, number: int | None) -> None:
    """Comment on a pull request.

    Reads GITHUB_TOKEN (or GH_TOKEN), GITHUB_REPOSITORY, GITHUB_API_URL, and GITHUB_REF or GITHUB_EVENT_PATH for the
    pull request's number, as GitHub Actions sets them. The token needs pull-requests: write.
    """
    from ledger.comments.hosts import github_place

    _post(file, tag, behavior, lambda: github_place(os.environ, number))


@comment.command(
    epilog=examples(
        "tollbook comment gitlab diff.md", "tollbook comment gitlab diff.md --merge-request 7 --behavior new"
    )
)
@_body_options
@click.option("--merge-request", "number", metavar="IID", type=POSITIVE, help="Which one. Default: the pipeline's.")
def gitlab(file: str, behavior: Behavior, tag: str | None, number: int | None) -> None:
    """Comment on a merge request.

    Reads GITLAB_TOKEN (an access token with the scope api), and CI_API_V4_URL, CI_PROJECT_ID and CI_MERGE_REQUEST_IID
    as GitLab CI sets them.
    """
    from ledger.comments.hosts import gitlab_place

    _post(file, tag, behavior, lambda: gitlab_place(os.environ, number))


for _command in (github, gitlab):
    complete_values(_command)


def _post(file: str, tag: str | None, behavior: Behavior, find_place: Callable[[], Place]) -> None:
    from ledger.comments.body import read_body
    from ledger.comments.hosts import NotPosted
    from ledger.estimates.prompts.files import read_text

    body = read_body(read_text(file), "standard input" if file == "-" else file, tag)
    try:
        place = find_place()
        from ledger.comments.post import post_comment  # requests takes a while to import

        posted = post_comment(place, body, behavior)
    except NotPosted as reason:
        note(str(reason))
        return
    if posted.comment_id is None:
        click.echo(f"Nothing to say: no comment on {place.request}")
    else:
        click.echo(f"Comment {posted.comment_id} on {place.request}: {posted.action}")
