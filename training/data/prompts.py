"""Prompts around a context: LlamaIndex's and LangChain's own defaults, and how others ask."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from training.data.phrasing import qa_prompt
from training.data.words import Phrases, Words


@lru_cache(maxsize=1)
def _file() -> dict[str, str]:
    loaded: dict[str, str] = json.loads(Path(__file__).with_name("prompts.json").read_text(encoding="utf-8"))
    return loaded


def default(name: str) -> str:
    """A framework's default prompt, by its name in `prompts.json`."""
    return _file()[name]


#: {c} is the context, {q} the question.
QA_PROMPTS = Phrases(
    "Use the following pieces of context to answer the question at the end. If you don't know the answer, just say that you don't know, don't try to make up an answer.\n\n{c}\n\nQuestion: {q}\nHelpful Answer:",
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the question. If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the answer concise.\nQuestion: {q} \nContext: {c} \nAnswer:",
    "Answer the question based only on the following context:\n{c}\n\nQuestion: {q}",
    "Answer the question based only on the following context:\n\n{c}\n\nQuestion: {q}\n",
    "Answer the following question based on the provided context.\n\nContext:\n{c}\n\nQuestion: {q}",
    "Context: {c}\n\nQuestion: {q}\n\nAnswer:",
    "{c}\n\n{q}",
    "{c}\n\nQuestion: {q}",
    "Text: {c}\nQuestion: {q}",
    "Question: {q}\n\nText: {c}",
    "Read this:\n{c}\n\nNow tell me: {q}",
    "Here is a document.\n\n<document>\n{c}\n</document>\n\n{q}",
    "<context>\n{c}\n</context>\n\nQuestion: {q}",
    "{q}\n\n{c}",
    "{q} Use this text: {c}",
    "Based on the text below, answer the question.\n\n{c}\n\n{q}",
    "I have these notes:\n{c}\n\nMy question: {q}",
    "From the passage, {q}\n\nPassage: {c}",
    "Documents:\n{c}\n\nUser question: {q}",
    'According to "{c}", what is the answer to this: {q}',
    "Information:\n{c}\n\nUsing only this information, answer: {q}",
)
#: The context in a system message; the user's message is the question.
SYSTEM_PROMPTS = Phrases(
    "Use the given context to answer the question. If you don't know the answer, say you don't know. Use three sentence maximum and keep the answer concise. Context: {c}",
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the question. If you don't know the answer, say that you don't know. Use three sentences maximum and keep the answer concise.\n\n{c}",
    "Answer using this context:\n\n{c}",
    "You are a helpful assistant. Answer the user's questions based on the below context:\n\n{c}",
    "Answer the user's questions based on the below context:\n\n<context>\n{c}\n</context>",
    "You know this:\n{c}",
    "Reference material:\n\n{c}\n\nAnswer questions about it briefly.",
    "Knowledge base:\n{c}",
    "You answer questions about these documents.\n\n{c}\n\nSay so when they do not hold the answer.",
    "Context information is below.\n\n{c}",
)
CONDENSE_SYSTEM = Phrases(
    "Given a chat history and the latest user question which might reference context in the chat history, formulate a standalone question which can be understood without the chat history. Do NOT answer the question, just reformulate it if needed and otherwise return it as is.",
    "Rewrite the last question so that it can be understood without the conversation.",
    "Rephrase the user's last message as a standalone question. Do not answer it.",
    "Turn the final user message into a question that stands on its own.",
    "Given the conversation, generate a search query to look up for the last message.",
)
SUMMARIZE = Phrases(
    "Summarize the following text.\n\n{c}",
    "Summarize this: {c}",
    "Write a concise summary of the following:\n\n{c}\n\nCONCISE SUMMARY:",
    'Write a concise summary of the following:\n\n"{c}"',
    "{c}\n\nSummarize this text in one sentence.",
    "Give me a short summary of this text:\n{c}",
    "{c}\n\nTL;DR",
    "Sum up this passage: {c}",
    "What is this text about?\n\n{c}",
    "Please shorten this to one sentence:\n\n{c}",
)


def qa_messages(w: Words, context: str, question: str) -> tuple[str, str]:
    """System text (may be "") and user text of a question on a context, in one of all these ways."""
    x = w.rng.random()
    if x < 0.26:
        return (default("qa_system") if w.chance(0.6) else ""), default("qa").format(
            context_str=context, query_str=question
        )
    if x < 0.34:
        return (default("qa_system") if w.chance(0.6) else ""), default("tree_summarize").format(
            context_str=context, query_str=question
        )
    if x < 0.42:
        return default("simple_context").format(context_str=context), question
    if x < 0.49:
        return default("condense_context").format(context_str=context), question
    if x < 0.6:
        return w.template(SYSTEM_PROMPTS, rough=False).format(c=context), question
    prompt = w.template(QA_PROMPTS, rough=False)
    if not w.heldout and w.chance(0.6):
        prompt = qa_prompt(w.rng)
        if prompt in QA_PROMPTS.heldout:
            prompt = w.pick(QA_PROMPTS.train)
    return "", prompt.format(c=context, q=question)
