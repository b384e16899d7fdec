"""How LlamaIndex's ReActAgent writes its prompt, its steps and its answers."""

from __future__ import annotations

import json

from training.data.parameters import Tool
from training.data.prompts import default
from training.data.toolmaking import Listing
from training.data.words import Words

NEED = "Thought: The current language of the user is: English. I need to use a tool to help me answer the question."
ENOUGH = "Thought: I can answer without using any more tools. I'll use the user's language to answer"
UNABLE = "Thought: I cannot answer the question with the provided tools."


def _description(listing: Listing, tool: Tool) -> str:
    function = listing.spec(tool)["function"]
    return f"> Tool Name: {function['name']}\nTool Description: {function['description']}\nTool Args: {json.dumps(function['parameters'], ensure_ascii=False)}\n"


def header(w: Words, tools: list[Tool]) -> str:
    """The system message of the agent."""
    listing = Listing(w)
    listing.style, listing.signature = (
        ("titled", w.chance(0.7)) if w.chance(0.85) else (listing.style, listing.signature)
    )
    described = "\n".join(_description(listing, tool) for tool in tools)
    names = ", ".join(tool.name for tool in tools)
    if w.chance(0.1):
        return default("react_context").format(tool_desc=described, tool_names=names, context=w.sentence())
    return default("react").format(tool_desc=described, tool_names=names, context_prompt="")


def action(tool: Tool) -> str:
    """The step that calls a tool."""
    return f"{NEED}\nAction: {tool.name}\nAction Input: {json.dumps(tool.arguments, ensure_ascii=False)}"


def past_action(tool: Tool) -> str:
    """The same as the agent writes it into later prompts: the arguments as Python shows them."""
    return f"{NEED}\nAction: {tool.name}\nAction Input: {tool.arguments}"
