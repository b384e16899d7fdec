"""What conversations of all skills share: system messages, whether they think, and turns of small talk."""

from __future__ import annotations

import json

from training.data.example import Chat
from training.data.words import Phrases, Words

_SYSTEM = Phrases(
    "You are a helpful assistant.",
    "You are a helpful AI assistant.",
    "You are an assistant.",
    "Be helpful and brief.",
    "You are a friendly assistant who answers in short sentences.",
    "You are a careful agent with access to tools.",
    "Answer the user's questions.",
    "You help people with their tasks.",
    "You are an expert on {x}.",
    "You work for {c}. Help its customers.",
    "Today is {d}.",
    "You are a polite assistant. Keep answers short.",
    "You are a bot of {c}.",
    "You're a helpful assistant. Use the tools when they help.",
    "You are an agent that solves problems with tools.",
    "Be concise.",
    "The user's name is {n}.",
    "You are a large language model.",
    "Never make things up.",
    "Answer in English.",
    "You assist with {x} and {y}.",
)


def system_text(w: Words, share: float) -> str:
    """A system message, or "" with the rest of the share."""
    if not w.chance(share):
        return ""
    return w.say(_SYSTEM, n=w.person(), x=w.noun(), y=w.noun(), c=w.company(), d=w.date())


def chat_for(w: Words, *, share: float) -> Chat:
    """A conversation that thinks with this probability, at low or high effort."""
    thinking = w.chance(share)
    return Chat(thinking=thinking, effort=w.pick((None, "low", "high", "high")) if thinking else None)


def plain_turn(w: Words, chat: Chat) -> None:
    """Small talk, a fact or a little task."""
    from training.data.skills.talk import exchange  # which needs this module

    offered = None if chat.tools is None else json.dumps(chat.tools, ensure_ascii=False).lower()
    user, answer, thought, check = exchange(w, offered=offered)
    chat.user(user)
    chat.answer(answer, thought, **check)


def small_talk_turn(w: Words) -> str:
    """What a user says who just talks."""
    from training.data.skills.talk import small_talk_text  # which needs this module

    return small_talk_text(w)
