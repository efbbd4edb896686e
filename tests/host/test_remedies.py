from __future__ import annotations

import errno
import os

import pytest

from gitcoord.host.remedies import is_of_the_system, remedy


@pytest.mark.parametrize(
    ("said", "step"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "make room"),
        ("fatal: sha1 file 'own.pack' write error. Out of diskspace", "make room"),
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


@pytest.mark.parametrize(
    ("said", "is_so"),
    [
        ("fatal: sha1 file 'own.pack' write error: Input/output error", True),
        ("fatal: sha1 file 'own.pack' write error. Out of diskspace", True),
        ("fatal: Out of memory, malloc failed (tried to allocate 1 bytes)\n", True),
        ("error: object 12: gitmodulesUrl: disallowed submodule url: Out of memory", False),
        ("fatal: unable to read 3b18e512dba79e4c8300dd08aeb37f8e728b8dad", False),
        ("", False),
    ],
)
def test_an_error_of_the_system_is_told_from_one_about_an_object(said: str, *, is_so: bool) -> None:
    assert is_of_the_system(said) is is_so
