"""Lark grammars as syntax: rules, terminals, texts, regular expressions, groups, repetitions and inline JSON schemas.

What else llguidance's dialect has (lexer options, `&` and `~` in terminals, tokens by number, imports, parameters) is
refused by name: how far the end is could not be told.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ds4_core.chat import patterns
from ds4_core.chat.nodes import Alt, Leaf, Lit, Node, Ref, Rep, Seq
from ds4_core.chat.patterns import Tree
from ds4_core.chat.schema import Schemas
from ds4_core.chat.shapes import Part
from ds4_core.chat.values import Values
from ds4_core.errors import InternalError, InvalidRequestError, UnsupportedError

_WHERE = "the lark grammar"
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|(?://|\#)[^\n]*|\n[ \t\r\n]*(?=[|]))
    |(?P<newline>\n)
    |(?P<text>"(?:[^"\\\n]|\\.)*")(?P<i>i?)
    |(?P<regex>/(?:[^/\\\n]|\\.)+/)(?P<flags>[a-z]*)
    |(?P<json>%json\b)
    |(?P<directive>%[a-z]+)
    |(?P<name>[!?]?_?[A-Za-z][A-Za-z0-9_-]*)
    |(?P<count>~[ ]*\d+(?:[ ]*\.\.[ ]*\d+)?|\{\d*(?:,\d*)?\})
    |(?P<op>[:|()\[\]?*+])
    |(?P<other>.)""",
    re.X,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int
    value: Any = None


def read(grammar: str) -> Node:
    """The syntax of a grammar; the whole is its rule `start`.

    Raises:
        InvalidRequestError: It can not be read, a name is not defined, or there is no rule `start`.
        UnsupportedError: It has something that is not supported.
    """
    return _Reader(grammar).root()


class _Reader:
    def __init__(self, grammar: str) -> None:
        self._tokens = _split(grammar)
        self._at = 0
        self._rules: dict[str, Any] = {}
        self._refs: dict[str, Ref] = {}
        self._trees: dict[str, Tree | None] = {}
        while self._peek().kind != "end":
            if self._peek().kind == "newline":
                self._at += 1
                continue
            self._definition()
        if "start" not in self._rules:
            raise InvalidRequestError(f"{_WHERE} has no rule 'start'")

    def root(self) -> Node:
        return self._rule("start").target

    # -- reading -------------------------------------------------------------------------------------------------------

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _wrong(self, token: _Token, what: str) -> InvalidRequestError:
        shown = "its end" if token.kind == "end" else repr(token.text)
        return InvalidRequestError(f"{_WHERE} has {shown} in line {token.line}: {what}")

    def _definition(self) -> None:
        token = self._next()
        if token.kind == "directive":
            raise UnsupportedError(f"{_WHERE} has {token.text} in line {token.line}, which is not supported")
        if token.kind != "name":
            raise self._wrong(token, "a rule begins with its name")
        name = token.text.lstrip("!?")
        if self._peek().text != ":":
            raise self._wrong(
                self._peek(), f"':' is expected after the name {name}; options of rules are not supported"
            )
        self._at += 1
        if name in self._rules:
            raise self._wrong(token, "it is defined twice")
        self._rules[name] = self._options()
        if self._peek().kind not in ("newline", "end"):
            raise self._wrong(self._peek(), "the end of the rule is expected")

    # Expressions: ("alt", [..]) ("cat", [..]) ("rep", e, lo, hi) ("text", s) ("regex", s) ("name", s) ("json", schema)

    def _options(self) -> Any:
        options = [self._sequence()]
        while self._peek().text == "|":
            self._at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else ("alt", options)

    def _sequence(self) -> Any:
        parts = []
        while (token := self._peek()).kind in ("text", "regex", "name", "json") or token.text in ("(", "["):
            parts.append(self._counted())
        return parts[0] if len(parts) == 1 else ("cat", parts)

    def _counted(self) -> Any:
        one = self._atom()
        while (token := self._peek()).kind == "count" or token.text in ("?", "*", "+"):
            self._at += 1
            one = ("rep", one, *_count(token))
        return one

    def _atom(self) -> Any:
        token = self._next()
        if token.text in ("(", "["):
            inner = self._options()
            if (closing := self._next()).text != (")" if token.text == "(" else "]"):
                raise self._wrong(closing, "a closing bracket is expected")
            return inner if token.text == "(" else ("rep", inner, 0, 1)
        return (token.kind, token.value if token.kind == "json" else token.text)

    # -- meaning -------------------------------------------------------------------------------------------------------

    def _rule(self, name: str) -> Ref:
        if name not in self._rules:
            raise InvalidRequestError(f"{_WHERE} uses {name!r}, which it does not define")
        ref = self._refs.get(name)
        if ref is None:
            ref = self._refs[name] = Ref(name)
            ref.target = self._terminal(name) if name.isupper() else self._node(self._rules[name])
        return ref

    def _terminal(self, name: str) -> Node:
        return _leaf(self._tree(("name", name)))

    def _node(self, expr: Any) -> Node:
        kind = expr[0]
        if kind == "alt":
            return Alt(map(self._node, expr[1]))
        if kind == "cat":
            return Seq(map(self._node, expr[1]))
        if kind == "rep":
            return Rep(self._node(expr[1]), None, expr[2], expr[3])
        if kind == "text":
            text = _text(expr[1])
            return Lit(text, is_json=False) if text else Seq(())
        if kind == "regex":
            return _leaf(self._tree(expr))
        if kind == "json":
            return Values(Schemas(expr[1], f"{_WHERE}'s %json")).value((Part(expr[1], "#"),))
        return self._rule(expr[1])

    def _tree(self, expr: Any) -> Tree:
        kind = expr[0]
        if kind in ("alt", "cat"):
            return (kind, tuple(map(self._tree, expr[1])))
        if kind == "rep":
            return ("rep", self._tree(expr[1]), expr[2], expr[3])
        if kind == "text":
            return patterns.literal(_text(expr[1]))
        if kind == "regex":
            return patterns.read(expr[1][1:-1].replace("\\/", "/"), search=False)
        if kind == "json":
            raise UnsupportedError(f"{_WHERE} has %json in a terminal; it belongs in a rule, whose name is lower case")
        name = expr[1]
        if name not in self._rules or not name.isupper():
            raise InvalidRequestError(f"{_WHERE} uses {name!r} in a terminal: there can only be other terminals in it")
        if name in self._trees and self._trees[name] is None:
            raise InvalidRequestError(f"{_WHERE} has the terminal {name!r}, which holds itself")
        if name not in self._trees:
            self._trees[name] = None
            self._trees[name] = self._tree(self._rules[name])
        return self._trees[name] or patterns.literal("")


def _leaf(tree: Tree) -> Leaf:
    machine = patterns.Pattern(tree)
    written = patterns.write(tree)
    if not machine.start:
        raise InvalidRequestError(f"{_WHERE} has the expression /{written:.200}/, which nothing fits")
    return Leaf(machine, f"/{written}/")


def _text(quoted: str) -> str:
    try:
        text: str = json.loads(quoted)
    except ValueError as error:
        raise InvalidRequestError(f"{_WHERE} has the text {quoted:.80}, whose escapes are not those of JSON") from error
    return text


def _count(token: _Token) -> tuple[int, int | None]:
    if token.text in ("?", "*", "+"):
        return (1 if token.text == "+" else 0), (1 if token.text == "?" else None)
    numbers = re.findall(r"\d+", token.text)
    hi: int | None
    if token.text.startswith("~"):
        lo, hi = int(numbers[0]), int(numbers[-1])
    else:
        low, comma, high = token.text[1:-1].partition(",")
        lo, hi = int(low or 0), (int(high) if high else None) if comma else int(low or 0)
    if hi is not None and lo > hi:
        raise InvalidRequestError(f"{_WHERE} has {token.text} in line {token.line}: the first number is the larger one")
    return lo, hi


def _split(grammar: str) -> list[_Token]:
    out: list[_Token] = []
    at, line = 0, 1
    while at < len(grammar):
        match = _TOKEN.match(grammar, at)
        if match is None:
            raise InternalError("a character that no token begins with")
        text, begin = match.group(), line
        kind = match.lastgroup or ""
        kind = "text" if match["text"] else "regex" if match["regex"] else kind
        at = match.end()
        line += text.count("\n")
        if kind == "space":
            continue
        if kind == "other" or match["i"] or match["flags"]:
            raise UnsupportedError(f"{_WHERE} has {text!r} in line {begin}, which is not supported")
        value = None
        if kind == "json":
            while at < len(grammar) and grammar[at].isspace():
                line += grammar[at] == "\n"
                at += 1
            try:
                value, end = json.JSONDecoder().raw_decode(grammar, at)
            except ValueError as error:
                what = f"{_WHERE} has %json in line {begin}, and no JSON after it: {error}"
                raise InvalidRequestError(what) from error
            line += grammar.count("\n", at, end)
            at = end
        out.append(_Token(kind, text, begin, value))
    return [*out, _Token("end", "", line)]
