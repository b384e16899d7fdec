"""What notebooks show of an answer: all of it, nothing the model wrote as markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds4_core import Engine, Timings, Usage
from ds4_core.chat import ChatRequest, ChatResult, Finish, GeneratedToolCall, Message, Sampling, collect, generate
from ds4_core.chat.display import MAX_TOKENS, heat_map, result_html
from ds4_core.chat.events import Alternative, TokenLogprob

OURS = {"div", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "code", "b", "br", "span"}
END = Finish("stop", Usage(10, 4, 5, 2), Timings(0, 0.1, 0.5, 4))


class Page(HTMLParser):
    """The tags, attribute names, titles and visible text of some HTML; refuses tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.titles, self.texts, self._open = [], set(), [], [], []
        self.feed(html)
        self.close()
        assert self._open == []
        self.text = "".join(self.texts)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.titles += [value for name, value in attrs if name == "title"]
        if tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def token(text, logprob=-0.5, top=(), section="text"):
    return TokenLogprob(1, text.encode() if isinstance(text, str) else text, logprob, tuple(top), section)


def test_a_real_answer_shows_its_text_its_probabilities_and_how_it_ended(engine: Engine):
    request = ChatRequest(
        messages=(Message("user", "What is the capital of France?"),),
        sampling=Sampling(temperature=0),
        logprobs=True,
        top_logprobs=2,
        max_tokens=20,
    )
    result = collect(generate(engine, request))
    page = Page(result._repr_html_())
    assert result.text in page.text
    assert f"Probabilities of {len(result.tokens)} tokens" in page.text
    assert len(page.titles) == len(result.tokens)
    assert result.finish.reason in page.text
    assert f"{result.finish.usage.prompt_tokens} prompt tokens" in page.text


def test_thinking_is_folded_and_tool_calls_are_a_table():
    calls = (
        GeneratedToolCall("call_1", "get_weather", '{"city": "Zürich", "days": 3}'),
        GeneratedToolCall("call_2", "get_weather", '{"city": "Par', False, "the call was cut off", "<raw>"),
    )
    page = Page(result_html(ChatResult("Here.", "Let me look.", END, calls)))
    assert page.tags.count("tr") == 3
    assert page.tags.index("details") < page.tags.index("table")
    for shown in ("Thinking", "Let me look.", "Here.", "get_weather", '"Zürich"', "call_1", "cut off", "<raw>"):
        assert shown in page.text
    assert "stop · 10 prompt tokens (4 cached), 5 drawn (2 thinking), 8 tokens/s" in page.text


def test_a_stop_string_is_named():
    page = Page(result_html(ChatResult("a", "", Finish("stop", Usage(), Timings(), stop="</b>"))))
    assert "stop ('</b>')" in page.text


NASTY = '<script>alert("x")</script>\'"><img src=x onerror=alert(1)>&lt;'


@given(st.text() | st.just(NASTY), st.text() | st.just(NASTY))
def test_nothing_the_model_wrote_becomes_markup(text, other):
    data, more = (part.encode("utf-8", "replace") for part in (text, other))
    tokens = (token(data, -1.0, [Alternative(2, more, -2.0)], "tool"), token(more))
    calls = (GeneratedToolCall(text, other, text, False, other, text), GeneratedToolCall(text, other, '{"a": "<b>"}'))
    page = Page(result_html(ChatResult(text, other, END, calls, tokens)))
    assert set(page.tags) <= OURS
    assert page.attributes <= {"style", "title"}


def test_unlikely_tokens_are_redder():
    def redness(logprob):
        html = heat_map((token("a", logprob),))
        return float(html.split("rgba(220,50,47,")[1].split(")")[0])

    assert redness(0.0) == 0
    assert redness(-0.1) < redness(-1.0) < redness(-10.0) <= 0.75
    assert redness(float("nan")) == 0  # not asked for: nothing to colour


def test_parts_of_characters_show_as_bytes_and_line_breaks_as_marks():
    page = Page(heat_map((token(b"\xe4\xb8"), token("a\nb"), token(""))))
    assert r"\xe4\xb8" in page.text
    assert "a↵b" in page.text
    assert "∅" in page.text


def test_openai_form_shows_the_same_as_ours():
    ours = (token("Par", -0.25, [Alternative(3, b"Lon", -1.5)]), token("is", -2.0))
    content = [
        {"token": "Par", "logprob": -0.25, "bytes": None, "top_logprobs": [{"token": "Lon", "logprob": -1.5}]},
        {"token": "is", "logprob": -2.0, "bytes": [105, 115], "top_logprobs": []},
    ]
    assert heat_map(content) == heat_map({"content": content}) == heat_map(ours)


@pytest.mark.parametrize("entry", [{"token": "a"}, {"logprob": -1.0}, {"token": "a", "logprob": "no"}, 7])
def test_an_entry_of_another_form_is_named(entry):
    with pytest.raises(ValueError, match=r"TokenLogprob|'logprob'"):
        heat_map([entry])


def test_a_long_map_says_what_it_leaves_out():
    page = Page(heat_map([token("a")] * (MAX_TOKENS + 7)))
    assert len(page.titles) == MAX_TOKENS
    assert "and 7 more tokens" in page.text
