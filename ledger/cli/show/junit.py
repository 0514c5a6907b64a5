"""JUnit XML of checks, which CI shows beside its tests."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.values.safe_text import visible

if TYPE_CHECKING:
    import junitparser

# XML 1.0 has no place for them; controls and lone surrogates are escaped already.
_NO_XML = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Case:
    """One check: `failures` make it fail, `notes` are shown with it either way."""

    name: str
    failures: Sequence[str] = ()
    notes: Sequence[str] = ()


def to_junit(name: str, suites: Sequence[tuple[str, Iterable[Case]]]) -> bytes:
    """The document of named suites; the same bytes for the same cases, so without times."""
    import junitparser

    document = junitparser.JUnitXml(xml_text(name))
    for suite_name, cases in suites:
        suite = junitparser.TestSuite(xml_text(suite_name))
        suite.add_testcases([_case(case, f"{name}.{suite_name}") for case in cases])
        document.append(suite)
    document.update_statistics()
    out = io.BytesIO()
    document.write(out)
    return out.getvalue() + b"\n"


def xml_text(text: str) -> str:
    """The text with characters escaped that XML can't hold or that move a cursor."""
    return _NO_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", visible(text))


def _case(case: Case, class_name: str) -> junitparser.TestCase:
    import junitparser

    element = junitparser.TestCase(xml_text(case.name), xml_text(class_name))
    element.result = [junitparser.Failure(xml_text(failure)) for failure in case.failures]
    if case.notes:
        element.system_out = "\n".join(map(xml_text, case.notes))
    return element
