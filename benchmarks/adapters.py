"""What the adapters add to a token, to a construction and to an import.

    python -m benchmarks.adapters [--tokens 256] [--passages 32] [--repeats 7] [--only langchain|llama_index]

The same tokens are drawn by ds4-tiny on every path: the difference between two paths is what the upper one adds. Two
figures tell it: the wall-clock time of a token, in which the engine's thread and the taker's overlap, and the CPU time
of the thread that takes them, all the Python above the scheduler. Imports are measured in CPU time. Goals: 40 us
added per token, 2 ms for a construction, 100 ms for an import on top of the framework's own.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.table import PAUSE_S, machine, show
from ds4_core import Engine
from ds4_core.chat import ChatRequest, Message, Sampling, agenerate, encode_request, generate
from ds4_core.chat.relevance import RELEVANCE_ANSWERS, relevance_messages

PROMPT = "Write a story about a cat."
SEED = 7


@dataclass
class Path:
    """One way to take the tokens of an answer.

    Attributes:
        name: What the table calls it.
        base: The name of the path it is compared with; "" for none.
        take: Takes a whole answer once.
        wall_s: Of every repeat.
        cpu_s: Of the thread that takes, of every repeat.
    """

    name: str
    base: str
    take: Callable[[], None]
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def core_paths(engine: Engine, n_tokens: int) -> list[Path]:
    """The engine's own streams of tokens, and the chat layer's of text."""
    sampling = Sampling(temperature=1, seed=SEED)
    request = ChatRequest((Message("user", PROMPT),), sampling=sampling, min_tokens=n_tokens, max_tokens=n_tokens)
    prompt = encode_request(engine.open().model, request)
    options = {"temperature": 1, "seed": SEED, "min_tokens": n_tokens, "max_tokens": n_tokens, "logprobs": False}
    return [
        Path("engine.generate", "", lambda: drain(engine.generate(prompt, **options))),
        Path("engine.agenerate", "", lambda: adrain(engine.agenerate(prompt, **options))),
        Path("chat.generate", "engine.generate", lambda: drain(generate(engine, request))),
        Path("chat.agenerate", "engine.agenerate", lambda: adrain(agenerate(engine, request))),
    ]


def langchain_paths(engine: Engine, n_tokens: int) -> list[Path]:
    """ChatDS4's streams."""
    from langchain_ds4 import ChatDS4

    llm = ChatDS4(engine=engine, seed=SEED, min_tokens=n_tokens, max_tokens=n_tokens)
    return [
        Path("ChatDS4.stream", "engine.generate", lambda: drain(llm.stream(PROMPT))),
        Path("ChatDS4.astream", "engine.agenerate", lambda: adrain(llm.astream(PROMPT))),
        Path("ChatDS4.invoke", "engine.generate", lambda: llm.invoke(PROMPT)),
    ]


def llama_index_paths(engine: Engine, n_tokens: int) -> list[Path]:
    """DS4LLM's streams."""
    from llama_index.core.base.llms.types import ChatMessage

    from llama_index_ds4 import DS4LLM

    llm = DS4LLM(engine=engine, seed=SEED, min_tokens=n_tokens, max_tokens=n_tokens)
    messages = [ChatMessage(content=PROMPT)]

    async def astream() -> AsyncIterator[object]:
        async for response in await llm.astream_chat(messages):
            yield response

    return [
        Path("DS4LLM.stream_chat", "engine.generate", lambda: drain(llm.stream_chat(messages))),
        Path("DS4LLM.astream_chat", "engine.agenerate", lambda: adrain(astream())),
        Path("DS4LLM.chat", "engine.generate", lambda: llm.chat(messages)),
    ]


#: Framework -> (its paths, what constructs its adapter, what its own import is, what imports the adapter).
FRAMEWORKS: dict[str, tuple[Callable[[Engine, int], list[Path]], str, str, str]] = {
    "langchain": (
        langchain_paths,
        "from langchain_ds4 import ChatDS4 as Adapter",
        "import langchain_core.language_models.chat_models, langchain_core.output_parsers, langchain_core.tools",
        "import langchain_ds4",
    ),
    "llama_index": (
        llama_index_paths,
        "from llama_index_ds4 import DS4LLM as Adapter",
        "import llama_index.core.program.function_program, llama_index.core.postprocessor.types",
        "import llama_index_ds4",
    ),
}


def drain(stream: Iterator[object]) -> None:
    """Takes everything."""
    for _ in stream:
        pass


def adrain(stream: AsyncIterator[object]) -> None:
    """Takes everything, in an event loop of its own."""

    async def take() -> None:
        async for _ in stream:
            pass

    asyncio.run(take())


def measure(paths: list[Path], repeats: int) -> None:
    """Runs every path once to warm up, then all of them in turn."""
    for index in range(repeats + 1):
        for path in paths:
            time.sleep(PAUSE_S)
            wall, cpu = time.perf_counter(), time.thread_time()
            path.take()
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            if index:
                path.wall_s.append(wall)
                path.cpu_s.append(cpu)


def tokens_table(paths: list[Path], n_tokens: int) -> None:
    """Microseconds per token, and what each path adds to its base."""
    by_name = {path.name: path for path in paths}

    def cells(path: Path) -> list[str]:
        out = [path.name]
        for values in ("wall_s", "cpu_s"):
            own = min(getattr(path, values)) / n_tokens * 1e6
            base = by_name.get(path.base)
            out += [f"{own:.1f}", f"{own - min(getattr(base, values)) / n_tokens * 1e6:+.1f}" if base else ""]
        return out

    show("us per token", ["path", "wall", "added", "CPU of the taker", "added"], [cells(path) for path in paths])


def construction_us(statement: str, n: int = 200) -> float:
    """Microseconds of one construction, the fastest of many."""
    namespace: dict[str, object] = {}
    exec(statement, namespace)
    adapter = namespace["Adapter"]
    best = float("inf")
    for _ in range(n):
        start = time.perf_counter()
        adapter()  # type: ignore[operator]
        best = min(best, time.perf_counter() - start)
    return best * 1e6


def import_ms(statement: str, repeats: int) -> float:
    """Milliseconds of CPU time that a fresh interpreter takes for a statement, the fastest of some."""
    code = f"import time; t = time.process_time(); {statement}; print(time.process_time() - t)"
    runs = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(repeats)]
    return min(map(float, runs)) * 1e3


def reranker_table(n_passages: int, repeats: int) -> None:
    """Passages a second: DS4Reranker, and asking about one passage after the other as through a chat interface."""
    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.core.schema import NodeWithScore, TextNode

    from llama_index_ds4 import DS4LLM, DS4Reranker

    facts = "The {0}. branch of Acme Robotics has {1} employees, a garden and a view of the harbour. "
    passages = [facts.format(number, number * 7) * 3 for number in range(n_passages)]
    query = "Which branch of Acme Robotics has more than a hundred employees and a garden?"
    answer = {"type": "choice", "choice": list(RELEVANCE_ANSWERS)}

    def rerank(llm: DS4LLM) -> None:
        nodes = [NodeWithScore(node=TextNode(text=passage)) for passage in passages]
        DS4Reranker(llm=llm, top_n=n_passages).postprocess_nodes(nodes, query_str=query)

    def ask_each(llm: DS4LLM) -> None:
        for passage in passages:
            messages = [ChatMessage(content=message.content) for message in relevance_messages(query, passage)]
            llm.chat(messages, response_format=answer, top_logprobs=8, temperature=0)

    rows, by_name = [], {}
    for name, run in (("DS4Reranker", rerank), ("a chat for each passage", ask_each)):
        best = float("inf")
        for _ in range(repeats):
            with Engine("ds4-tiny") as engine:  # nothing is known of these prompts
                llm = DS4LLM(engine=engine)
                engine.open().clear_prefix_cache()
                time.sleep(PAUSE_S)
                start = time.perf_counter()
                run(llm)
                best = min(best, time.perf_counter() - start)
        by_name[name] = n_passages / best
        rows.append([name, f"{n_passages / best:.0f}", f"{by_name[name] / by_name['DS4Reranker']:.2f}"])
    show(f"{n_passages} passages for one query", ["", "passages/s", "of DS4Reranker"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--passages", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=sorted(FRAMEWORKS))
    arguments = parser.parse_args()
    chosen = [arguments.only] if arguments.only else sorted(FRAMEWORKS)
    print(machine())
    with Engine("ds4-tiny", n_threads=1) as engine:
        paths = core_paths(engine, arguments.tokens)
        for name in chosen:
            paths += FRAMEWORKS[name][0](engine, arguments.tokens)
        measure(paths, arguments.repeats)
    tokens_table(paths, arguments.tokens)
    rows = []
    for name in chosen:
        _, adapter, framework, own = FRAMEWORKS[name]
        base, whole = import_ms(framework, 5), import_ms(own, 5)
        rows.append(
            [name, f"{construction_us(adapter):.0f} us", f"{base:.0f} ms", f"{whole:.0f} ms", f"{whole - base:+.0f} ms"]
        )
    if "llama_index" in chosen:
        reranker_table(arguments.passages, arguments.repeats)
    show("construction and import", ["framework", "construction", "its import", "with the adapter", "added"], rows)


if __name__ == "__main__":
    main()
