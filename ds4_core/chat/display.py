"""What a notebook shows of an answer: HTML without scripts in which everything the model wrote is escaped.

`ChatResult._repr_html_` is `result_html`. `heat_map` also takes log-probabilities in OpenAI's form, as frameworks carry
them: `IPython.display.HTML(heat_map(message.response_metadata["logprobs"]))` shows those of a LangChain message.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ds4_core.chat.events import ChatResult, GeneratedToolCall, TokenLogprob

#: Tokens that a heat map shows; a note says how many more there are.
MAX_TOKENS = 4000

#: Alternatives in the text that appears over a token.
_MAX_ALTERNATIVES = 8

_PRE = "white-space:pre-wrap;overflow-wrap:anywhere"
_SMALL = "font-size:85%;opacity:.75"
_CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"
#: Style of a token by what it belongs to, beside its colour.
_SECTIONS = {
    "reasoning": "font-style:italic",
    "tool": "border-bottom:1px dotted",
    "eos": "opacity:.6",
    "forced": "opacity:.6;border-bottom:1px dashed",
}


class _Token(NamedTuple):
    # One token of either form: its bytes, its log-probability, the likeliest ones, what it belongs to.
    data: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...]
    section: str


def result_html(result: ChatResult) -> str:
    """An answer: thinking folded, text, tool calls as a table, token probabilities folded, and how it ended."""
    parts = []
    if result.reasoning:
        parts.append(_folded("Thinking", f'<div style="{_PRE};{_SMALL}">{escape(result.reasoning)}</div>'))
    if result.text:
        parts.append(f'<div style="{_PRE}">{escape(result.text)}</div>')
    if result.tool_calls:
        parts.append(_calls(result.tool_calls))
    if result.tokens:
        parts.append(_folded(f"Probabilities of {len(result.tokens)} tokens", heat_map(result.tokens)))
    parts.append(f'<div style="{_SMALL}">{escape(_ending(result))}</div>')
    return f"<div>{''.join(parts)}</div>"


def heat_map(tokens: Iterable[TokenLogprob] | Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> str:
    """Tokens as text, each the redder the less likely it was; the tooltip has its probability and the alternatives.

    Args:
        tokens: `ChatResult.tokens`, or OpenAI's form: the list of its tokens, or the dict that has it as `"content"`.

    Raises:
        ValueError: An entry in neither form.
    """
    given = tokens.get("content") or () if isinstance(tokens, Mapping) else tokens
    cells = list(_normalised(given))
    shown = "".join(map(_token, cells[:MAX_TOKENS]))
    more = f'<div style="{_SMALL}">and {len(cells) - MAX_TOKENS} more tokens</div>' if len(cells) > MAX_TOKENS else ""
    return f'<div style="{_PRE};line-height:1.6;font-family:monospace">{shown}</div>{more}'


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def _ending(result: ChatResult) -> str:
    finish = result.finish
    usage, timings = finish.usage, finish.timings
    reason = f"{finish.reason} ({finish.stop!r})" if finish.stop is not None else finish.reason
    cached = f" ({usage.cached_tokens} cached)" if usage.cached_tokens else ""
    thinking = f" ({usage.reasoning_tokens} thinking)" if usage.reasoning_tokens else ""
    speed = f", {timings.decode_tokens_per_s:.0f} tokens/s" if timings.decode_tokens_per_s else ""
    return f"{reason} · {usage.prompt_tokens} prompt tokens{cached}, {usage.completion_tokens} drawn{thinking}{speed}"


def _calls(calls: Sequence[GeneratedToolCall]) -> str:
    rows = "".join(_call(call) for call in calls)
    head = "".join(f'<th style="{_CELL}">{name}</th>' for name in ("Tool", "Arguments", "Call"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _call(call: GeneratedToolCall) -> str:
    state = escape(call.id) if call.complete else f"<b>not valid</b>: {escape(call.error or 'incomplete')}"
    if call.raw is not None:
        state += f'<div style="{_PRE};{_SMALL};font-family:monospace">{escape(call.raw)}</div>'
    cells = (f"<code>{escape(call.name)}</code>", _arguments(call.arguments), state)
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"


def _arguments(text: str) -> str:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        return f'<code style="{_PRE}">{escape(text)}</code>'
    rows = (
        f"<div><code>{escape(name)}</code> = "
        f'<code style="{_PRE}">{escape(json.dumps(value, ensure_ascii=False))}</code></div>'
        for name, value in values.items()
    )
    return "".join(rows)


def _normalised(tokens: Iterable[Any]) -> Iterator[_Token]:
    for token in tokens:
        if isinstance(token, Mapping):
            try:
                top = tuple((_data(other), float(other["logprob"])) for other in token.get("top_logprobs") or ())
                yield _Token(_data(token), float(token["logprob"]), top, str(token.get("section", "text")))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{dict(token)!r:.200}: a token needs 'token' or 'bytes', and a number as 'logprob'"
                ) from error
        elif hasattr(token, "logprob") and hasattr(token, "bytes"):
            top = tuple((other.bytes, other.logprob) for other in token.top)
            yield _Token(token.bytes, token.logprob, top, token.section)
        else:
            raise ValueError(f"{token!r:.200}: it must be a TokenLogprob, or a dict in OpenAI's form")


def _data(token: Mapping[str, Any]) -> bytes:
    data = token.get("bytes")
    return str(token["token"]).encode("utf-8", "surrogateescape") if data is None else bytes(data)


def _token(token: _Token) -> str:
    probability = _probability(token.logprob)
    # Without a number there is nothing to colour. 0.75: the text stays readable on the reddest token.
    redness = 0.0 if math.isnan(probability) else round(0.75 * (1 - probability), 3)
    style = f"background:rgba(220,50,47,{redness:g})"
    if section := _SECTIONS.get(token.section):
        style += f";{section}"
    title = [f"{_quoted(token.data)} {probability:.1%}, logprob {token.logprob:.3f}, {token.section}"]
    title += [f"{_quoted(data)} {_probability(logprob):.1%}" for data, logprob in token.top[:_MAX_ALTERNATIVES]]
    text = escape(_text(token.data)).replace("\n", "↵<br>") or "∅"
    return f'<span style="{style}" title="{escape(chr(10).join(title))}">{text}</span>'


def _probability(logprob: float) -> float:
    return math.exp(min(logprob, 0.0)) if not math.isnan(logprob) else math.nan


def _text(data: bytes) -> str:
    # Part of a character shows as its bytes.
    return data.decode("utf-8", "backslashreplace")


def _quoted(data: bytes) -> str:
    return json.dumps(_text(data), ensure_ascii=False)
