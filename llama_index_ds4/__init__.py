"""LlamaIndex integration of DS4: `DS4LLM`, an LLM that runs in this process, and `DS4Reranker`, which ranks by it."""

from ds4_core._version import __version__

try:
    from llama_index_ds4.base import DS4LLM
    from llama_index_ds4.reranker import DS4Reranker
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "llama_index":
        raise
    raise ImportError(
        f'{error}; llama_index_ds4 needs LlamaIndex: pip install "ds4-integrations[llama-index]"', name=error.name
    ) from error

__all__ = ["DS4LLM", "DS4Reranker", "__version__"]
