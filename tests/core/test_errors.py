"""Every deliberate error, its code and its exit status."""

from __future__ import annotations

from gitcoord.core.errors import (
    GitcoordError,
)


def test_errors_are_all_listed() -> None:
    from gitcoord.core import errors

    named = {
        getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)
    }
    assert named - {GitcoordError} == set(errors.ERRORS)
