"""Hash with what the interpreter has built in, which loads at once.

``hashlib`` loads OpenSSL first, a tenth of what a whole command may cost.
Only interpreters that were built without these go that way. The hashes are
git's: names of contents, not secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["Hash", "hash_of", "sha1", "sha256"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash, sha1, sha256

    Hash = Callable[[bytes], _Hash]
else:
    try:
        from _sha1 import sha1

        try:
            from _sha2 import sha256
        except ImportError:
            from _sha256 import sha256
    except ImportError:
        from functools import partial
        from hashlib import sha1 as _sha1
        from hashlib import sha256

        sha1 = partial(_sha1, usedforsecurity=False)


def hash_of(algorithm: str) -> Hash:
    """Return the hash that names a repository's objects."""
    if algorithm == "sha256":
        return sha256
    return sha1
