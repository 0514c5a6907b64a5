"""Exported files: format, guarded text, control totals and manifest."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ledger.cli.show.output import (
    FILE_FORMATS,
    Output,
    note,
    note_rounded,
    output_options,
    refuse_unwritable,
)
from ledger.cli.show.whole_files import replacing
from ledger.errors import LedgerError
from ledger.values.words import counted

if TYPE_CHECKING:
    from ledger.exports.formats.writer import ExportFile, FileOptions
    from ledger.exports.manifest import Exported

F = TypeVar("F", bound=Callable[..., Any])

EXPORT_FORMATS = ("csv", "json", *FILE_FORMATS)
# The value of --manifest without a file.
BESIDE = "\0"


@dataclass(frozen=True, slots=True)
class Destination:
    """The output of an export, and how it is written; `manifest` None is none."""

    output: Output
    options: FileOptions
    manifest: str | None

    def write(self, export: Callable[[ExportFile], Exported]) -> None:
        """Writes file and manifest, each whole or not at all; notes the control total."""
        from ledger.exports.formats.writer import ExportFile
        from ledger.exports.manifest import manifest

        path = self.output.path
        with ExitStack() as files:
            # Left last: the manifest takes its place once the file has taken its own.
            beside = None if self.manifest is None else files.enter_context(replacing(self.manifest))
            file = ExportFile(files.enter_context(self.output.stream()), self.options)
            exported = export(file)
            if beside is not None:
                beside.write(manifest(None if path is None else Path(path).name, file, exported))
        note(f"control total: {exported.words}")
        for text in exported.notes:
            note(text)
        note_rounded(file.rounded_cells)
        if file.guarded_cells:
            note(
                f"{counted(file.guarded_cells, 'cell begins', 'cells begin')} as a formula would: "
                "written with an apostrophe, unless --raw"
            )


def export_options() -> Callable[[F], F]:
    """Adds the options of an export; the command gets them as `destination`."""

    def decorate(function: F) -> F:
        @click.option("--raw", is_flag=True, help="CSV: no apostrophe before text that begins as a formula would.")
        @click.option(
            "--manifest",
            metavar="[FILE]",
            is_flag=False,
            flag_value=BESIDE,
            help="Write sha256, rows and control totals too, to FILE or beside the output.",
        )
        @output_options(EXPORT_FORMATS)
        @functools.wraps(function)
        def with_destination(
            *args: object, output: Output, raw: bool, manifest: str | None, **kwargs: object
        ) -> object:
            return function(*args, destination=_destination(output, raw, manifest), **kwargs)

        return with_destination  # type: ignore[return-value]  # click reads the options off it

    return decorate


def _destination(output: Output, raw: bool, manifest: str | None) -> Destination:
    """Reads the options; LedgerError for contradictions, or a file that can't be written."""
    from ledger.exports.formats.writer import FileOptions

    beside = manifest
    if manifest == BESIDE:
        if output.path is None:
            raise LedgerError("--manifest has no file to go beside: give -o FILE, or --manifest FILE")
        beside = f"{output.path}.manifest.json"
    if beside is not None:
        if not beside or (output.path is not None and os.path.realpath(beside) == os.path.realpath(output.path)):
            raise LedgerError(f"--manifest {beside!r} isn't a file of its own: give it a name, or none")
        refuse_unwritable(beside)
    return Destination(output, FileOptions(output.format, raw, output.excel), beside)  # type: ignore[arg-type]  # a format of EXPORT_FORMATS
