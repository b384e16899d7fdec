"""The ReAct format of LlamaIndex's ReActAgent: thoughts, actions and answers as plain text."""

from __future__ import annotations

import json

from training.data.example import Example
from training.data.prompts import default
from training.data.results import any_result
from training.data.skills.openings import chat_for
from training.data.skills.talk import exchange
from training.data.toolmaking import Listing, Tool, any_tool, several_tools
from training.data.words import Words

NEED = "Thought: The current language of the user is: English. I need to use a tool to help me answer the question."
ENOUGH = "Thought: I can answer without using any more tools. I'll use the user's language to answer"
UNABLE = "Thought: I cannot answer the question with the provided tools."


def _description(w: Words, listing: Listing, tool: Tool) -> str:
    function = listing.spec(tool)["function"]
    del w
    return f"> Tool Name: {function['name']}\nTool Description: {function['description']}\nTool Args: {json.dumps(function['parameters'], ensure_ascii=False)}\n"


def header(w: Words, tools: list[Tool]) -> str:
    """The system message of the agent."""
    listing = Listing(w)
    listing.style, listing.signature = (
        ("titled", w.chance(0.7)) if w.chance(0.85) else (listing.style, listing.signature)
    )
    described = "\n".join(_description(w, listing, tool) for tool in tools)
    names = ", ".join(tool.name for tool in tools)
    if w.chance(0.1):
        return default("react_context").format(tool_desc=described, tool_names=names, context=w.sentence())
    return default("react").format(tool_desc=described, tool_names=names, context_prompt="")


def action(tool: Tool) -> str:
    """The step that calls a tool."""
    return f"{NEED}\nAction: {tool.name}\nAction Input: {json.dumps(tool.arguments, ensure_ascii=False)}"


def _past_action(w: Words, tool: Tool) -> str:
    """The same as the agent writes it into later prompts: the arguments as Python shows them."""
    del w
    return f"{NEED}\nAction: {tool.name}\nAction Input: {tool.arguments}"


def react(w: Words) -> Example:
    """A step of the agent: an action, the answer after an observation, or an answer at once."""
    chat = chat_for(w, share=0.0)
    tool = any_tool(w)
    tools = several_tools(w, w.pick((1, 1, 2, 3)), tool)
    chat.system(header(w, w.shuffled(tools)))
    if w.chance(0.12):
        user, answer, *_ = exchange(w, offered=chat.messages[0]["content"].lower())
        chat.user(user)
        chat.answer(answer, train=False)
    if w.chance(0.22):
        user, answer, *_ = exchange(w, offered=chat.messages[0]["content"].lower())
        chat.user(user)
        chat.answer(f"{ENOUGH}\nAnswer: {answer}", kind="react")
        return chat.example("react", heldout=w.heldout)
    chat.user(tool.request)
    chat.answer(action(tool), kind="react")
    if w.chance(0.45):
        if w.chance(0.7) and chat.messages[-1]["train"]:
            past = _past_action(w, tool)
            if past != chat.messages[-1]["content"]:
                # What later prompts show is not what is to be written: then only the answer is a target.
                chat.messages[-1] = {"role": "assistant", "content": past, "train": False}
        if w.chance(0.18) and len(tools) > 1:
            other = next(one for one in tools if one is not tool)
            first = chat.messages[-2]
            first["content"] = f"{first['content'].rstrip('.')}. Then {other.request[0].lower()}{other.request[1:]}"
            chat.user(f"Observation: {any_result(w).text}")
            chat.answer(action(other), kind="react")
            return chat.example("react", heldout=w.heldout)
        result = any_result(w)
        chat.user(f"Observation: {result.text}")
        chat.answer(f"{ENOUGH}\nAnswer: {result.answer}", kind="react")
    if not w.heldout and w.chance(0.6):
        # The long system message is worth another request.
        if chat.messages[-1]["content"].startswith(NEED):
            result = any_result(w)
            chat.user(f"Observation: {result.text}")
            chat.answer(f"{ENOUGH}\nAnswer: {result.answer}", kind="react")
        following = w.pick(tools)
        if following.request != tool.request:
            chat.user(following.request)
            chat.answer(action(following), kind="react")
    return chat.example("react", heldout=w.heldout)
