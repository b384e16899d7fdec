"""What the adapters have in common about engines: which one to use, what it is called, what an answer depends on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ds4_core.engine import Engine
from ds4_core.errors import DS4Error, InvalidRequestError, ModelFileError
from ds4_core.models import catalogue
from ds4_core.registry import file_identity

#: Options of an adapter that decide which native engine it uses, beside the model, with their defaults.
LOAD_OPTIONS: dict[str, Any] = {
    "backend": "auto",
    "n_threads": 0,
    "exact": False,
    "kv_dtype": "auto",
    "kv_bytes_max": 0,
    "checkpoint_bytes_max": 0,
    "prefix_bytes_max": 2**30,
    "max_running": 64,
    "max_queue": None,
    "cache_dir": None,
    "cache_bytes_max": 2**33,
}

DEFAULT_MODEL = "ds4-tiny"
#: The environment variable that names another model for adapters that are told none.
MODEL_VARIABLE = "DS4_MODEL_PATH"

FileIdentity = tuple[tuple[str, int, int], ...]


def default_model() -> str:
    """The model of an adapter that is told none: what the environment variable `DS4_MODEL_PATH` says, or ds4-tiny."""
    return os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL


def model_as_str(model: Any) -> Any:
    """A path object as the string that means the same file; anything else is returned as it is.

    A bare name gets the current folder in front, as a string without one may be a name of the catalogue.
    """
    if not isinstance(model, os.PathLike):
        return model
    path = os.fspath(model)
    return path if not isinstance(path, str) or os.path.dirname(path) else os.path.join(os.curdir, path)


def check_numbers(values: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Refuses True and False for options that are numbers, which pydantic would read as 1 and 0.

    Raises:
        InvalidRequestError: One of `names` is a bool in `values`.
    """
    for name in names:
        if isinstance(values.get(name), bool):
            raise InvalidRequestError(f"{name} is {values[name]!r}: it must be a number")


def check_engine_options(model: str, options: Mapping[str, Any], engine: Engine | None) -> None:
    """Checks what an adapter was constructed with. Opens nothing, and lets a file that is not there pass.

    Raises:
        InvalidRequestError: A load option out of range, or set although a ready engine is given, which has its own.
    """
    if engine is None:
        try:
            Engine(model, **options)
        except ModelFileError:
            return  # the first call tells, when the file is needed
        return
    given = {"model": model, **options}
    for name, default in {"model": default_model(), **LOAD_OPTIONS}.items():
        if given[name] != default:
            raise InvalidRequestError(
                f"{name}={given[name]!r} has no effect beside engine={engine!r}, which has its own; leave {name} out"
            )


def state_without_opened(state: Mapping[Any, Any]) -> dict[Any, Any]:
    """What an adapter pickles: its pydantic state but for the engine it opened; whoever unpickles opens its own."""
    return {**state, "__pydantic_private__": {**(state["__pydantic_private__"] or {}), "_opened": None}}


def memo_sharing(memo: dict[int, Any] | None, *engines: Engine | None) -> dict[int, Any]:
    """The memo of a deep copy in which these engines stand for themselves: an engine is shared, never copied."""
    memo = {} if memo is None else memo
    memo.update({id(engine): engine for engine in engines if engine is not None})
    return memo


def model_name(model: str, engine: Engine | None) -> str:
    """What to call the model in answers: as it was given, or for a ready engine its catalogue name or its path."""
    if engine is None:
        return model
    for name in catalogue.names():
        try:
            if catalogue.resolve(name) == engine.path:
                return name
        except DS4Error:  # a catalogue file that is missing from the package
            continue
    return engine.path


def identity(model: str, options: Mapping[str, Any], engine: Engine | None) -> dict[str, Any]:
    """Everything about the model that an answer depends on: its name, its load options, and which file it is."""
    if engine is not None:
        own = engine._options
        options = {field.name: getattr(own, field.name) for field in fields(own) if field.name != "path"}
    return {"model": model_name(model, engine), **options, "file": _file(model, engine)}


def _file(model: str, engine: Engine | None) -> FileIdentity | None:
    try:
        return file_identity(engine.path if engine is not None else catalogue.resolve(model))
    except DS4Error:
        return None  # the call itself will say what is wrong with the file
