"""Answers over the real engine: one stream of text events, its limits, its end, and its awaited twin."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from ds4_core import CancelFlag, Engine, GenerationCancelled, InvalidRequestError
from ds4_core.chat import (
    ChatRequest,
    Finish,
    Message,
    Sampling,
    TextDelta,
    collect,
    encode_messages,
    encode_request,
    render_text,
)
from ds4_core.chat.answer import agenerate, generate
from ds4_core.errors import ContextOverflowError, GenerationTimeoutError
from ds4_core.generation import LOOKAHEAD

QUESTION = (Message("user", "What is the capital of France?"),)
ANSWER = "The capital of France is Paris."
STORY = (Message("user", "Write a story about a cat."),)
GREEDY = Sampling(temperature=0)


@pytest.fixture(scope="module")
def engine():
    with Engine("ds4-tiny") as engine:
        yield engine


def state_bytes(engine):
    """What sessions hold after everything asked before has happened; without what is kept for later requests."""
    engine.clear_prefix_cache()
    return engine.memory_used().session_state


@pytest.fixture
def own_engine():
    """A native engine of its own, so that nothing else computes on it."""
    with Engine("ds4-tiny", n_threads=1, max_running=63) as engine:
        collect(generate(engine, ask(max_tokens=1)))  # libds4 keeps one state for the next long span
        yield engine


def ask(messages=QUESTION, *, sampling=GREEDY, **limits):
    return ChatRequest(messages=messages, sampling=sampling, **limits)


async def gather_events(stream):
    return [event async for event in stream]


def test_the_model_answers_and_ends_its_turn(engine):
    result = collect(generate(engine, ask()))
    assert result.text == ANSWER
    assert result.reasoning == ""
    assert result.finish.reason == "stop"
    assert result.finish.stop is None


def test_events_are_text_and_then_one_finish(engine):
    events = list(generate(engine, ask()))
    assert len(events) > 3
    assert all(isinstance(event, TextDelta) for event in events[:-1])
    assert isinstance(events[-1], Finish)


def test_tokens_are_those_of_a_session_stepped_by_hand(engine):
    prompt = encode_messages(engine.model, QUESTION)
    with engine.session() as session:
        session.sync(prompt)
        tokens = []
        while (token := session.argmax()) != engine.model.token_eos:
            tokens.append(token)
            session.eval(token)
    result = collect(generate(engine, ask()))
    assert engine.model.detokenize(tokens).decode() == result.text
    assert result.finish.usage.completion_tokens == len(tokens) + 1  # the end-of-turn token was sampled as well
    assert result.finish.usage.prompt_tokens == len(prompt)


def test_prompt_in_pieces_gives_the_same_answer():
    long = (Message("system", "Be concise. " * 40), *QUESTION)
    answers = []
    for n_batch in (0, 7):
        with Engine("ds4-tiny", n_batch=n_batch) as engine:
            answers.append(collect(generate(engine, ask(long, max_tokens=12))).text)
    assert answers[0] == answers[1] != ""


def test_max_tokens_ends_with_length_and_loses_no_text(engine):
    for n in (1, 3):
        result = collect(generate(engine, ask(max_tokens=n)))
        assert result.finish.reason == "length"
        assert result.finish.usage.completion_tokens == n
        assert result.text
        assert ANSWER.startswith(result.text)


def test_full_context_ends_with_length(engine):
    n_prompt = len(encode_messages(engine.model, QUESTION))
    result = collect(generate(engine, ask(n_ctx=n_prompt + 2)))
    assert result.finish.reason == "length"
    assert result.finish.usage.total_tokens == n_prompt + 2


def test_prompt_that_fills_the_context_is_refused_with_the_numbers(engine):
    n_prompt = len(encode_messages(engine.model, QUESTION))
    with pytest.raises(ContextOverflowError) as caught:
        collect(generate(engine, ask(n_ctx=n_prompt)))
    assert (caught.value.n_prompt, caught.value.n_ctx) == (n_prompt, n_prompt)


def test_stop_string_ends_the_answer_before_it(engine):
    result = collect(generate(engine, ask(stop=("Berlin", "France is"))))
    assert result.text == "The capital of "
    assert result.finish.reason == "stop"
    assert result.finish.stop == "France is"


def test_stop_string_that_does_not_complete_is_not_lost(engine):
    result = collect(generate(engine, ask(stop=("Paris. And",))))
    assert result.text == ANSWER
    assert result.finish.stop is None


def test_same_seed_same_answer_other_seeds_other_answers(engine):
    def answers(seeds):
        hot = [Sampling(temperature=3.0, seed=seed) for seed in seeds]
        return [collect(generate(engine, ask(STORY, sampling=sampling, max_tokens=12))).text for sampling in hot]

    assert answers([1, 2]) == answers([1, 2])
    assert len(set(answers([1, 2, 3]))) > 1


def test_drawn_seed_is_reported_and_repeats_the_answer(engine):
    first = collect(generate(engine, ask(STORY, sampling=Sampling(temperature=3.0), max_tokens=12)))
    again = Sampling(temperature=3.0, seed=first.finish.seed)
    assert collect(generate(engine, ask(STORY, sampling=again, max_tokens=12))).text == first.text


def test_top_k_of_one_is_greedy_at_any_temperature(engine):
    assert collect(generate(engine, ask(sampling=Sampling(temperature=5.0, top_k=1)))).text == ANSWER


def test_raw_prompt_in_the_protocol_gives_the_same_answer(engine):
    raw = ChatRequest(prompt=render_text(QUESTION), sampling=GREEDY)
    assert collect(generate(engine, raw)).text == ANSWER


def test_thinking_that_the_prompt_opened_is_no_text(engine):
    raw = ChatRequest(prompt=render_text(QUESTION).removesuffix("</think>") + "<think>", sampling=GREEDY, max_tokens=60)
    result = collect(generate(engine, raw))
    assert result.reasoning
    assert 0 < result.finish.usage.reasoning_tokens <= result.finish.usage.completion_tokens
    assert "think>" not in result.text + result.reasoning


def test_timings_belong_to_the_request(engine):
    finish = collect(generate(engine, ask())).finish
    assert finish.timings.prefill_s > 0
    assert finish.timings.decoded_tokens == finish.usage.completion_tokens - 1
    assert finish.timings.decode_tokens_per_s > 0


def test_nothing_is_computed_before_the_first_event_far_ahead_or_after_close(own_engine):
    idle = state_bytes(own_engine)
    before = own_engine.layers_computed
    events = generate(own_engine, ask(STORY))
    assert own_engine.layers_computed == before
    n_layer = own_engine.info.n_layer
    assert len(list(islice(events, 4))) == 4
    events.close()
    assert state_bytes(own_engine) == idle
    computed = own_engine.layers_computed
    # A token that only holds a character's first bytes gives no event; these are all plain. The prompt is computed in
    # two pieces at most.
    assert computed - before <= n_layer * (2 + 4 + LOOKAHEAD + 1)
    assert list(events) == []
    state_bytes(own_engine)
    assert own_engine.layers_computed == computed


def test_raised_flag_cancels(engine):
    flag = CancelFlag()
    events = generate(engine, ask(STORY), cancel=flag)
    next(events)
    flag.set()
    with pytest.raises(GenerationCancelled):
        list(events)  # some may be there already


def test_timeout_is_an_error_of_its_own(engine):
    with pytest.raises(GenerationTimeoutError, match="1e-09 s") as caught:
        collect(generate(engine, ask(timeout_s=1e-9)))
    assert isinstance(caught.value, TimeoutError)


def test_interleaved_requests_do_not_notice_each_other(engine):
    alone = [collect(generate(engine, ask(messages))).text for messages in (QUESTION, STORY)]
    streams = [generate(engine, ask(messages)) for messages in (QUESTION, STORY)]
    texts = ["", ""]
    running = [0, 1]
    while running:
        for i in list(running):
            event = next(streams[i])
            if isinstance(event, Finish):
                running.remove(i)
            else:
                texts[i] += event.text
    assert texts == alone


def test_requests_of_many_threads_give_the_same_answers(engine):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: collect(generate(engine, ask())).text, range(16)))
    assert answers == [ANSWER] * 16


def test_conversation_without_messages_is_refused():
    with pytest.raises(InvalidRequestError):
        ask(())


def test_the_greatest_effort_needs_a_context_for_it(engine):
    with pytest.raises(InvalidRequestError, match="393216"):
        next(generate(engine, ask(thinking=True, effort="max", n_ctx=4096)))


def follow_up(messages, answer, question="And of Italy?"):
    turn = Message("assistant", answer.text, answer.reasoning, raw=answer.finish.raw)
    return (*messages, turn, Message("user", question))


def test_a_turn_that_the_encoding_keeps_is_cached_to_its_last_token(engine):
    first = collect(generate(engine, ask()))
    usage = first.finish.usage
    second = collect(generate(engine, ask(follow_up(QUESTION, first))))
    # The token that ended the turn was drawn and never computed.
    assert second.finish.usage.cached_tokens == usage.prompt_tokens + usage.completion_tokens - 1


def test_a_turn_cut_by_max_tokens_is_cached_as_well(engine):
    first = collect(generate(engine, ask(STORY, max_tokens=9)))
    assert first.finish.reason == "length"
    usage = first.finish.usage
    second = collect(generate(engine, ask(follow_up(STORY, first, "Go on."))))
    assert second.finish.usage.cached_tokens >= usage.prompt_tokens + usage.completion_tokens - 1


def test_a_turn_whose_thinking_is_dropped_is_cached_to_its_header(engine):
    model = engine.model
    asked = ask(thinking=True, max_tokens=40)
    prompt = encode_request(model, asked)
    first = collect(generate(engine, asked))
    again = ask(follow_up(QUESTION, first), thinking=True, max_tokens=4)
    header = max(i for i, token in enumerate(prompt) if token == model.token_assistant) + 1
    rendered = encode_request(model, again)
    assert rendered[:header] == prompt[:header]
    second = collect(generate(engine, again))
    assert second.finish.usage.cached_tokens == header


def test_stop_text_does_not_stay_in_what_later_requests_start_from(engine):
    first = collect(generate(engine, ask(stop=("France",))))
    assert first.finish.stop == "France"
    second = collect(generate(engine, ask(follow_up(QUESTION, first))))
    kept = len(first.finish.raw)
    assert second.finish.usage.cached_tokens == first.finish.usage.prompt_tokens + kept
    assert "France" not in engine.model.detokenize(list(first.finish.raw)).decode()


def test_logprobs_go_with_the_events_one_to_one(engine):
    answer = collect(generate(engine, ask(logprobs=True, top_logprobs=3)))
    tokens = list(answer.tokens)
    assert [token.token for token in tokens] == list(answer.finish.raw)
    assert len(tokens) == answer.finish.usage.completion_tokens
    assert b"".join(token.bytes for token in tokens if token.section == "text").decode() == answer.text
    assert tokens[-1].section == "eos"
    with engine.session() as session:
        session.sync(encode_request(engine.model, ask()))
        for token in tokens:
            top = session.logprobs(top_k=3)
            assert [one.token for one in token.top] == [score.token for score in top]
            assert [one.logprob for one in token.top] == pytest.approx([score.logprob for score in top], abs=1e-5)
            assert token.logprob == pytest.approx(session.logprobs([token.token])[0].logprob, abs=1e-5)
            session.eval(token.token)


def test_thinking_is_told_apart_from_the_answer(engine):
    answer = collect(generate(engine, ask(thinking=True, logprobs=True, max_tokens=60)))
    assert answer.finish.usage.reasoning_tokens > 0
    assert "think>" not in answer.text
    sections = [token.section for token in answer.tokens]
    assert sections[0] == "reasoning"
    assert sections.count("reasoning") == answer.finish.usage.reasoning_tokens


async def test_awaited_stream_is_the_same_stream(engine):
    request = ask(STORY, sampling=Sampling(temperature=1.0, seed=5), max_tokens=20)
    awaited = await gather_events(agenerate(engine, request))
    plain = list(generate(engine, request))
    assert awaited[:-1] == plain[:-1]
    assert awaited[-1].usage == plain[-1].usage


async def test_awaited_streams_run_beside_each_other(engine):
    results = await asyncio.gather(*(gather_events(agenerate(engine, ask())) for _ in range(8)))
    assert {collect(events).text for events in results} == {ANSWER}


async def test_errors_reach_the_awaiting_caller(engine):
    with pytest.raises(ContextOverflowError):
        await gather_events(agenerate(engine, ask(n_ctx=2)))


async def test_aclose_waits_until_the_session_is_freed(own_engine):
    idle = state_bytes(own_engine)
    stream = agenerate(own_engine, ask(STORY))
    for _ in range(3):
        await anext(stream)
    await stream.aclose()
    computed = own_engine.layers_computed
    assert state_bytes(own_engine) == idle
    assert own_engine.layers_computed == computed


async def test_cancelled_task_frees_its_session(own_engine):
    idle = state_bytes(own_engine)
    got_some = asyncio.Event()
    seen = 0

    async def consume():
        nonlocal seen
        async for _ in agenerate(own_engine, ask(STORY)):
            seen += 1
            if seen == 3:
                got_some.set()

    task = asyncio.create_task(consume())
    await got_some.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert state_bytes(own_engine) == idle


async def test_flag_of_the_caller_cancels_and_is_left_alone_by_closing(engine):
    flag = CancelFlag()
    stream = agenerate(engine, ask(STORY), cancel=flag)
    await anext(stream)
    await stream.aclose()
    assert not flag.is_set()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    stream = agenerate(engine, ask(STORY), cancel=flag)
    await anext(stream)
    flag.set()
    with pytest.raises(GenerationCancelled):
        await gather_events(stream)


async def test_leaving_an_async_for_ends_the_generation(own_engine):
    idle = state_bytes(own_engine)
    seen = 0
    async for _ in agenerate(own_engine, ask(STORY)):
        seen += 1
        if seen == 3:
            break
    assert state_bytes(own_engine) == idle


async def test_stop_string_in_an_awaited_stream_frees_the_session(own_engine):
    idle = state_bytes(own_engine)
    result = collect(await gather_events(agenerate(own_engine, ask(stop=("France is",)))))
    assert result.text == "The capital of "
    assert state_bytes(own_engine) == idle


SCRIPT = """
import asyncio
from ds4_core import Engine
from ds4_core.chat import ChatRequest, Message
from ds4_core.chat.answer import agenerate

request = ChatRequest(messages=(Message("user", "Write a story about a cat."),))
kept = []

async def leave():
    async for _ in agenerate(Engine(), request):
        break

async def fail():
    async for _ in agenerate(Engine(), request):
        raise KeyError("mine")

async def keep():
    kept.append(agenerate(Engine(), request))
    await anext(kept[0])

async def abandon():
    kept.append(agenerate(Engine(), request))
    await anext(kept[0])
    kept.append(asyncio.create_task(anext(kept[0])))
    await asyncio.sleep(0)

for body in (leave, fail, keep, abandon):
    try:
        asyncio.run(body(), debug=True)
    except KeyError as error:
        print(error)
"""


def test_stream_that_is_left_when_the_event_loop_ends_says_nothing():
    run = [sys.executable, "-X", "dev", "-W", "error::RuntimeWarning", "-c", SCRIPT]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=True)
    complaints = [
        line for line in done.stderr.splitlines() if "Executing <Task" not in line
    ]  # a slow step, in dev mode
    assert (done.stdout, complaints) == ("'mine'\n", [])


@pytest.mark.parametrize("awaited", [False, True])
def test_stream_closed_while_its_model_is_opened_computes_nothing(own_engine, monkeypatch, awaited):
    opens, go, opened = threading.Event(), threading.Event(), Engine.open
    before = own_engine.layers_computed

    def open_late(engine):
        opens.set()
        assert go.wait(120)
        return opened(engine)

    monkeypatch.setattr(Engine, "open", open_late)
    stream = (agenerate if awaited else generate)(own_engine, ask())
    with ThreadPoolExecutor(1) as pool:
        events = pool.submit(lambda: asyncio.run(gather_events(stream)) if awaited else list(stream))
        assert opens.wait(120)
        stream.close()
        go.set()
        assert events.result(120) == []
    state_bytes(own_engine)
    assert own_engine.layers_computed == before
