"""Measurements of speed and memory: one command per question, each printing a table. See README.md."""
