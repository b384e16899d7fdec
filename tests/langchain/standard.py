"""How LangChain's standard integration tests are configured for ChatDS4, whichever engine answers."""

import pytest
from langchain_core.messages import HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_ds4 import ChatDS4


class StandardIntegration(ChatModelIntegrationTests):
    """Every feature that the model has is declared; nothing is overridden and nothing may fail."""

    __test__ = False

    @property
    def chat_model_class(self):
        return ChatDS4

    @property
    def has_tool_choice(self):
        return True

    @property
    def supports_json_mode(self):
        return True

    @property
    def supports_anthropic_inputs(self):
        return True

    @property
    def supported_usage_metadata_details(self):
        return {"invoke": ["reasoning_output", "cache_read_input"], "stream": ["reasoning_output", "cache_read_input"]}

    def invoke_with_reasoning_output(self, *, stream=False):
        return self._ask("Hello", stream, thinking=True, max_tokens=200)

    def invoke_with_cache_read_input(self, *, stream=False):
        self._ask("Hello, is this cached?", stream)
        message = self._ask("Hello, is this cached?", stream)
        assert message.usage_metadata["input_token_details"]["cache_read"] > 0
        return message

    def _ask(self, text, stream, **options):
        llm = self.chat_model_class(**self.chat_model_params)
        if not stream:
            return llm.invoke(text, **options)
        total = None
        for chunk in llm.stream([HumanMessage(text)], **options):
            total = chunk if total is None else total + chunk
        return total


def check_counts(request, cls, **expected):
    """Asserts how the tests of a class ended. Does nothing when not all of them were to run."""
    outcomes = request.config.stash[OUTCOMES]
    ended = {nodeid: outcome for nodeid, outcome in outcomes.items() if f"::{cls.__name__}::" in nodeid}
    chosen = sum(item.cls is cls for item in request.session.items)
    if chosen != sum(expected.values()) and request.config.option.keyword:
        pytest.skip("not all of them were to run")
    counts = {outcome: sum(one == outcome for one in ended.values()) for outcome in {*expected, *ended.values()}}
    assert counts == expected


OUTCOMES = pytest.StashKey()
