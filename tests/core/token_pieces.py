"""A vocabulary made up as it is used: any piece of text or bytes is a token, beside the protocol's control tokens."""

from __future__ import annotations

import itertools

from ds4_core.chat import Special

SPECIALS = list(Special)


class PieceTable:
    """Gives every piece an id of its own; a `Special` is its control token."""

    def __init__(self):
        self._bytes = [special.value.encode() for special in SPECIALS]
        self._ids = {}

    def token_bytes(self, token):
        return self._bytes[token]

    def find_token(self, text):
        return next((i for i, special in enumerate(SPECIALS) if special.value == text), None)

    def id(self, piece):
        if isinstance(piece, Special):
            return SPECIALS.index(piece)
        data = piece.encode() if isinstance(piece, str) else piece
        if data not in self._ids:
            self._ids[data] = len(self._bytes)
            self._bytes.append(data)
        return self._ids[data]

    def ids(self, *pieces):
        return [self.id(piece) for piece in pieces]

    def spell(self, text, cuts=()):
        """Text as tokens: every protocol literal is its control token, the rest is cut at the byte offsets `cuts`."""
        out = []
        for is_special, piece in split_specials(text):
            if is_special:
                out.append(self.id(Special(piece)))
                continue
            data = piece.encode()
            borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
            out += [self.id(data[a:b]) for a, b in itertools.pairwise(borders)]
        return out

    def letters(self, text):
        """Text as tokens of one character each, no control tokens among them."""
        return [self.id(char) for char in text]


def split_specials(text):
    """(is a literal, piece) for the pieces of a text."""
    while text:
        found = [(text.index(s.value), s.value) for s in SPECIALS if s.value in text]
        at, literal = min(found) if found else (len(text), "")
        if at:
            yield False, text[:at]
        if literal:
            yield True, literal
        text = text[at + len(literal) :]
