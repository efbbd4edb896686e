from __future__ import annotations

import errno
import os

import pytest

from gitcoord.host.remedies import remedy


@pytest.mark.parametrize(
    ("said", "step"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "make room"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "make room"),
        (OSError(errno.EACCES, os.strerror(errno.EACCES)), "who owns"),
        (OSError(errno.EPERM, os.strerror(errno.EPERM)), "who owns"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "who owns"),
        ("error: insufficient permission for adding an object to repository", "who owns"),
        ("fatal: Unable to create '.git/index.lock': File exists.", "another git"),
        ("fatal: unknown repository extension found: foo", "put right what it says"),
    ],
)
def test_the_next_step_fits_what_was_said(said: object, step: str) -> None:
    assert step in remedy(said)
