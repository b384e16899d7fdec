"""A graph of nodes as a grammar for llguidance."""

from __future__ import annotations

import json
import re

from ds4_core.chat.nodes import ENDLESS, Alt, Control, Leaf, Lit, Node, Ref, Rep, Seq

#: So many texts to choose from are one terminal.
_MANY = 128
_JSON_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.0-9eE]+|true|false|null|, |: |[{}\[\]]')


def to_lark(root: Node, options: str = "") -> str:
    """The grammar of a graph that a `Syntax` has weighed, as llguidance reads it. What never ends is left out."""
    writer = _Lark()
    body = writer.rule(root)
    rules = [options, f"start: {body}"]
    while writer.todo:
        name, node = writer.todo.pop()
        rules.append(f"{name}: {writer.inner(node)}")
    return "\n".join([*rules, *writer.terminals, ""])


class _Lark:
    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.todo: list[tuple[str, Node]] = []
        self.terminals: list[str] = []
        self._by_text: dict[str, str] = {}

    def rule(self, node: Node) -> str:
        """How a node is written inside another one."""
        if isinstance(node, Lit):
            words = _JSON_WORDS.findall(node.text) if node.is_json else [node.text]
            return " ".join(map(_quoted, words))
        if isinstance(node, Control):
            return f"<[{node.token}]>"
        if isinstance(node, Leaf):
            return self._terminal(node)
        if isinstance(node, Ref):
            return self.rule(node.target)
        name = self.names.get(id(node))
        if name is None:
            name = self.names[id(node)] = f"r{len(self.names)}"
            self.todo.append((name, node))
        return name

    def inner(self, node: Node) -> str:
        """The right side of a node's own rule."""
        if isinstance(node, Seq):
            return " ".join(map(self.rule, node.parts)) or '""'
        if isinstance(node, Alt):
            if len(node.options) > _MANY and all(isinstance(option, Lit) for option in node.options):
                return self._texts(node)
            return " | ".join(self.rule(option) for option in node.options if option.least < ENDLESS)
        if not isinstance(node, Rep):
            return self.rule(node)
        if node.hi == 0 or node.item.least >= ENDLESS:
            return '""'
        item = self.rule(node.item)
        if node.between is None:
            return f"{item}{_times(node.lo, node.hi)}"
        more = f"({self.rule(node.between)} {item})"
        if not node.first:
            return f"{more}{_times(node.lo, node.hi)}"
        text = item if node.hi == 1 else f"{item} {more}{_times(max(0, node.lo - 1), node.hi and node.hi - 1)}"
        return text if node.lo else f"({text})?"

    def _terminal(self, leaf: Leaf) -> str:
        return self._named(leaf.lark, is_rule=leaf.is_rule)

    def _texts(self, node: Alt) -> str:
        """Many texts, as one terminal: alternatives of a rule are followed one by one, and their number has a limit."""
        return self._named(" | ".join(_quoted(option.text) for option in node.options if isinstance(option, Lit)))

    def _named(self, lark: str, *, is_rule: bool = False) -> str:
        name = self._by_text.get(lark)
        if name is None:
            name = self._by_text[lark] = f"{'t' if is_rule else 'T'}{len(self._by_text)}"
            self.terminals.append(f"{name}: {lark}")
        return name


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")  # which llguidance does not read as it is


def _times(lo: int, hi: int | None) -> str:
    if hi is None:
        return "*" if lo == 0 else "+" if lo == 1 else f"{{{lo},}}"
    return f"{{{lo},{hi}}}"
