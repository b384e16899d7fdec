"""LangChain's standard tests as they are, over a scripted engine: nothing overridden, nothing expected to fail."""

from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_ds4 import ChatDS4
from tests.langchain.oracle import oracle
from tests.langchain.standard import StandardIntegration, check_counts


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self):
        return ChatDS4

    @property
    def chat_model_params(self):
        return {"model": "ds4-tiny"}

    @property
    def init_from_env_params(self):
        return {"DS4_MODEL_PATH": "./some.gguf"}, {}, {"model": "./some.gguf"}


class TestIntegration(StandardIntegration):
    __test__ = True
    engine = oracle()

    @property
    def chat_model_params(self):
        return {"engine": self.engine}


def test_as_many_passed_as_there_are(request):
    check_counts(request, TestUnit, passed=9, skipped=1)
    check_counts(request, TestIntegration, passed=40, skipped=10)
