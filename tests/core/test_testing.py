"""ScriptedEngine: what it plays, and that everything around its tokens is as with an engine that computes."""

import asyncio
import copy
import doctest
import json
import math
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from ds4_core import (
    AsyncEngine,
    CancelFlag,
    Engine,
    EngineClosedError,
    GenerationCancelled,
    Model,
    registry,
    scripts,
    testing,
)
from ds4_core.chat import ChatRequest, Message, Sampling, ToolCall, agenerate, collect, generate
from ds4_core.errors import (
    ContextOverflowError,
    EngineStateError,
    GenerationTimeoutError,
    InvalidRequestError,
    InvalidTokenError,
    OutOfMemoryError,
    UnsupportedError,
)
from ds4_core.generation import LOOKAHEAD, SampledToken
from ds4_core.testing import DEFAULT_LOGPROB, Scripted, ScriptedEngine, ScriptedRequest, ScriptError
from tests.core.generations import PATIENCE_S, end_of, progress_of, prompt, tokens_of, until_token

IDS = prompt(30, 1)
QUESTION = (Message("user", "What is the capital of France?"),)
ANSWER = "The capital of France is Paris."
FOR_EVER_S = 10**6


@pytest.fixture(scope="module")
def real():
    with Engine("ds4-tiny") as engine:
        yield engine


@pytest.fixture(scope="module")
def tiny():
    with Model("ds4-tiny") as model:
        yield model


@pytest.fixture(params=["computed", "scripted"])
def either(request, real):
    """An engine that computes greedily, and one that plays what that one draws."""
    if request.param == "computed":
        yield real
        return
    known = {}

    def play(record):
        key = record.request.prompt.tobytes()
        if key not in known:
            drawn = real.generate(record.request.prompt, temperature=0, ignore_eos=True, max_tokens=200)
            known[key] = tokens_of(drawn)
        return known[key]

    with ScriptedEngine(play) as engine:
        yield engine


def ask(messages=QUESTION, **options):
    return ChatRequest(messages=messages, sampling=Sampling(temperature=0), **options)


def play(answer, ids=IDS, **options):
    """The events of one answer."""
    with ScriptedEngine([answer]) as engine:
        return list(engine.generate(ids, **options))


def samples_of(events):
    return [event for event in events if isinstance(event, SampledToken)]


def threads_ended():
    """Waits until nothing is played any more."""
    for thread in threading.enumerate():
        if thread.name == "ds4-scripted":
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


async def gather_events(stream):
    return [event async for event in stream]


# -- the same as with an engine that computes --------------------------------------------------------------------------


def test_answer_ends_with_the_turn(either):
    answer = collect(generate(either, ask()))
    assert (answer.text, answer.reasoning) == (ANSWER, "")
    assert answer.finish.reason == "stop"
    assert answer.finish.usage.completion_tokens == len(answer.finish.raw)
    assert answer.finish.timings.decoded_tokens == len(answer.finish.raw) - 1
    assert answer.finish.timings.decode_tokens_per_s > 0


@pytest.mark.parametrize("n", [1, 3])
def test_max_tokens_ends_with_length(either, n):
    answer = collect(generate(either, ask(max_tokens=n)))
    assert (answer.finish.reason, answer.finish.usage.completion_tokens) == ("length", n)
    assert ANSWER.startswith(answer.text)


def test_full_context_ends_with_length_and_a_prompt_that_fills_it_is_refused(either):
    end = end_of(list(either.generate(IDS, temperature=0, n_ctx=35, ignore_eos=True)))
    assert (end.reason, end.usage.prompt_tokens, end.usage.completion_tokens) == ("length", 30, 5)
    with pytest.raises(ContextOverflowError) as caught:
        next(either.generate(IDS, n_ctx=30))
    assert (caught.value.n_prompt, caught.value.n_ctx) == (30, 30)


def test_stop_tokens_end_and_the_end_of_the_turn_can_be_ignored(either):
    tokens = tokens_of(either.generate(IDS, temperature=0, ignore_eos=True, max_tokens=12))
    n = tokens.index(tokens[4]) + 1
    events = list(either.generate(IDS, temperature=0, ignore_eos=True, stop_token_ids=[tokens[4]]))
    assert tokens_of(events) == tokens[:n]
    assert (end_of(events).reason, end_of(events).stop_token) == ("stop", tokens[4])


def test_stop_string_ends_the_answer_before_it(either):
    answer = collect(generate(either, ask(stop=("Berlin", "France is"))))
    assert (answer.text, answer.finish.stop, answer.finish.reason) == ("The capital of ", "France is", "stop")


def test_end_told_early_counts_the_tokens_that_were_taken(either):
    stream = either.generate(IDS, temperature=0, ignore_eos=True)
    until_token(stream), next(stream), next(stream)
    end = stream.end_now(3, keep=2)
    assert (end.reason, end.usage.completion_tokens, end.timings.decoded_tokens) == ("stop", 3, 2)
    assert list(stream) == []


@pytest.mark.parametrize("options", [{"logit_bias": {4096: 1.0}}, {"stop_token_ids": [4096]}], ids=str)
def test_token_outside_the_vocabulary_is_refused_at_the_first_event(either, options):
    with pytest.raises(InvalidTokenError, match="4096"):
        next(either.generate(IDS, **options))
    with pytest.raises(InvalidTokenError, match="4096"):
        next(either.generate([4096]))


def test_bad_options_are_refused_at_once(either):
    with pytest.raises(TypeError, match="maximum"):
        either.generate(IDS, maximum=3)
    with pytest.raises(InvalidRequestError):
        either.generate(IDS, max_tokens=0)
    with pytest.raises(InvalidRequestError, match="CancelFlag"):
        either.agenerate(IDS, cancel=1)


def test_raised_flag_and_timeout_are_errors(either):
    flag = CancelFlag()
    stream = either.generate(IDS, temperature=0, ignore_eos=True, cancel=flag)
    next(stream)
    flag.set()
    with pytest.raises(GenerationCancelled):
        list(stream)
    with pytest.raises(GenerationTimeoutError, match="1e-09 s"):
        list(either.generate(IDS, timeout_s=1e-9))


def test_seed_is_reported_and_drawn_when_not_given(either):
    assert end_of(list(either.generate(IDS, seed=-7, max_tokens=2))).seed == -7
    ends = [end_of(list(either.generate(IDS, max_tokens=1))) for _ in range(2)]
    assert ends[0].seed != ends[1].seed


def test_progress_comes_before_the_first_token(either):
    events = list(either.generate(IDS, temperature=0, max_tokens=2))
    done = [done for done, _, _ in progress_of(events)]
    assert done[-1] == 30
    assert done == sorted(set(done))
    assert all(total == 30 for _, total, _ in progress_of(events))
    assert isinstance(events[len(done)], SampledToken)


def test_closed_stream_gives_nothing_more(either):
    with either.generate(IDS, temperature=0, ignore_eos=True) as stream:
        assert not stream.started
        next(stream)
        assert stream.started
    assert stream.closed
    assert list(stream) == []


def test_slow_consumer_loses_nothing(either):
    tokens = tokens_of(either.generate(IDS, temperature=0, ignore_eos=True, max_tokens=6 * LOOKAHEAD))
    stream = either.generate(IDS, temperature=0, ignore_eos=True, max_tokens=6 * LOOKAHEAD).start()
    other = list(either.generate(prompt(9, 4), temperature=0, ignore_eos=True, max_tokens=LOOKAHEAD))
    assert len(tokens_of(other)) == LOOKAHEAD
    assert tokens_of(stream) == tokens
    assert len(tokens) == 6 * LOOKAHEAD


def test_requests_of_many_threads_give_the_same_answers(either):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: collect(generate(either, ask())).text, range(16)))
    assert answers == [ANSWER] * 16


async def test_awaited_streams_run_beside_each_other_and_say_the_same(either):
    results = await asyncio.gather(*(gather_events(agenerate(either, ask())) for _ in range(8)))
    plain = collect(generate(either, ask()))
    assert {collect(events).text for events in results} == {ANSWER}
    assert {collect(events).finish.raw for events in results} == {plain.finish.raw}
    through = AsyncEngine(either).generate(IDS, temperature=0, max_tokens=5, ignore_eos=True)
    expected = tokens_of(either.generate(IDS, temperature=0, max_tokens=5, ignore_eos=True))
    assert tokens_of(await gather_events(through)) == expected


async def test_errors_reach_the_awaiting_caller(either):
    with pytest.raises(ContextOverflowError):
        await gather_events(agenerate(either, ask(n_ctx=2)))


async def test_aclose_and_leaving_end_an_awaited_stream(either):
    stream = either.agenerate(IDS, temperature=0, ignore_eos=True)
    await anext(stream)
    await stream.aclose()
    assert await gather_events(stream) == []
    async for _ in either.agenerate(IDS, temperature=0, ignore_eos=True):
        break


def test_closed_engine_refuses_and_ends_what_is_under_way(either):
    engine = copy.copy(either)
    stream = engine.generate(IDS, temperature=0, ignore_eos=True)
    next(stream)
    engine.close()
    with pytest.raises(EngineClosedError):
        list(stream)
    with pytest.raises(EngineClosedError):
        next(engine.generate(IDS))


# -- what is played ----------------------------------------------------------------------------------------------------


def test_text_becomes_tokens_with_the_literals_of_the_protocol_and_an_end(tiny):
    text = "Well.</think>So <｜DSML｜tool_calls> né"
    events = play(text)
    assert tokens_of(events) == [*tiny.tokenize(text, parse_special=True), tiny.token_eos]
    assert {tiny.token_think_close, tiny.token_dsml} < set(tokens_of(events))
    end = end_of(events)
    assert (end.reason, end.stop_token, end.usage.completion_tokens) == ("stop", tiny.token_eos, len(tokens_of(events)))


def test_tokens_are_played_as_they_are(tiny):
    eos = tiny.token_eos
    assert tokens_of(play([5, 300, eos, 7])) == [5, 300, eos]
    assert tokens_of(play([5, 300, eos, 7], ignore_eos=True)) == [5, 300, eos, 7]
    assert end_of(play([5, 300])).reason == "length"
    assert tokens_of(play(Scripted(tokens=[5, 300], eos=True))) == [5, 300, eos]
    assert end_of(play(Scripted("cut off", eos=False))).reason == "length"
    assert tokens_of(play([])) == []


@pytest.mark.parametrize("chunking", [1, 3, "bytes"])
def test_chunking_changes_tokens_and_not_the_text(tiny, chunking):
    text = "Thé capital 中文 <think>is</think> it"
    tokens = tokens_of(play(Scripted(text, chunking=chunking)))
    assert tiny.detokenize(tokens[:-1]).decode() == text
    assert tiny.token_think_open in tokens
    assert tokens != tokens_of(play(text))
    if chunking == "bytes":
        assert len(tokens) == len(text.replace("<think>", "1").replace("</think>", "2").encode()) + 1


def test_tool_calls_come_out_as_they_went_in():
    calls = [
        ToolCall("add", '{"a": 1, "b": [true, null]}'),
        ToolCall("say", '{"text": "</｜DSML｜parameter> né \\"x\\""}'),
    ]
    tool = {"type": "function", "function": {"name": "add", "description": "", "parameters": {"type": "object"}}}
    for chunking in (None, 1, "bytes"):
        with ScriptedEngine([Scripted("Both.", tool_calls=calls, chunking=chunking)]) as engine:
            answer = collect(generate(engine, ask(tools=(tool,))))
        assert answer.finish.reason == "tool_calls"
        assert answer.text.strip() == "Both."
        assert [call.name for call in answer.tool_calls] == ["add", "say"]
        assert all(call.complete for call in answer.tool_calls)
        assert [json.loads(c.arguments) for c in answer.tool_calls] == [json.loads(call.arguments) for call in calls]


def test_thinking_is_told_apart_in_a_thinking_request():
    with ScriptedEngine(["Hm, Paris.</think>Paris!"]) as engine:
        answer = collect(generate(engine, ask(thinking=True, logprobs=True, top_logprobs=2)))
    assert (answer.reasoning, answer.text) == ("Hm, Paris.", "Paris!")
    assert [token.token for token in answer.tokens] == list(answer.finish.raw)
    assert {len(token.top) for token in answer.tokens} == {2}
    assert answer.finish.usage.reasoning_tokens > 0


def test_logprobs_are_those_of_the_answer():
    answer = Scripted(tokens=[5, 6], logprobs=[-1.5, -0.25], top=[{8: -0.5, 9: -2.0, 7: -3.0}, {6: -0.75}], eos=True)
    first, second, end = samples_of(play(answer, n_top=3))
    assert (first.logprob, [(t.token, t.logprob) for t in first.top]) == (-1.5, [(8, -0.5), (5, -1.5), (9, -2.0)])
    assert (second.logprob, [(t.token, t.logprob) for t in second.top]) == (-0.75, [(6, -0.75)])
    assert end.logprob == DEFAULT_LOGPROB
    assert [event.top for event in samples_of(play(answer))] == [(), (), ()]
    assert all(math.isnan(event.logprob) for event in samples_of(play(answer, logprobs=False)))


@pytest.mark.parametrize("logprob", [DEFAULT_LOGPROB, -4.0, 0.0])
@pytest.mark.parametrize("n_top", [1, 5, 10**6])
def test_made_up_alternatives_are_a_distribution(logprob, n_top):
    (event,) = samples_of(play(Scripted(tokens=[4000], logprobs=logprob), n_top=n_top))
    assert event.logprob == logprob
    scores = [score.logprob for score in event.top]
    assert scores == sorted(scores, reverse=True)
    assert len({score.token for score in event.top}) == len(scores) == min(n_top, 4096)
    assert all(0 <= score.token < 4096 for score in event.top)
    assert sum(map(math.exp, scores)) <= 1 + 1e-6


def test_progress_and_cached_tokens_are_as_the_answer_says():
    events = play(Scripted("Yes.", prefill=4, cached_tokens=10))
    assert progress_of(events) == [(15, 30, 10), (20, 30, 10), (25, 30, 10), (30, 30, 10)]
    assert end_of(events).usage.cached_tokens == 10
    assert [done for done, _, _ in progress_of(play(Scripted("Yes.", prefill=99), prompt(3)))] == [1, 2, 3]


@pytest.mark.parametrize("k", [0, 2])
def test_fault_comes_after_so_many_tokens(k):
    with ScriptedEngine([Scripted("It is sunny.", fault=OutOfMemoryError("no room"), fault_at=k)] * 2) as engine:
        with pytest.raises(OutOfMemoryError, match="no room"):
            list(engine.generate(IDS))
        stream = engine.generate(IDS)
        assert len(tokens_of([next(stream) for _ in range(1 + k)])) == k
        with pytest.raises(OutOfMemoryError, match="no room"):
            next(stream)
        assert list(stream) == []


class Unusual(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


@pytest.mark.parametrize("fault", [ContextOverflowError("full", n_prompt=7), Unusual("x", "y"), OSError(5, "io")])
def test_fault_is_raised_as_it_is_any_number_of_times(fault):
    fault.__cause__ = KeyError("why")
    with ScriptedEngine(lambda record: Scripted("a", fault=fault)) as engine:
        for _ in range(2):
            with pytest.raises(type(fault)) as caught:
                list(engine.generate(IDS))
            assert (str(caught.value), vars(caught.value)) == (str(fault), vars(fault))
            assert caught.value.__cause__ is fault.__cause__


def test_fault_at_the_end_comes_instead_of_it():
    with pytest.raises(KeyError):
        play(Scripted(tokens=[5, 6], fault=KeyError("mine"), fault_at=2))
    assert end_of(play(Scripted(tokens=[5, 6, 7], fault=KeyError("mine"), fault_at=2), max_tokens=2)).reason == "length"


async def test_fault_reaches_the_awaiting_caller():
    engine = ScriptedEngine([Scripted("a b c d", fault=OutOfMemoryError("no room"), fault_at=1)])
    with pytest.raises(OutOfMemoryError):
        await gather_events(agenerate(engine, ask()))


class Refusing:
    """A guide that has no room."""

    finished = False

    def mask(self):
        raise AssertionError

    def accept(self, token):
        raise AssertionError

    def forced(self):
        raise AssertionError

    def limit(self, max_tokens):
        raise InvalidRequestError(f"{max_tokens} is less than 12")


def test_guides_are_made_and_limited_and_not_followed():
    made = []
    assert tokens_of(play([5, 6], guide=lambda: made.append(1))) == [5, 6]
    assert made == [1]
    with pytest.raises(InvalidRequestError, match="3 is less than 12"):
        play([5, 6], max_tokens=3, guide=Refusing)


# -- which answer ------------------------------------------------------------------------------------------------------


def test_answers_are_played_in_order_and_one_too_many_is_an_error():
    with ScriptedEngine(["One.", "Two."]) as engine:
        assert [collect(generate(engine, ask())).text for _ in range(2)] == ["One.", "Two."]
        with pytest.raises(ScriptError, match="request 3 has no answer: the script has 2") as caught:
            next(engine.generate(IDS))
    assert caught.value.n_answers == 2
    assert isinstance(caught.value, AssertionError)
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


def test_mapping_plays_the_answer_whose_text_comes_last():
    script = {"France": "Paris.", "Italy": "Rome.", "Italy and Spain": "Both."}
    with ScriptedEngine(script) as engine:
        history = (*QUESTION, Message("assistant", "Paris."), Message("user", "And of Italy?"))
        assert collect(generate(engine, ask(history))).text == "Rome."
        assert [collect(generate(engine, ask())).text for _ in range(2)] == ["Paris."] * 2
        assert collect(generate(engine, ask((Message("user", "Italy and Spain?"),)))).text == "Both."
        with pytest.raises(ScriptError, match="'France', 'Italy'") as caught:
            collect(generate(engine, ask((Message("user", "Peru?"),))))
    assert caught.value.n_answers == 3


def test_function_is_asked_with_the_request_and_its_text():
    def script(record):
        assert isinstance(record, ScriptedRequest)
        return Scripted("Paris." if "France" in record.text else "No.", cached_tokens=len(record.request.prompt) - 1)

    with ScriptedEngine(script) as engine:
        answer = collect(generate(engine, ask()))
        assert answer.text == "Paris."
        assert answer.finish.usage.cached_tokens == answer.finish.usage.prompt_tokens - 1


def test_requests_are_recorded_when_they_begin():
    with ScriptedEngine(["One.", "Two."]) as engine:
        stream = engine.generate(IDS, temperature=0.5, max_tokens=3)
        assert engine.requests == []
        assert not engine.is_open
        stream.start()
        collect(generate(engine, ask()))
        with pytest.raises(ContextOverflowError):
            next(engine.generate(IDS, n_ctx=3))
        first, second = engine.requests
    assert (first.request.temperature, first.request.max_tokens) == (0.5, 3)
    assert second.text == "<｜begin▁of▁sentence｜><｜User｜>What is the capital of France?<｜Assistant｜></think>"


def test_every_answer_is_given_to_one_of_many_threads():
    answers = [f"Answer {i}." for i in range(40)]
    with ScriptedEngine(answers) as engine, ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: collect(generate(engine, ask())).text, answers))
    assert sorted(texts) == sorted(answers)


@pytest.mark.parametrize(
    "script", ["text", b"x", 5, None, [5], [None], {"": "x"}, {"a": 1}, {1: "a"}, ["a", b"b"]], ids=repr
)
def test_what_is_no_script_is_refused_when_it_is_made(script):
    with pytest.raises(InvalidRequestError):
        ScriptedEngine(script)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": 5},
        {"text": "a", "tokens": [1]},
        {"tokens": [-1]},
        {"tool_calls": ["x"]},
        {"eos": 1},
        {"chunking": 0},
        {"chunking": "words"},
        {"logprobs": 0.5},
        {"logprobs": [-1.0, math.nan]},
        {"top": [{5: 1.0}]},
        {"top": [{"a": -1.0}]},
        {"top": [5]},
        {"prefill": 0},
        {"prefill_s": -1},
        {"delay_s": math.inf},
        {"cached_tokens": -1},
        {"fault": "broken"},
        {"fault_at": -1},
    ],
    ids=str,
)
def test_value_out_of_range_is_refused_when_the_answer_is_made(fields):
    with pytest.raises((InvalidRequestError, InvalidTokenError)):
        Scripted(**fields)


@pytest.mark.parametrize(
    ("answer", "options", "message"),
    [
        (Scripted("Yes.", cached_tokens=30), {}, "cached_tokens=30"),
        (Scripted(tokens=[5, 6], logprobs=[-1.0]), {}, "1 logprobs for 2 tokens"),
        (Scripted(tokens=[5, 6], top=[{}, {}, {}]), {}, "3 top for 2 tokens"),
        (Scripted(tokens=[5], eos=True), {"min_tokens": 2}, "min_tokens=2"),
        (Scripted(tokens=[5, 6]), {"logit_bias": {6: -math.inf}}, "token 6"),
    ],
    ids=str,
)
def test_answer_that_does_not_fit_its_request_is_an_error(answer, options, message):
    with pytest.raises(ScriptError, match=f"answer 1 of the script .*{message}"):
        play(answer, **options)


def test_answer_with_a_token_outside_the_vocabulary_is_an_error():
    for answer in ([5, 4096], Scripted(tokens=[5], top=[{4096: -1.0}])):
        with pytest.raises(InvalidTokenError, match="answer 1 of the script has token 4096"):
            play(answer)


# -- waits -------------------------------------------------------------------------------------------------------------


def test_waits_are_real_and_timed():
    begin = time.monotonic()
    end = end_of(play(Scripted(tokens=[5, 6, 7], prefill=2, prefill_s=0.02, delay_s=0.01)))
    assert time.monotonic() - begin >= 0.05
    assert end.timings.prefill_s >= 0.03
    assert end.timings.decode_s >= 0.02


@pytest.mark.parametrize("answer", [Scripted("a b c", delay_s=FOR_EVER_S), Scripted("a", prefill_s=FOR_EVER_S)])
@pytest.mark.parametrize("how", ["close", "drop", "flag", "engine", "timeout"])
def test_nobody_waits_for_what_is_not_wanted_any_more(answer, how):
    flag, outcome = CancelFlag(), []
    engine = ScriptedEngine([answer])
    stream = engine.generate(IDS, cancel=flag, timeout_s=0.02 if how == "timeout" else None).start()
    if how == "drop":
        del stream
        return threads_ended()

    def take():
        try:
            outcome.append(list(stream))
        except Exception as error:
            outcome.append(type(error))

    taker = threading.Thread(target=take)
    taker.start()
    if how != "timeout":
        {"close": stream.close, "flag": flag.set, "engine": engine.close}[how]()
    taker.join(PATIENCE_S)
    threads_ended()
    expected = {"flag": GenerationCancelled, "engine": EngineClosedError, "timeout": GenerationTimeoutError}
    if how == "close":
        assert all(not isinstance(event, SampledToken) for event in outcome[0])
    else:
        assert outcome == [expected[how]]
    return None


async def test_cancelled_task_ends_a_wait():
    with ScriptedEngine([Scripted("a b c", delay_s=FOR_EVER_S)]) as engine:
        stream = engine.agenerate(IDS)
        assert progress_of([await anext(stream)])
        task = asyncio.create_task(gather_events(stream))
        await asyncio.sleep(0)  # it begins
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(threads_ended)


async def test_awaited_streams_wait_side_by_side(monkeypatch):
    together, met, sleep = threading.Barrier(40), set(), testing._Player._sleep

    def watched(player, seconds):
        if player not in met:
            met.add(player)
            together.wait(PATIENCE_S)  # for every one of them to be at its first wait
        sleep(player, seconds)

    monkeypatch.setattr(testing._Player, "_sleep", watched)
    with ScriptedEngine(lambda record: Scripted("a b c", delay_s=0.02)) as engine:
        streams = await asyncio.gather(*(gather_events(engine.agenerate(IDS)) for _ in range(40)))
    assert all(end_of(events).reason == "stop" for events in streams)
    assert not together.broken


def test_player_is_never_far_ahead(monkeypatch):
    waits = threading.Event()
    sleep = testing._Player._sleep

    def watched(player, seconds):
        waits.set()
        sleep(player, seconds)

    monkeypatch.setattr(testing._Player, "_sleep", watched)
    with ScriptedEngine([[5] * 200]) as engine:
        stream = engine.generate(IDS).start()
        assert waits.wait(PATIENCE_S)
        assert len(stream._work.tokens) <= LOOKAHEAD
        assert len(tokens_of(stream)) == 200


# -- as an engine ------------------------------------------------------------------------------------------------------


def test_it_is_an_engine_that_loads_no_weights():
    with ScriptedEngine(["Yes."]) as engine:
        assert isinstance(engine, Engine)
        assert repr(engine).startswith("<ScriptedEngine '")
        assert repr(engine).endswith("ds4-tiny.gguf', not opened yet>")
        assert not engine.open().info.has_weights
        assert engine.model.tokenize("Paris")
        for use in (engine.session, engine.memory_used, lambda: engine.profile().__enter__()):
            with pytest.raises(UnsupportedError, match="ScriptedEngine"):
                use()
        with pytest.raises(EngineStateError, match="without weights"):
            engine.score(IDS, [5])
        engine.clear_prefix_cache()
        assert end_of(list(engine.generate(IDS))).reason == "stop"


async def test_its_awaited_form_clears_what_is_not_there():
    engine = AsyncEngine(ScriptedEngine(["Yes."]))
    await engine.clear_prefix_cache()
    with pytest.raises(UnsupportedError):
        await engine.session()
    engine.close()


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda engine: pickle.loads(pickle.dumps(engine))])
def test_copy_plays_the_script_from_the_beginning(again):
    with ScriptedEngine(["One.", Scripted("Two.", tool_calls=[ToolCall("f")])]) as engine:
        assert collect(generate(engine, ask())).text == "One."
        with again(engine) as other:
            assert (other.requests, other.is_open) == ([], False)
            assert collect(generate(other, ask())).text == "One."
        assert collect(generate(engine, ask())).text.startswith("Two.")


def test_dropped_engines_and_streams_leave_nothing_behind():
    before = registry.open_count()
    engine = ScriptedEngine([Scripted("a b c d", delay_s=FOR_EVER_S), Scripted("a", fault=KeyError("x")), [5] * 99])
    streams = [engine.generate(IDS).start() for _ in range(3)]
    gone = weakref.ref(engine)
    with pytest.raises(KeyError):
        list(streams[1])
    until_token(streams[2])
    del engine, streams
    threads_ended()
    assert gone() is None
    assert registry.open_count() == before


LOOPS = """
import asyncio
from ds4_core.testing import Scripted, ScriptedEngine

engine = ScriptedEngine(lambda record: Scripted("a b c d e f g h i j k l m", delay_s=0.0005))
kept = []

async def leave():
    async for _ in engine.agenerate([1, 2, 3]):
        break

async def keep():
    kept.append(engine.agenerate([1, 2, 3]))
    await anext(kept[-1])

async def abandon():
    kept.append(engine.agenerate([1, 2, 3]))
    await anext(kept[-1])
    kept.append(asyncio.create_task(anext(kept[-1])))
    await asyncio.sleep(0)

for body in (leave, keep, abandon):
    asyncio.run(body(), debug=True)
print("ends")
"""


def test_streams_that_are_left_when_event_loops_and_the_program_end_say_nothing():
    run = [sys.executable, "-X", "dev", "-W", "error::RuntimeWarning", "-c", LOOPS]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=True)
    complaints = [line for line in done.stderr.splitlines() if "Executing <Task" not in line]
    assert (done.stdout, complaints) == ("ends\n", [])


FORK = """
import os, signal, sys
from ds4_core import errors
from ds4_core.testing import Scripted, ScriptedEngine

engine = ScriptedEngine([Scripted("a b c", delay_s=10**6), "b", "c"])
stream = engine.generate([1, 2, 3])
next(stream)
pid = os.fork()
if pid == 0:
    signal.alarm(120)
    for use in (lambda: next(stream), lambda: next(engine.generate([1]))):
        try:
            use()
        except errors.ForkedProcessError:
            pass
        else:
            sys.exit(1)
    stream.close(), engine.close()
    with ScriptedEngine(["own"]) as own:
        assert len(list(own.generate([1]))) > 2
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert len(list(engine.generate([1]))) == 4
print("ends")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform can not fork")
def test_forked_child_is_told_and_can_make_its_own():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")


def test_examples_in_the_docstrings_hold():
    for module in (testing, scripts):
        failed, tried = doctest.testmod(module)
        assert (failed, tried > 0) == (0, True)
