"""Every way LangChain takes an answer gives the same final message, whatever the answer is."""

import json

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.utils import message_chunk_to_message

from ds4_core.chat import ToolCall
from ds4_core.testing import Scripted, ScriptedEngine
from langchain_ds4 import ChatDS4
from langchain_ds4._messages import poison

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
SCHEMA = {"title": "Joke", "type": "object", "properties": {"setup": {"type": "string"}}, "required": ["setup"]}
OSLO = ToolCall("get_weather", '{"city": "Os\\"lo\\n", "days": 2}')
ROME = ToolCall("get_weather", '{"city": "Ρώμη 🌞"}')
CUT = (
    'Let me see.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_weather">\n'
    '<｜DSML｜parameter name="city" string="true">Os'
)

# Name -> (the model's answer, the options of the call).
ANSWERS = {
    "text": (Scripted("Héllo, wörld 🌍!"), {}),
    "thinking and text": (Scripted("Hmm, 2.</think>It is two."), {"thinking": True}),
    "thinking and a call": (Scripted("I look.</think>", tool_calls=[OSLO]), {"thinking": True, "tools": [WEATHER]}),
    "text and two calls": (Scripted("Let me see.", tool_calls=[OSLO, ROME]), {"tools": [WEATHER]}),
    "a call cut off": (Scripted(CUT, eos=False), {"tools": [WEATHER]}),
    "log-probabilities": (Scripted("Yes.", logprobs=-0.5), {"top_logprobs": 2}),
    "log-probabilities of everything": (
        Scripted("Hm.</think>Yes.", tool_calls=[OSLO, ROME]),
        {"logprobs": True, "thinking": True, "tools": [WEATHER]},
    ),
    "structured": (Scripted('{"setup": "Why?"}'), {"response_format": SCHEMA}),
    "a stop string": (Scripted("One two three"), {"stop": ["three"]}),
    "nothing": (Scripted(""), {}),
}


def added_up(chunks):
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


async def listed(stream):
    return [item async for item in stream]


async def paths(script, options):
    """Name -> final message."""
    options = dict(options)
    stop = options.pop("stop", None)
    messages = {}
    for version in ("v0", "v1"):
        llm = ChatDS4(engine=ScriptedEngine(lambda record: script), output_version=version, seed=1)
        ask = dict(stop=stop, **options)
        messages[f"invoke {version}"] = llm.invoke("x", **ask)
        messages[f"ainvoke {version}"] = await llm.ainvoke("x", **ask)
        messages[f"stream {version}"] = added_up(list(llm.stream("x", **ask)))
        messages[f"astream {version}"] = added_up(await listed(llm.astream("x", **ask)))
        streaming = ChatDS4(engine=llm.engine, output_version=version, seed=1, streaming=True)
        messages[f"invoke {version} as a stream"] = streaming.invoke("x", **ask)
        messages[f"ainvoke {version} as a stream"] = await streaming.ainvoke("x", **ask)
    messages["v3"] = llm.stream_events("x", version="v3", stop=stop, **options).output
    stream = await llm.astream_events("x", version="v3", stop=stop, **options)
    messages["async v3"] = await stream.output
    return messages


def normal(message):
    """What must be the same: all but ids, times, and in which form LangChain keeps what can not be carried out."""
    side = message.additional_kwargs["ds4"]
    bad = side.get("invalid_tool_calls", [])
    blocks = []
    for block in message.content_blocks:
        kind = block["type"]
        if kind in ("invalid_tool_call", "tool_call_chunk"):
            number = sum(known[0] == "bad" for known in blocks)
            assert block["args"] in (bad[number]["args"], bad[number]["args"] + poison(bad[number]["args"]))
            blocks.append(("bad", block["name"], bad[number]["args"]))
        else:
            blocks.append((kind, {k: v for k, v in block.items() if k not in ("type", "id", "index", "extras")}))
    metadata = {k: v for k, v in message.response_metadata.items() if k not in ("timings", "output_version")}
    return {
        "blocks": blocks,
        "text": message.text,
        "calls": [(call["name"], call["args"]) for call in message.tool_calls],
        "invalid": [call["name"] for call in message.invalid_tool_calls],
        "reasoning": message.additional_kwargs.get("reasoning_content"),
        "raw": side["raw"],
        "bad": [{k: v for k, v in call.items() if k != "id"} for call in bad],
        "metadata": metadata,
        "usage": message.usage_metadata,
    }


@pytest.mark.parametrize("name", ANSWERS)
async def test_all_paths_give_the_same_message(name):
    script, options = ANSWERS[name]
    messages = await paths(script, options)
    expected = normal(messages["invoke v0"])
    for path, message in messages.items():
        assert normal(message) == expected, path
        ids = [call["id"] for call in (*message.tool_calls, *message.invalid_tool_calls)]
        assert all(ids)
        assert len(set(ids)) == len(ids)
    assert set(messages["v3"].response_metadata) >= {"model_name", "finish_reason", "timings", "seed"}


async def test_the_messages_are_what_the_model_said():
    said = {name: (await paths(*answer))["invoke v0"] for name, answer in ANSWERS.items()}
    assert said["text"].content == "Héllo, wörld 🌍!"
    thought = said["thinking and text"]
    assert (thought.content, thought.additional_kwargs["reasoning_content"]) == ("It is two.", "Hmm, 2.")
    assert [block["type"] for block in thought.content_blocks] == ["reasoning", "text"]
    assert thought.usage_metadata["output_token_details"]["reasoning"] > 0
    calls = said["text and two calls"]
    assert [call["args"] for call in calls.tool_calls] == [json.loads(OSLO.arguments), json.loads(ROME.arguments)]
    assert calls.response_metadata["finish_reason"] == "tool_calls"
    assert [block["type"] for block in calls.content_blocks] == ["text", "tool_call", "tool_call"]
    cut = said["a call cut off"]
    assert (cut.tool_calls, cut.response_metadata["finish_reason"]) == ([], "length")
    assert cut.invalid_tool_calls[0]["args"].startswith('{"city": "Os')
    assert cut.invalid_tool_calls[0]["error"]
    (entry, *_) = said["log-probabilities"].response_metadata["logprobs"]["content"]
    assert entry["logprob"] == -0.5
    assert len(entry["top_logprobs"]) == 2
    assert bytes(entry["bytes"]).decode() == entry["token"]


async def test_every_generated_token_has_a_log_probability_on_every_path():
    for path, message in (await paths(*ANSWERS["log-probabilities of everything"])).items():
        entries = message.response_metadata["logprobs"]["content"]
        assert len(entries) == message.usage_metadata["output_tokens"], path
        assert {entry["section"] for entry in entries} == {"reasoning", "text", "tool", "eos"}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_chunk_has_one_kind_of_thing_and_only_the_last_what_must_not_add_up(name):
    script, options = ANSWERS[name]
    llm = ChatDS4(engine=ScriptedEngine(lambda record: script))
    chunks = list(llm.stream("x", **options))
    for chunk in chunks[:-1]:
        assert isinstance(chunk, AIMessageChunk)
        thought = chunk.additional_kwargs.get("reasoning_content")
        assert sum(map(bool, (chunk.content, chunk.tool_call_chunks, thought))) <= 1
        assert set(chunk.response_metadata) <= {"model_provider", "logprobs"}
        assert chunk.usage_metadata is None
    assert chunks[-1].chunk_position == "last"
    assert isinstance(message_chunk_to_message(added_up(chunks)), AIMessage)


async def test_events_of_the_protocol_have_a_lifecycle():
    script, options = ANSWERS["log-probabilities of everything"]
    llm = ChatDS4(engine=ScriptedEngine(lambda record: script))
    question = llm._convert_input("x").to_messages()
    events = list(llm._stream_chat_model_events(question, **options))
    awaited = await listed(llm._astream_chat_model_events(question, **options))
    assert [event["event"] for event in awaited] == [event["event"] for event in events]
    assert (events[0]["event"], events[-1]["event"]) == ("message-start", "message-finish")
    open_index, n_blocks, parts = None, 0, ""
    for event in events[1:-1]:
        if event["event"] == "content-block-start":
            assert open_index is None
            assert event["index"] == n_blocks
            open_index, n_blocks, parts = event["index"], n_blocks + 1, ""
        elif event["event"] == "content-block-delta":
            assert event["index"] == open_index
            delta = event["delta"]
            parts += delta.get("text") or delta.get("reasoning") or delta.get("args")
        else:
            assert event["index"] == open_index
            block = event["content"]
            whole = block.get("text") or block.get("reasoning")
            assert parts == whole if whole else json.loads(parts) == block["args"]
            open_index = None
    assert open_index is None
    assert n_blocks == 4
