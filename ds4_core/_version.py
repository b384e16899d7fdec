"""The version of the distribution `ds4-integrations`: the one place where it is written."""

__version__ = "0.1.0"
