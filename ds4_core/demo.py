"""`python -m ds4_core.demo`: the embedded model answers through LangChain, through LlamaIndex and directly.

Every answer is computed by libds4 while it is printed, token by token. This module is the one place in ds4_core that
uses the adapters and their frameworks; it imports them only when it runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from ds4_core import Engine, __version__
from ds4_core.chat import ChatRequest, Finish, Message, Sampling, TextDelta, generate

MODEL = "ds4-tiny"

FACTS = (
    "Acme Robotics is a firm in Leeds. It was founded in 1987 by Jane Holloway and makes arms for factories.",
    "Maria Keller is a geologist from Vienna. She maps caves in the Alps.",
    "Project Lumen is led by Tom Berger and ends on Friday.",
)


def show(question: str, answer: Iterable[str]) -> None:
    """Prints a question and the pieces of its answer as they come."""
    print(f"  > {question}\n  ", end="", flush=True)
    for piece in answer:
        print(piece.replace("\n", "\n  "), end="", flush=True)
    print("\n")


def langchain() -> None:
    """A LangChain chain, streamed."""
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    from langchain_ds4 import ChatDS4

    print(f'LangChain: prompt | ChatDS4(model="{MODEL}", temperature=0) | StrOutputParser()\n')
    prompt = ChatPromptTemplate.from_messages([("human", "What is the {relation} of {thing}?")])
    chain = prompt | ChatDS4(model=MODEL, temperature=0) | StrOutputParser()
    for relation, thing in (("capital", "France"), ("currency", "Japan")):
        show(f"What is the {relation} of {thing}?", chain.stream({"relation": relation, "thing": thing}))


def llama_index() -> None:
    """A LlamaIndex query over a few texts, streamed."""
    from llama_index.core import SummaryIndex
    from llama_index.core.base.response.schema import StreamingResponse
    from llama_index.core.schema import TextNode

    from llama_index_ds4 import DS4LLM

    print(f'LlamaIndex: index.as_query_engine(llm=DS4LLM(model="{MODEL}", temperature=0), streaming=True)\n')
    print("  The index holds:")
    for fact in FACTS:
        print(f"  - {fact}")
    print()
    index = SummaryIndex(nodes=[TextNode(text=fact) for fact in FACTS])
    query_engine = index.as_query_engine(llm=DS4LLM(model=MODEL, temperature=0), streaming=True)
    for question in ("When was Acme Robotics founded?", "Who leads Project Lumen?"):
        response = query_engine.query(question)
        if not isinstance(response, StreamingResponse):
            raise TypeError(f"a streaming query engine answered with {type(response).__name__}")
        show(question, response.response_gen)


def direct() -> None:
    """The event stream that both adapters stand on, with its figures."""
    print(f'Without a framework: generate(Engine("{MODEL}"), request)\n')
    question = "Write a story about a cat."
    request = ChatRequest(messages=(Message("user", question),), sampling=Sampling(temperature=0))
    finish: list[Finish] = []

    def pieces() -> Iterable[str]:
        with Engine(MODEL) as engine:
            for event in generate(engine, request):
                if isinstance(event, TextDelta):
                    yield event.text
                elif isinstance(event, Finish):
                    finish.append(event)

    show(question, pieces())
    usage, timings = finish[0].usage, finish[0].timings
    print(
        f"  prefill {usage.prompt_tokens} tokens in {timings.prefill_s * 1e3:.1f} ms, "
        f"decode {timings.decode_tokens_per_s:.0f} tokens/s"
    )


def main() -> int:
    """Runs the three parts; returns the exit status."""
    start = time.perf_counter()
    with Engine(MODEL) as engine:
        info = engine.info
        print(
            f"DS4 for Python {__version__}: {MODEL}, {info.n_layer} layers, {info.n_params / 1e6:.1f} M parameters, "
            f"on {info.backend} ({info.device or f'{info.isa}, {info.n_threads} threads'}), "
            f"opened in {(time.perf_counter() - start) * 1e3:.0f} ms\n"
        )
        try:
            langchain()
            llama_index()
        except ModuleNotFoundError as error:
            print(f"{error}: the demo needs both adapters, pip install 'ds4-integrations[all]'", file=sys.stderr)
            return 1
        direct()
    return 0


if __name__ == "__main__":
    sys.exit(main())
