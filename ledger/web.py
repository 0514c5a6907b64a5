"""HTTP as rooms that send share it: no wait longer than can be spared, and failures in words without an address."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import requests
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from ledger.logs import logger_of

LOG = logger_of("web")
MAX_WAIT_SECONDS = 60


class PatientRetry(Retry):
    """Waits as long as the host asks for, but no longer than a job can spare."""

    # GitHub tells its secondary rate limit by 403 with Retry-After.
    RETRY_AFTER_STATUS_CODES = frozenset({403, 429, 503})

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, MAX_WAIT_SECONDS)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Counts an attempt that failed; raises once there are enough."""
        left = super().increment(method, url, response, error, _pool, _stacktrace)
        reason = type(error).__name__ if response is None else f"status {response.status}"
        LOG.info("%(method)s is tried again: %(reason)s", {"method": method, "reason": reason})
        return left


def failure_words(error: requests.RequestException | HTTPError) -> str:
    """Returns what went wrong; the exception's own words may hold what an address does: a password."""
    if isinstance(error, requests.exceptions.SSLError):
        return "has a certificate that isn't trusted here: set REQUESTS_CA_BUNDLE to a file of the right ones"
    if isinstance(error, requests.exceptions.ProxyError):
        return "can't be reached through the proxy that HTTPS_PROXY or HTTP_PROXY names"
    if isinstance(error, requests.Timeout):
        return "doesn't answer in time"
    if isinstance(error, requests.ConnectionError):
        return "can't be reached, or ended the connection"
    return f"can't be asked ({type(error).__name__})"
