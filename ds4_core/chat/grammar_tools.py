"""Tool calls as syntax: the block of calls exactly as the encoding writes it, with the arguments that schemas allow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from ds4_core.chat import patterns
from ds4_core.chat.nodes import Alt, Control, Leaf, Lit, Node, Rep, Seq
from ds4_core.chat.schema import Schemas
from ds4_core.chat.shapes import Conj, Fixed, Object, Part, Shape, Text, anything
from ds4_core.chat.tools import Tool
from ds4_core.chat.values import Values, raw_text
from ds4_core.errors import InvalidRequestError, UnsupportedError

#: What a block begins with, before the marker.
OPENING = "\n\n<"
_NO_NAME = re.compile(r'["“”„‟＂<>\x00-\x1f\x7f]|^\s*$')  # noqa: RUF001 - the quotes that close an attribute
_NAME = patterns.read(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", search=False)
#: Where names of parameters may stand, or be let in, beside "properties".
_ELSEWHERE = ("$ref", "allOf", "anyOf", "oneOf", "additionalProperties", "patternProperties")
_ANYTHING: Conj = (Part(True, "#"),)


def calls_syntax(tools: Sequence[Tool], dsml: int, *, parallel: bool, strict: bool | None, opened: bool) -> Node:
    """A block with at least one call.

    Args:
        tools: Those that may be called.
        dsml: Id of the marker.
        parallel: Whether there may be several calls.
        strict: Whether the arguments fit the schemas; otherwise they have the known names, those that are required are
            there, texts are raw and other values any JSON. A schema without "properties" that may have some elsewhere
            leaves the names free. None is strict for every tool whose schema can be enforced.
        opened: The first marker has been written.

    Raises:
        UnsupportedError: A schema has something that can not be enforced, and strict is True.
    """
    mark = Control(dsml)
    call = Alt(_call(tool, mark, strict=strict) for tool in tools)
    more = Rep(Seq((_plain("\n<"), mark, call)), None, 0, None if parallel else 0)
    opening = () if opened else (_plain(OPENING), mark)
    return Seq((*opening, _plain("tool_calls>\n<"), mark, call, more, _plain("\n</"), mark, _plain("tool_calls>")))


def _plain(text: str) -> Lit:
    return Lit(text, is_json=False)


def _call(tool: Tool, mark: Node, *, strict: bool | None) -> Node:
    try:
        arguments = _Arguments(tool, mark, strict=strict is not False).node()
    except (UnsupportedError, InvalidRequestError, RecursionError):
        if strict:
            raise
        arguments = _Arguments(tool, mark, strict=False).node()
    head = f'invoke name="{tool.name}">\n'
    return Seq((_plain(head), arguments, _plain("\n</"), mark, _plain("invoke>")))


class _Arguments:
    """The parameters of one call."""

    def __init__(self, tool: Tool, mark: Node, *, strict: bool) -> None:
        self._where = f"the parameters of tool {tool.name!r}"
        self._mark, self._strict = mark, strict
        self._schemas = Schemas(tool.parameters, self._where)
        self._values = Values(self._schemas)
        self._free = Values(Schemas({}, self._where))
        self._root: Conj = (Part(tool.parameters, "#"),)

    def node(self) -> Node:
        if not self._strict:
            return self._loose()
        shapes = self._schemas.shapes(self._root) if self._root[0][0] else [Object()]
        objects = [shape for shape in shapes if isinstance(shape, Object)]
        if not objects:
            raise InvalidRequestError(f"{self._where} allow no object; arguments are always one")
        if any(shape.extra is not None and not shape.closed for shape in objects):
            raise UnsupportedError(
                f"{self._where} have the keyword 'additionalProperties' at #, which can not be enforced for the "
                "arguments themselves: leave it out, or set it to false, or set strict=False"
            )
        options = [self._parameters(shape) for shape in objects]
        return options[0] if len(options) == 1 else Alt(options)

    def _loose(self) -> Node:
        schema = self._root[0][0]
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if "properties" not in schema and any(schema.get(key) for key in _ELSEWHERE):
            return self._any()
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise InvalidRequestError(
                f"{self._where} are no JSON schema: properties must be an object, required a list"
            )
        parts = tuple((name, (Part(one, f"#/properties/{name}"),)) for name, one in properties.items())
        return self._parameters(Object(parts, tuple(name for name in required if isinstance(name, str))))

    def _any(self) -> Node:
        """Parameters of any names, which the schema does not list in one place."""
        name = Leaf(patterns.Pattern(_NAME), f"/{patterns.write(_NAME)}/")
        values = self._free.union([shape for shape in anything() if not _is_text(shape)], "#")
        text = Seq((_plain('" string="true">'), *self._raw([Text()])))
        other = Seq((_plain('" string="false">'), values, _plain("</")))
        one = Seq((self._mark, _plain('parameter name="'), name, Alt((text, other)), self._mark, _plain("parameter>")))
        more = Rep(Seq((_plain("\n<"), one)), None, 0, None)
        return Alt((Seq((_plain("<"), one, more)), Seq(())))

    def _parameters(self, shape: Object) -> Node:
        known = dict(shape.properties)
        names = [*known, *(name for name in shape.required if name not in known)]
        memo: dict[tuple[int, bool], Node] = {}

        def rest(index: int, first: bool) -> Node:
            if (index, first) not in memo:
                memo[index, first] = made(index, first)
            return memo[index, first]

        def made(index: int, first: bool) -> Node:
            if index == len(names):
                return Seq(())
            name = names[index]
            conj = known.get(name, _ANYTHING)
            required = name in shape.required
            if self._strict and not required and not self._schemas.shapes(conj):
                return rest(index + 1, first)
            one = Seq((_plain("<" if first else "\n<"), self._mark, self._parameter(name, conj)))
            if required:
                return Seq((one, rest(index + 1, False)))
            if first:
                return Alt((Seq((one, rest(index + 1, False))), rest(index + 1, True)))
            return Seq((Alt((one, Seq(()))), rest(index + 1, False)))

        return rest(0, True)

    def _parameter(self, name: str, conj: Conj) -> Node:
        if _NO_NAME.search(name):
            raise UnsupportedError(
                f"{self._where} have one with the name {name!r:.80}, which a tag can not hold: no quotes, '<', '>' or "
                "control characters"
            )
        shapes = self._schemas.shapes(conj) if self._strict else _loosened(conj)
        texts = [shape for shape in shapes if _is_text(shape)]
        others = [shape for shape in shapes if not _is_text(shape)]
        options: list[Node] = []
        if texts:
            text = Alt(self._raw(texts))
            options.append(Seq((_plain(f'parameter name="{name}" string="true">'), text)))
        if others:
            values = self._values if self._strict else self._free
            value = values.union(others, conj[-1][1])
            options.append(Seq((_plain(f'parameter name="{name}" string="false">'), value, _plain("</"))))
        if not options:
            raise InvalidRequestError(f"{self._where}: no value fits the schema of {name!r:.80}")
        either = options[0] if len(options) == 1 else Alt(options)
        return Seq((either, self._mark, _plain("parameter>")))

    def _raw(self, shapes: Iterable[Shape]) -> Iterable[Node]:
        for shape in shapes:
            if isinstance(shape, Text):
                yield raw_text(shape, "</", self._where)
            elif isinstance(shape, Fixed):
                yield _plain(_decoded(shape.text) + "</")


def _is_text(shape: Shape) -> bool:
    return isinstance(shape, Text) or (isinstance(shape, Fixed) and shape.text.startswith('"'))


def _decoded(text: str) -> str:
    value: str = json.loads(text)
    return value


def _loosened(conj: Conj) -> list[Shape]:
    """What a value may be when only its kind counts: a text, anything else, or both."""
    schema = conj[0][0]
    kinds = schema.get("type") if isinstance(schema, dict) else None
    kinds = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else None
    if not kinds or not all(isinstance(kind, str) for kind in kinds):
        return anything()
    has_text, has_other = "string" in kinds, any(kind != "string" for kind in kinds)
    return [shape for shape in anything() if (has_text if isinstance(shape, Text) else has_other)] or anything()
