"""Functions that take settings as keywords, with the names and types of their declarations."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import update_wrapper
from inspect import Parameter, Signature
from typing import Annotated, Any, ForwardRef, ParamSpec, TypeVar, get_origin

from edgenas.settings.declaration import Settings
from edgenas.settings.option import settings_of

P = ParamSpec("P")
S = TypeVar("S", bound=Settings)
R = TypeVar("R")


def taking(declaring: Callable[P, S]) -> Callable[[Callable[[S], R]], Callable[P, R]]:
    """Turn a function of settings into one of keywords, with the names and types of the declaring class.

    Its docstring gets an `Args` section from the declarations.
    """

    def decorate(function: Callable[[S], R]) -> Callable[P, R]:
        assert isinstance(declaring, type)
        signature = _signature(declaring, function)

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                near = _nearest(kwargs, signature)
                raise TypeError(f"{function.__name__}() {error}{near}") from None
            return function(declaring(*args, **kwargs))

        update_wrapper(call, function)
        call.__doc__ = _documented(function.__doc__ or "", declaring)
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__annotations__ = {"return": function.__annotations__.get("return")}
        return call

    return decorate


def _nearest(given: Mapping[str, Any], signature: Signature) -> str:
    """What an unknown keyword may have meant."""
    unknown = [name for name in given if name not in signature.parameters]
    near = difflib.get_close_matches(unknown[0], signature.parameters, n=1) if unknown else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _signature(declaring: type, function: Callable[..., Any]) -> Signature:
    parameters = [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY if field.kw_only else Parameter.POSITIONAL_OR_KEYWORD,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=_bare(field.type),
        )
        for field in fields(declaring)
    ]
    parameters.sort(key=lambda parameter: parameter.kind)
    return Signature(parameters, return_annotation=function.__annotations__.get("return"))


def _bare(annotation: Any) -> Any:
    """The type without its `Option`."""
    if get_origin(annotation) is not Annotated:
        return annotation
    bare = annotation.__origin__
    return bare.__forward_arg__ if isinstance(bare, ForwardRef) else bare


def _documented(doc: str, declaring: type[Settings]) -> str:
    body, raises, rest = doc.partition("\n    Raises:")
    lines = [f"        {setting.name}: {setting.option.help}" for setting in settings_of(declaring)]
    lines.append("        progress: called with the progress of each phase.")
    return "\n".join([body.rstrip(), "", "    Args:", *lines, raises + rest])
