"""What an answer must look like: the forms a response format is given in, as one type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ds4_core.chat.messages import to_json
from ds4_core.errors import InvalidRequestError

FormatKind = Literal["json_object", "json_schema", "regex", "lark", "choice"]
FORMAT_KINDS: tuple[str, ...] = get_args(FormatKind)

#: What a JSON schema may begin with, beside "type": a dict without "type" needs one of these to be taken for one.
_SCHEMA_KEYS = frozenset(
    "$schema $ref $defs properties items prefixItems enum const anyOf oneOf allOf additionalProperties required".split()
)
_SCHEMA_TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean", "null"))


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """What an answer must look like.

    Attributes:
        kind: "json_object" is any JSON object; "json_schema" JSON that fits `schema`; "regex" and "lark" text that fits
            the pattern or the grammar in `text`; "choice" one of `choices`.
        schema: The JSON schema, for "json_schema".
        text: The regular expression or the Lark grammar.
        choices: The texts to choose from.

    Raises:
        InvalidRequestError: An unknown kind, or a value that is missing or of another type.
    """

    kind: FormatKind
    schema: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in FORMAT_KINDS:
            raise InvalidRequestError(
                f"the response format has the kind {self.kind!r:.80}; known kinds: {', '.join(FORMAT_KINDS)}"
            )
        if not isinstance(self.schema, dict):
            raise InvalidRequestError(f"the schema of the response format is {self.schema!r:.80}: it must be a dict")
        if not isinstance(self.text, str) or (self.kind in ("regex", "lark") and not self.text):
            raise InvalidRequestError(
                f"the {self.kind} of the response format is {self.text!r:.80}: it must be a str, not empty"
            )
        choices = self.choices
        if not isinstance(choices, tuple | list) or not all(isinstance(choice, str) and choice for choice in choices):
            raise InvalidRequestError(
                f"the choices of the response format are {choices!r:.80}: they must be a list of texts, none empty"
            )
        if self.kind == "choice" and not choices:
            raise InvalidRequestError("the response format has no choices; give at least one text")
        object.__setattr__(self, "choices", tuple(dict.fromkeys(choices)))

    @property
    def prompt_schema(self) -> dict[str, Any] | None:
        """The schema a prompt shows the model; None when the format has none and the prompt says nothing."""
        if self.kind == "json_schema":
            return self.schema
        return {"type": "object"} if self.kind == "json_object" else None


def as_response_format(value: Any) -> ResponseFormat | None:
    """A response format from the forms it is given in; None, and {"type": "text"}, are none.

    Args:
        value: A ResponseFormat; {"type": "json_object"}; {"type": "json_schema", "json_schema": {"schema": ...}};
            {"type": "regex", "regex": ...}; {"type": "lark", "lark": ...}; {"type": "choice", "choice": [...]}; a JSON
            schema; a pydantic model class.

    Raises:
        InvalidRequestError: Another shape, or a schema that JSON can not hold.
    """
    if value is None or isinstance(value, ResponseFormat):
        return value
    if isinstance(value, type) and callable(schema_of := getattr(value, "model_json_schema", None)):
        return ResponseFormat("json_schema", schema=_copied(schema_of()))
    if not isinstance(value, Mapping):
        raise InvalidRequestError(
            f"response_format={value!r:.80}: it must be a ResponseFormat, a dict or a pydantic model class"
        )
    kind = value.get("type")
    if kind == "text":
        return None
    if kind == "json_schema":
        wrapper = value.get("json_schema")
        schema = wrapper.get("schema") if isinstance(wrapper, Mapping) else None
        if not isinstance(schema, Mapping):
            raise InvalidRequestError(
                f"response_format={value!r:.80}: its json_schema must be a dict with the JSON schema under 'schema'"
            )
        return ResponseFormat("json_schema", schema=_copied(schema))
    if isinstance(kind, str) and kind in FORMAT_KINDS:
        for key in value:
            if key != "type" and (key != kind or kind == "json_object"):
                raise InvalidRequestError(f"response_format has the key {key!r}, which a {kind} does not have")
        if kind == "json_object":
            return ResponseFormat("json_object")
        if kind == "choice":
            choices = value.get(kind)
            return ResponseFormat("choice", choices=() if choices is None else choices)
        return ResponseFormat(kind, text=value.get(kind))  # type: ignore[arg-type] # checked there
    is_schema = not _SCHEMA_KEYS.isdisjoint(value) if kind is None else _is_schema_type(kind)
    if not is_schema:
        raise InvalidRequestError(
            f"response_format={value!r:.80}: it must be a JSON schema, or have one of the types text, "
            f"{', '.join(FORMAT_KINDS)}"
        )
    return ResponseFormat("json_schema", schema=_copied(value))


def _is_schema_type(kind: Any) -> bool:
    kinds = kind if isinstance(kind, list | tuple) else [kind]
    return bool(kinds) and all(isinstance(one, str) and one in _SCHEMA_TYPES for one in kinds)


def _copied(schema: Mapping[str, Any]) -> dict[str, Any]:
    # Written and read back, so that a later change of the caller's dict changes nothing here.
    copy: dict[str, Any] = json.loads(to_json(schema, "the JSON schema of response_format"))
    return copy
