"""Let tests write ids, tokens and oids as they are typed.

The package tells a task from an agent by ``NewType``. A test that calls it
writes ``"25"`` and ``"ada"``: this plugin of mypy lets outside callers, in
``tests`` and ``benchmarks``, pass a ``str`` where one of those types is
asked for. Everything else of a call is checked as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mypy.plugin import FunctionSigContext, MethodSigContext, Plugin
from mypy.types import (
    CallableType,
    FunctionLike,
    Instance,
    Type,
    TypeAliasType,
    TypeTranslator,
    UnionType,
)

IDS = "gitcoord.core.ids."
OUTSIDE = ("tests/", "benchmarks/")

Context = TypeVar("Context", FunctionSigContext, MethodSigContext)


class IdPlugin(Plugin):
    """Loosen the signatures of the package for those who call it from outside."""

    def get_function_signature_hook(
        self, fullname: str
    ) -> Callable[[FunctionSigContext], FunctionLike] | None:
        """Return what loosens a function of the package."""
        if fullname.startswith("gitcoord."):
            return _loosened
        return None

    def get_method_signature_hook(
        self, fullname: str
    ) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Return what loosens a method of the package."""
        if fullname.startswith("gitcoord."):
            return _loosened
        return None


class _Plain(TypeTranslator):
    """Put ``str`` in the place of its named kinds."""

    def visit_instance(self, t: Instance, /) -> Type:
        if t.type.is_newtype and t.type.fullname.startswith(IDS):
            return t.type.bases[0]
        plain = super().visit_instance(t)
        if plain == t:
            return t
        # A list of ids is not a list of texts: either may be passed.
        return UnionType([t, plain])

    def visit_callable_type(self, t: CallableType, /) -> Type:
        return t

    def visit_type_alias_type(self, t: TypeAliasType, /) -> Type:
        return t


def _loosened(context: Context) -> CallableType:
    signature = context.default_signature
    path = context.api.path
    if not path.startswith(OUTSIDE):
        return signature
    plain = _Plain()
    return signature.copy_modified(arg_types=[kind.accept(plain) for kind in signature.arg_types])


def plugin(_version: str) -> type[Plugin]:
    """Return the plugin, as mypy asks for it."""
    return IdPlugin
