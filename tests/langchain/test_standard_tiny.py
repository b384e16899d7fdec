"""LangChain's standard integration tests as they are, with real inference on ds4-tiny."""

from tests.langchain.standard import StandardIntegration, check_counts


class TestIntegrationTiny(StandardIntegration):
    __test__ = True

    @property
    def chat_model_params(self):
        return {"model": "ds4-tiny", "temperature": 0, "max_tokens": 1000}


def test_as_many_passed_as_there_are(request):
    check_counts(request, TestIntegrationTiny, passed=40, skipped=10)
