"""Held-out cases and how their answers are judged: words and phrasings that training never saw."""
