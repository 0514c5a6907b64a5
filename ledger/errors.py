"""Wrong use of the ledger: one line for people, exit code 2, nothing changed."""

from __future__ import annotations


class LedgerError(Exception):
    """Options, configuration or database are wrong; the message names the value, the rule and the next step."""


class DatabaseFailure(LedgerError):  # noqa: N818 - a failure of the database, not of its use
    """The database can't be reached, refused a statement or went away; nothing of its transaction is kept."""


class TransactionGivenUp(DatabaseFailure):
    """A transaction that PostgreSQL gave up for another one's, a deadlock or the like: nothing of it was done."""


class AlreadyKnown(LedgerError):  # noqa: N818 - of what was inserted, not of its use
    """Rows that were to be new aren't, and some of them are inserted: their transaction must be rolled back."""


class ChangedWhileRead(DatabaseFailure):
    """A file that may only be read, and isn't locked for it, was written meanwhile; reading it again may do."""


class NotShown(LedgerError):  # noqa: N818 - of the result, not of its use
    """A result can't be written where it is to go; what the command changed before holds."""
