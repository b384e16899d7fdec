"""Everything ds4-tiny learns from: conversations made by rules, a file for each skill.

Examples are drawn at random and never repeat. Words and phrasings are split: held-out examples use words and, where
there are enough of them, ways of saying things that training never sees.
"""

from training.data.example import Example
from training.data.mixture import SKILLS, by_skill, example
from training.data.rendering import Piece, pieces

__all__ = ["SKILLS", "Example", "Piece", "by_skill", "example", "pieces"]
