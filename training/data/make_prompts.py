"""Makes `prompts.json`: the default prompts of LlamaIndex and LangChain that the model is to understand word for word.

    pip install llama-index-core langchain && python -m training.data.make_prompts

Both packages are under the MIT licence.
"""

from __future__ import annotations

import json
from pathlib import Path

OUT = Path(__file__).with_name("prompts.json")


def main() -> None:
    """Writes the file."""
    from langchain.agents.middleware import summarization
    from llama_index.core.agent.react.prompts import CONTEXT_REACT_CHAT_SYSTEM_HEADER, REACT_CHAT_SYSTEM_HEADER
    from llama_index.core.agent.workflow import prompts as workflow
    from llama_index.core.chat_engine import condense_plus_context, condense_question, context
    from llama_index.core.prompts import chat_prompts, default_prompts
    from llama_index.core.selectors import prompts as selectors

    found = {
        "qa_system": chat_prompts.TEXT_QA_SYSTEM_PROMPT.content,
        "qa": default_prompts.DEFAULT_TEXT_QA_PROMPT_TMPL,
        "tree_summarize": default_prompts.DEFAULT_TREE_SUMMARIZE_TMPL,
        "refine": default_prompts.DEFAULT_REFINE_PROMPT_TMPL,
        "chat_refine": chat_prompts.CHAT_REFINE_PROMPT_TMPL_MSGS[0].content,
        "summary": default_prompts.DEFAULT_SUMMARY_PROMPT_TMPL,
        "simple_context": context.DEFAULT_CONTEXT_TEMPLATE,
        "simple_context_refine": context.DEFAULT_REFINE_TEMPLATE,
        "condense_context": condense_plus_context.DEFAULT_CONTEXT_PROMPT_TEMPLATE,
        "condense_context_refine": condense_plus_context.DEFAULT_CONTEXT_REFINE_PROMPT_TEMPLATE,
        "condense": condense_plus_context.DEFAULT_CONDENSE_PROMPT_TEMPLATE,
        "condense_question": condense_question.DEFAULT_TEMPLATE,
        "react": REACT_CHAT_SYSTEM_HEADER,
        "react_context": CONTEXT_REACT_CHAT_SYSTEM_HEADER,
        "choice_select": default_prompts.DEFAULT_CHOICE_SELECT_PROMPT_TMPL,
        "single_select": selectors.DEFAULT_SINGLE_SELECT_PROMPT_TMPL,
        "handoff": workflow.DEFAULT_HANDOFF_PROMPT,
        "handoff_output": workflow.DEFAULT_HANDOFF_OUTPUT_PROMPT,
        "summarization_middleware": summarization.DEFAULT_SUMMARY_PROMPT,
    }
    OUT.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print({name: len(text or "") for name, text in found.items()})


if __name__ == "__main__":
    main()
