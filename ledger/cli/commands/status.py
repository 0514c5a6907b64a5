"""`tollbook status`: the ledger at a glance."""

from __future__ import annotations

from datetime import UTC, datetime

from ledger.cli.app import App
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Column, Sheet, without_fees
from ledger.reports.completeness_words import silence_documents, silence_words
from ledger.reports.conversion_words import conversion_documents, conversion_words
from ledger.values.instants import moment_text
from pricing.money import format_nano


@command("tollbook status", "tollbook status --json | jq .quarantine")
def status(app: App, output: Output) -> None:
    """Show database, zone, conversions in use, sources, quarantine and open months."""
    from ledger.audit.status import read_status

    found = read_status(app.open(), datetime.now(UTC), app.config.ledger.provider, app.config.sources)
    conversions = [
        {
            "provider": use.provider,
            "currency": use.conversion.currency,
            "per_usd": format_nano(use.conversion.per_usd_nano),
            "effective_from": moment_text(use.conversion.effective_from, "seconds"),
            "checked_on": use.conversion.checked_on.isoformat() if use.conversion.checked_on else None,
        }
        for use in found.conversions
    ]
    sources = [
        {"source": name, "last_record": moment_text(record, "seconds"), "last_ingest": moment_text(ingest, "seconds")}
        for name, record, ingest in found.sources
    ]
    rows = [("database", found.url), ("timezone", found.zone), ("requests", f"{found.requests:,}")]
    if found.unbooked_calls:
        rows += [("tool fees", without_fees(found.unbooked_calls))]
    rows += [
        (
            f"conversion {item['provider']}",
            f"{item['per_usd']} {item['currency']} = 1 USD from {item['effective_from']}, checked "
            + (item["checked_on"] or "never"),
        )
        for item in conversions
    ]
    rows += [
        (f"source {item['source']}", f"last record {item['last_record']}, last ingest {item['last_ingest']}")
        for item in sources
    ]
    rows += [("quarantine", ", ".join(f"{count:,} {reason}" for reason, count in found.quarantine.items()) or "empty")]
    rows += [("closed through", found.closed_through or "nothing closed yet")]
    if found.archived_through:
        rows += [("archived through", f"{found.archived_through}, to {', '.join(found.archived_to)}")]
    rows += [("open months", ", ".join(found.open_months) or "none posted yet")]
    document = {
        "database": found.url,
        "timezone": found.zone,
        "requests": found.requests,
        "unbooked_tool_calls": found.unbooked_calls,
        "conversions": conversions,
        "conversion_notes": conversion_documents(found.conversion_notes),
        "sources": sources,
        "silent": silence_documents(found.silent),
        "quarantine": found.quarantine,
        "closed_through": found.closed_through,
        "archived_through": found.archived_through,
        "archived_to": list(found.archived_to),
        "open_months": list(found.open_months),
    }
    output.write(Sheet("Ledger", (Column("what"), Column("value")), rows, document=document))
    for silence in found.silent:
        note(silence_words(silence))
    for doubt in found.conversion_notes:
        note(conversion_words(doubt))
