"""Groups of commands that name the one that was likely meant by one that they don't have."""

from __future__ import annotations

import click


class Group(click.Group):
    """A group of commands; groups made within it are such groups too."""

    group_class = type

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command; of an unknown one says which was likely meant."""
        name = args[0]
        # What looks like an option is left to click, which knows the options.
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            from pricing.errors import shown
            from pricing.names import did_you_mean  # only once something is wrong

            question = did_you_mean(name, self.list_commands(ctx))
            ctx.fail(f"No such command {shown(name)}.{question and f' {question[0].upper()}{question[1:]}'}")
        return super().resolve_command(ctx, args)
