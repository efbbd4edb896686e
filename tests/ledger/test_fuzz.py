"""Private files may be torn or forged: they are read or passed over."""

from __future__ import annotations
