"""Sampled turns in a history: their tokens are used again while they say what the parsed message says.

A message that is rendered anew may get other tokens than the model sampled, since many token sequences spell one text.
The KV computed for the sampled ones could then not be used again. So an assistant message may carry them, as
`Message.raw`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Protocol

from ds4_core.chat.messages import Message, ToolCall
from ds4_core.chat.protocol import Sampled, Segment, Special
from ds4_core.chat.render import RawTurn
from ds4_core.errors import InvalidTokenError

#: What the tokens of a turn say, as an assistant message. The second argument says whether the turn was opened by
#: `<think>`. Ids of tool calls, which the tokens do not hold, are of no interest. None when they can not be understood.
ParseTurn = Callable[[Sequence[int], bool], Message | None]


class _Vocabulary(Protocol):
    def find_token(self, text: str, /) -> int | None: ...


def raw_turns(vocabulary: _Vocabulary, parse: ParseTurn) -> RawTurn:
    """The function that gives `render` the sampled tokens of a message, where they can stand for it.

    That is where they say the same as its fields, and are what one turn can be: no control token opens another turn in
    them, and they hold the tags of thinking exactly where the encoding would write them. So a history from outside can
    not use raw tokens to say what its fields do not.

    Args:
        vocabulary: Finds control tokens.
        parse: Reads a turn.
    """
    ids = {special: vocabulary.find_token(special.value) for special in Special}
    think_open, think_close, eos = ids[Special.THINK_OPEN], ids[Special.THINK_CLOSE], ids[Special.EOS]
    turn_ids = {ids[special] for special in (Special.BOS, Special.USER, Special.ASSISTANT, Special.LATEST_REMINDER)}
    never = (turn_ids | {eos, think_open}) - {None}

    def raw_turn(message: Message, thinks: bool) -> list[Segment] | None:
        tokens = message.raw
        if tokens is None:
            return None
        if tokens and tokens[-1] == eos:
            tokens = tokens[:-1]
        n_closes = tokens.count(think_close) if think_close is not None else 0
        if n_closes > thinks or not never.isdisjoint(tokens):
            return None
        try:
            parsed = parse(tokens, thinks)
        except InvalidTokenError:  # sampled with another vocabulary
            return None
        if parsed is None or not agrees(message, parsed):
            return None
        is_cut = thinks and not n_closes  # the answer ended while the model was thinking
        return [Sampled(tokens), *([Special.THINK_CLOSE] if is_cut else [])]

    return raw_turn


def agrees(message: Message, parsed: Message) -> bool:
    """Whether two assistant messages say the same: text, thinking, and calls but for their ids."""
    return (
        (message.content, message.reasoning, len(message.tool_calls))
        == (parsed.content, parsed.reasoning, len(parsed.tool_calls))
    ) and all(map(_same_call, message.tool_calls, parsed.tool_calls))


def _same_call(one: ToolCall, other: ToolCall) -> bool:
    return one.name == other.name and (
        one.arguments == other.arguments or _canonical(one.arguments) == _canonical(other.arguments)
    )


def _canonical(arguments: str) -> str:
    """JSON text without the freedom it has in blanks and escapes; order, and 1 against 1.0 or true, still count."""
    try:
        return json.dumps(json.loads(arguments))
    except (ValueError, RecursionError):
        return arguments
