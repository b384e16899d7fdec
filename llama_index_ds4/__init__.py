"""LlamaIndex integration of DS4: `DS4LLM`, an LLM that runs in this process."""

from ds4_core._version import __version__
from llama_index_ds4.base import DS4LLM

__all__ = ["DS4LLM", "__version__"]
