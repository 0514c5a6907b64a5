"""The schema's revision that this code works on."""

from __future__ import annotations

HEAD_REVISION = "0013"
