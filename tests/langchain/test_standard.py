"""LangChain's standard unit tests, as they are."""

from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_ds4 import ChatDS4


class TestStandard(ChatModelUnitTests):
    @property
    def chat_model_class(self):
        return ChatDS4

    @property
    def chat_model_params(self):
        return {"model": "ds4-tiny"}

    # Refused for now, with a clear error that test_chat_models.py asks for.

    @property
    def has_tool_calling(self):
        return False

    @property
    def has_tool_choice(self):
        return False

    @property
    def has_structured_output(self):
        return False
