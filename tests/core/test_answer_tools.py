"""Tools and response formats with real inference: what is asked for comes, whatever the model would rather say."""

import json

import jsonschema
import pytest

from ds4_core import ContextOverflowError, Engine, InvalidRequestError
from ds4_core.chat import ChatRequest, Message, Sampling, ToolCall, collect, encode_request, generate, samples
from ds4_core.chat.constraints import compile as compile_constraint
from ds4_core.chat.thinking import ThinkingBudget
from ds4_core.testing import ScriptedEngine

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
CONVERT = {
    "type": "function",
    "function": {
        "name": "convert",
        "parameters": {
            "type": "object",
            "properties": {
                "amount": {"type": "number"},
                "unit": {"enum": ["km", "mi"]},
                "exact": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 3},
            },
            "required": ["amount", "unit"],
            "additionalProperties": False,
        },
    },
}
SCHEMAS = {"get_weather": WEATHER["function"]["parameters"], "convert": CONVERT["function"]["parameters"]}
QUESTION = (Message("user", "What is the weather in Paris?"),)
GREEDY = Sampling(temperature=0)


@pytest.fixture(scope="module")
def engine():
    with Engine("ds4-tiny") as engine:
        yield engine


def ask(messages=QUESTION, *, sampling=GREEDY, max_tokens=120, **options):
    return ChatRequest(messages=messages, sampling=sampling, max_tokens=max_tokens, **options)


def test_the_model_calls_a_tool_and_says_so(engine):
    answer = collect(generate(engine, ask(tools=[WEATHER])))
    (call,) = answer.tool_calls
    assert (call.name, json.loads(call.arguments), call.complete) == ("get_weather", {"city": "Paris"}, True)
    assert (answer.finish.reason, answer.text) == ("tool_calls", "")


def test_a_conversation_goes_on_after_a_call_from_what_was_computed(engine):
    first = collect(generate(engine, ask(tools=[WEATHER], logprobs=True)))
    (call,) = first.tool_calls
    calls = (ToolCall(call.name, call.arguments, call.id),)
    said = Message("assistant", first.text, tool_calls=calls, raw=first.finish.raw)
    result = Message("tool", '{"sky": "clear"}', tool_call_id=call.id)
    second = collect(generate(engine, ask((*QUESTION, said, result), tools=[WEATHER])))
    # The grammar forces the closing tags: with nothing left to draw, they were told and never computed.
    tail = next(i for i, token in enumerate(reversed(first.tokens)) if token.section != "forced")
    usage = first.finish.usage
    computed = usage.prompt_tokens + usage.completion_tokens - 1
    assert computed - tail <= second.finish.usage.cached_tokens <= computed


@pytest.mark.parametrize(
    "choice", ["required", "any", "convert", {"type": "function", "function": {"name": "convert"}}]
)
def test_a_forced_call_comes(engine, choice):
    tools = [CONVERT] if choice in ("required", "any") else [WEATHER, CONVERT]
    answer = collect(generate(engine, ask(tools=tools, tool_choice=choice, strict=True, parallel_tool_calls=False)))
    (call,) = answer.tool_calls
    assert call.complete
    assert call.name == "convert"
    jsonschema.validate(json.loads(call.arguments), SCHEMAS["convert"])


def test_without_a_choice_of_tools_there_is_no_call(engine):
    answer = collect(generate(engine, ask(tools=[WEATHER], tool_choice="none")))
    assert not answer.tool_calls
    assert answer.finish.reason != "tool_calls"


@pytest.mark.parametrize("thinking", [False, True])
def test_an_answer_fits_its_schema_also_when_it_has_to_be_short(engine, thinking):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "of": {"enum": ["a", "b"]}},
        "required": ["name", "age", "of"],
    }
    for max_tokens in (40, 60, 200):
        request = ask(
            response_format=schema, thinking=thinking, max_tokens=max_tokens, sampling=Sampling(seed=max_tokens)
        )
        answer = collect(generate(engine, request))
        jsonschema.validate(json.loads(answer.text), schema)
        assert answer.finish.reason == "stop"


def test_too_few_tokens_are_refused_with_the_number_before_anything_is_computed(engine):
    layers = engine.layers_computed
    with pytest.raises(InvalidRequestError, match=r"max_tokens=3 .* \d\d tokens"):
        next(generate(engine, ask(tools=[WEATHER], tool_choice="required", max_tokens=3)))
    assert engine.layers_computed == layers


def test_a_context_too_small_for_the_shortest_answer_is_told_apart_from_max_tokens(engine):
    n_prompt = len(encode_request(engine.model, ask(tools=[WEATHER])))
    n_ctx = n_prompt + 10
    for max_tokens in (None, 90):
        with pytest.raises(ContextOverflowError, match=rf"shortest answer .* \d\d.* {n_ctx}") as refused:
            next(generate(engine, ask(tools=[WEATHER], tool_choice="required", max_tokens=max_tokens, n_ctx=n_ctx)))
        assert (refused.value.n_ctx, refused.value.n_prompt) == (n_ctx, n_prompt)


@pytest.mark.parametrize("options", [{}, {"response_format": {"type": "json_object"}}], ids=str)
def test_a_choice_that_the_request_has_no_tools_for_is_refused(engine, options):
    with pytest.raises(InvalidRequestError, match="no tools"):
        next(generate(engine, ask(tool_choice="required", **options)))


def test_free_text_after_thinking_may_be_cut_at_any_length(engine):
    for max_tokens in (1, 2):
        answer = collect(generate(engine, ask(tools=[WEATHER], thinking=True, max_tokens=max_tokens)))
        assert (answer.finish.reason, answer.finish.usage.completion_tokens) == ("length", max_tokens)


DOCUMENT = '{"html": "see <invoke name=\\"x\\"> and <tool_calls>"}'


@pytest.mark.parametrize("options", [{"tool_choice": "none"}, {"response_format": {"type": "json_object"}}], ids=str)
def test_what_looks_like_a_call_where_none_can_be_is_text(options):
    with ScriptedEngine([DOCUMENT]) as scripted:
        answer = collect(generate(scripted, ask(tools=[WEATHER], **options)))
    assert (answer.text, answer.tool_calls, answer.finish.reason) == (DOCUMENT, (), "stop")


def test_a_turn_with_text_that_looks_like_a_call_is_used_again_as_it_was_sampled(engine):
    raw = tuple(token for letter in DOCUMENT for token in engine.model.tokenize(letter))
    said = Message("assistant", DOCUMENT, raw=raw)
    first = ask(max_tokens=1)
    again = ask((*QUESTION, said, *QUESTION), max_tokens=1)
    prompts = [ScriptedEngine(["."]) for _ in range(2)]
    for scripted, request in zip(prompts, (first, again), strict=True):
        collect(generate(scripted, request))
    before, after = (scripted.requests[0].request.prompt.tolist() for scripted in prompts)
    assert after[: len(before) + len(raw)] == [*before, *raw]


def test_thinking_that_is_begun_again_counts_towards_its_budget(engine):
    insists = Sampling(temperature=0, logit_bias={engine.model.token_think_open: 1000.0})
    for thinking, budget in ((True, 0), (True, 3), (True, 8), (False, 0), (False, 5)):
        request = ask(thinking=thinking, max_thinking_tokens=budget, sampling=insists, max_tokens=60, logprobs=True)
        tokens = [token.token for token in collect(generate(engine, request)).tokens]
        depth, n_thinking = int(thinking), 0
        for token in tokens:
            n_thinking += bool(depth) or token == engine.model.token_think_open
            depth = {engine.model.token_think_open: 1, engine.model.token_think_close: 0}.get(token, depth)
        assert depth == 0
        assert n_thinking <= budget + thinking
        assert len(tokens) > n_thinking


def test_a_budget_of_thinking_is_kept_beyond_an_end_of_turn_that_is_ignored(engine):
    model = engine.model
    guide = ThinkingBudget(
        None, n_vocab=model.n_vocab, think_open=model.token_think_open, think_close=model.token_think_close, budget=3
    )
    assert guide.outlasts_turns
    for token in (70, model.token_think_close, model.token_eos):
        guide.accept(token)
    assert guide.forced() == ()
    guide.accept(model.token_think_open)
    assert guide.forced() == [model.token_think_close]


def test_no_call_begins_inside_thinking_that_is_begun_again(engine):
    model = engine.model
    opening = model.tokenize("<")[-1]
    guide = compile_constraint(ask(tools=[WEATHER]), model, thinking=False)
    for token in (model.token_think_open, opening, model.token_dsml, opening):
        guide.accept(token)
    assert guide.forced() == []
    assert guide.mask() is None
    guide.accept(model.token_think_close)
    assert not guide.mask()[model.token_dsml >> 5] >> (model.token_dsml & 31) & 1  # "<" was thought, not said
    for token in (opening, model.token_dsml):
        guide.accept(token)
    assert guide.forced()


def test_thinking_ends_at_its_budget(engine):
    answer = collect(generate(engine, ask(thinking=True, max_thinking_tokens=4, logprobs=True)))
    assert answer.finish.usage.reasoning_tokens <= 5
    assert [token.section for token in answer.tokens].count("reasoning") <= 4
    free = collect(generate(engine, ask(thinking=True)))
    assert free.finish.usage.reasoning_tokens > 5


def test_logprobs_of_a_call_are_those_of_its_tokens(engine):
    answer = collect(generate(engine, ask(tools=[WEATHER], logprobs=True, top_logprobs=2)))
    assert [token.token for token in answer.tokens] == list(answer.finish.raw)
    assert {token.section for token in answer.tokens} >= {"tool", "forced"}
    with engine.session() as session:
        session.sync(encode_request(engine.model, ask(tools=[WEATHER])))
        for token in answer.tokens:
            assert token.logprob == pytest.approx(session.logprobs([token.token])[0].logprob, abs=1e-4)
            session.eval(token.token)


def test_several_answers_share_one_prefill_and_differ_by_their_seeds(engine):
    engine.clear_prefix_cache()
    request = ask(
        (Message("user", "Tell me a joke. " * 30),), sampling=Sampling(seed=7, temperature=1.5), max_tokens=12
    )
    answers = [collect(stream) for stream in samples(engine, request, 4)]
    assert [answer.finish.seed for answer in answers] == [7, 8, 9, 10]
    computed = [a.finish.usage.prompt_tokens - a.finish.usage.cached_tokens for a in answers]
    assert sorted(computed)[:3] == [1, 1, 1]
    assert len({answer.text for answer in answers}) > 1
    alone = collect(generate(engine, ask(request.messages, sampling=Sampling(seed=9, temperature=1.5), max_tokens=12)))
    assert alone.text == answers[2].text


def forced_calls(engine, n):
    valid = 0
    for index in range(n):
        tools = [WEATHER, CONVERT] if index % 2 else [CONVERT, WEATHER]
        choice = ("required", "get_weather", "convert")[index % 3]
        sampling = Sampling(temperature=2.0, seed=index)
        request = ask(tools=tools, tool_choice=choice, strict=True, sampling=sampling, thinking=index % 5 == 0)
        answer = collect(generate(engine, request))
        assert answer.tool_calls
        for call in answer.tool_calls:
            assert call.complete, (index, call)
            jsonschema.validate(json.loads(call.arguments), SCHEMAS[call.name])
            assert choice in ("required", call.name)
        valid += 1
    return valid


def test_forced_calls_are_valid_at_any_temperature(engine):
    assert forced_calls(engine, 40) == 40


@pytest.mark.long
def test_a_thousand_forced_calls_are_valid(engine):
    assert forced_calls(engine, 1000) == 1000
