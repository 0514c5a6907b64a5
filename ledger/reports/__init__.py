"""Reports: sums read from the roll-ups or the charges, and the table made of them."""

from __future__ import annotations

from ledger.reports.report import ReportOptions, run_report
from ledger.reports.table import Report, ReportColumn, build_report, report_columns

__all__ = ["Report", "ReportColumn", "ReportOptions", "build_report", "report_columns", "run_report"]
