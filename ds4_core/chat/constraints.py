"""From what a request asks of its answer - tools, a response format - to the guide of its generation."""

from __future__ import annotations

import json
import threading
import weakref
from collections import OrderedDict
from typing import Any

from ds4_core.chat import lark, patterns
from ds4_core.chat.course import Grammar
from ds4_core.chat.grammar_tools import calls_syntax
from ds4_core.chat.guide import Plan, PlanGuide
from ds4_core.chat.lark_writer import to_lark
from ds4_core.chat.nodes import Alt, Leaf, Lit, Node
from ds4_core.chat.request import ChatRequest
from ds4_core.chat.response_format import ResponseFormat
from ds4_core.chat.schema import Schemas
from ds4_core.chat.shapes import Part
from ds4_core.chat.syntax import Syntax
from ds4_core.chat.tools import Tool, choice_of
from ds4_core.chat.values import Values
from ds4_core.chat.vocabulary import Vocabulary, vocabulary_of
from ds4_core.errors import InvalidRequestError, UnsupportedError
from ds4_core.model import Model

__all__ = ["choice_of", "compile", "plan_of"]

_MAX_PLANS = 64
_MAX_ROW = 20_000  # ways to go on that llguidance follows at once
_lock = threading.Lock()
_plans: weakref.WeakKeyDictionary[Vocabulary, OrderedDict[str, Plan]] = weakref.WeakKeyDictionary()


def compile(  # noqa: A001 - what it does
    request: ChatRequest,
    model: Model,
    *,
    thinking: bool,
    tool_choice: Any = None,
    parallel_tool_calls: bool = True,
    strict: bool | None = None,
) -> PlanGuide | None:
    """The guide of a generation; None when nothing is asked of its answer.

    Args:
        request: With tools and response_format. Its max_tokens, when given, limits the guide.
        model: Whose vocabulary it is.
        thinking: The prompt ends in an open block of reasoning; the constraint begins after it.
        tool_choice: "auto" (text, or calls of tools; with a response format that, or calls), "none", "required" or
            "any", the name of a tool, or {"type": "function", "function": {"name": ...}}; None is "auto".
        parallel_tool_calls: Whether one answer may hold several calls.
        strict: Whether arguments have to fit the schemas of their tools; None is yes where a schema can be enforced.

    Raises:
        InvalidRequestError: An unknown tool, a grammar or a schema that is none, nothing that fits, or max_tokens below
            the shortest answer; the message has the number.
        UnsupportedError: A keyword of a schema, or another part, that can not be enforced.
    """
    choice = choice_of(tool_choice, request.tools)
    plan = plan_of(model, request.tools, request.response_format, choice, parallel=parallel_tool_calls, strict=strict)
    if plan is None:
        return None
    if thinking and plan.vocabulary.think_close is None:
        raise UnsupportedError(f"{model.path} has no </think> token, behind which a constraint could begin")
    guide = PlanGuide(plan, thinking=thinking)
    if request.max_tokens is not None:
        guide.limit(request.max_tokens)
    return guide


def plan_of(
    model: Model,
    tools: tuple[Tool, ...],
    response_format: ResponseFormat | None,
    choice: str,
    *,
    parallel: bool = True,
    strict: bool | None = None,
) -> Plan | None:
    """The compiled form of what is asked, from the cache if it was asked before."""
    if not tools and response_format is None:
        return None
    vocabulary = vocabulary_of(model)
    shown = None if response_format is None else (
        response_format.kind, response_format.schema, response_format.text, response_format.choices
    )  # fmt: skip
    asked = [[(tool.name, tool.parameters) for tool in tools], shown, choice, parallel, strict]
    key = json.dumps(asked, ensure_ascii=False)  # not sorted: the order of properties counts
    with _lock:
        known = _plans.setdefault(vocabulary, OrderedDict())
        if key in known:
            known.move_to_end(key)
            return known[key]

    def made(strict: bool | None) -> Plan:
        try:
            return _Compiler(vocabulary).plan(tools, response_format, choice, parallel=parallel, strict=strict)
        except RecursionError as error:
            raise UnsupportedError("what is asked for is nested too deeply to be enforced; use fewer levels") from error

    try:
        plan = made(strict)
    except (InvalidRequestError, UnsupportedError):
        if strict is not None or not tools:
            raise
        plan = made(False)  # each schema for itself can be enforced, and all together can not
    with _lock:
        known[key] = plan
        while len(known) > _MAX_PLANS:
            known.popitem(last=False)
    return plan


class _Compiler:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def plan(
        self,
        tools: tuple[Tool, ...],
        response_format: ResponseFormat | None,
        choice: str,
        *,
        parallel: bool,
        strict: bool | None,
    ) -> Plan:
        vocabulary = self._vocabulary
        if choice.startswith("="):
            tools = tuple(tool for tool in tools if tool.name == choice[1:])
        elif choice == "none":
            tools = ()
        dsml = vocabulary.dsml
        if tools and dsml is None:
            raise UnsupportedError("the model has no token that opens tool calls, so that it can not be held to them")
        if not tools or dsml is None:
            whole = None if response_format is None else self._grammar(_format_syntax(response_format))
            return Plan(vocabulary, whole, None)

        def block(*, opened: bool) -> Node:
            return calls_syntax(tools, dsml, parallel=parallel, strict=strict, opened=opened)

        if choice != "auto":
            return Plan(vocabulary, self._grammar(block(opened=False)), None)
        if response_format is None:
            return Plan(vocabulary, None, self._grammar(block(opened=True)))
        return Plan(vocabulary, self._grammar(Alt((_format_syntax(response_format), block(opened=False)))), None)

    def _grammar(self, root: Node) -> Grammar:
        from llguidance import LLMatcher, LLParserLimits

        vocabulary = self._vocabulary
        syntax = Syntax(root, vocabulary.spell, vocabulary.prices)
        limits = LLParserLimits(max_items_in_row=_MAX_ROW, step_max_items=10 * _MAX_ROW)
        matcher = LLMatcher(vocabulary.tokenizer, to_lark(root), log_level=0, limits=limits)
        if matcher.is_error():
            raise InvalidRequestError(f"llguidance does not take what is asked for: {matcher.get_error():.1000}")
        best = min(syntax.start, key=syntax.cost)
        way = (*self._fewer(syntax.way(best)), vocabulary.eos)
        if matcher.validate_tokens(list(way)) != len(way):
            raise InvalidRequestError(
                "what is asked for can not be followed: llguidance does not take the shortest answer, "
                f"{vocabulary.show(way[:-1])!r:.500}; it reads the longest terminal that it can, so that none may "
                "swallow what has to follow it"
            )
        trial = matcher.deep_copy()
        if not trial.consume_tokens(list(way)):
            raise UnsupportedError(f"what is asked for is too large: {trial.get_error():.300}")
        return Grammar(vocabulary, matcher, syntax, way)

    def _fewer(self, way: tuple[int, ...]) -> tuple[int, ...]:
        """The same text with the fewest tokens."""
        vocabulary = self._vocabulary
        out: list[int] = []
        text = b""
        for token in way:
            if vocabulary.texts[token]:
                text += vocabulary.texts[token]
                continue
            out += [*vocabulary.spell(text), token]
            text = b""
        return (*out, *vocabulary.spell(text))


def _format_syntax(response_format: ResponseFormat) -> Node:
    kind = response_format.kind
    if kind == "choice":
        return Alt(Lit(choice, is_json=False) for choice in response_format.choices)
    if kind == "regex":
        tree = patterns.read(response_format.text, search=False)
        machine = patterns.Pattern(tree)
        if not machine.start:
            raise InvalidRequestError(f"no text fits the regular expression {response_format.text!r:.200}")
        return Leaf(machine, f"/{patterns.write(tree)}/")
    if kind == "lark":
        return lark.read(response_format.text)
    schema = {"type": "object"} if kind == "json_object" else response_format.schema
    schemas = Schemas(schema, "the schema of the response format")
    return Values(schemas).value((Part(schema, "#"),))
