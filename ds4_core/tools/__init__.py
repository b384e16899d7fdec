"""Programs for people who work on models: each is run as `python -m ds4_core.tools.<name>`."""
