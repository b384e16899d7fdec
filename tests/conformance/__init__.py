"""Exactness of the engine: tiny random models, golden logits, bit-identity."""
