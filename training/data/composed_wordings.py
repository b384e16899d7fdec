"""The wordings of questions on composed passages."""

from __future__ import annotations

from training.data.words import Phrases, Words


class Wordings:
    """Ways to ask one thing: the plain ones, which everybody may use, and others, of which some are held out."""

    def __init__(self, plain: tuple[str, ...], *others: str) -> None:
        self.plain = plain
        self.others = Phrases(*others)

    def ask(self, w: Words, share: float = 0.3, /, **slots: str) -> str:
        """One of them, filled; in a share of cases a plain one."""
        text = w.pick(self.plain).format_map(slots) if w.chance(share) else w.ask(self.others, **slots)
        return text.strip()


SUBJECT = Wordings(
    (
        "Who {v} {O}{R}?",
        "By whom {was} {O} {done}{R}?",
    ),
    "Who is it that {v} {O}{R}?",
    "Who {was} {O} {done} by{R}?",
    "Do you know who {v} {O}{R}?",
    "Tell me who {v} {O}{R}.",
    "Can you say who {v} {O}{R}?",
    "I would like to know who {v} {O}{R}.",
    "Which person or group {v} {O}{R}?",
    "{Oc} {was} {done}{R} by whom?",
    "Name the one who {v} {O}{R}.",
    "By whom, according to the text, {was} {O} {done}{R}?",
    "According to the passage, who {v} {O}{R}?",
    "Somebody {v} {O}{R}. Who?",
    "Give me the name of whoever {v} {O}{R}.",
    "Please find out who {v} {O}{R}.",
    "We need to know by whom {O} {was} {done}{R}.",
    "Who exactly {v} {O}{R}?",
    "{Oc} {was} {done}{R}. Who did that?",
    "Whose doing is it that {O} {was} {done}{R}?",
    "Who {v} {O}{R}, if the text is right?",
    "Does the text say who {v} {O}{R}?",
    "Could you tell me by whom {O} {was} {done}{R}?",
    "who {v} {O}{R}",
)
OBJECT = Wordings(
    (
        "What {did} {S} {b}{R}?",
        "What {one_was} {done} by {S}{R}?",
    ),
    "Which thing {did} {S} {b}{R}?",
    "What is it that {S} {vs}{R}?",
    "Tell me what {S} {vs}{R}.",
    "What exactly {did} {S} {b}{R}?",
    "Do you know what {S} {vs}{R}?",
    "{Sc} {vs} something{R}. What?",
    "{Sc} {vs} what{R}?",
    "What {did} {S} {b}{R}, according to the text?",
    "Name the thing that {S} {vs}{R}.",
    "Can you tell me what {one_was} {done} by {S}{R}?",
    "I wonder what {S} {vs}{R}.",
    "According to the passage, what {did} {S} {b}{R}?",
    "Please say what {one_was} {done} by {S}{R}.",
    "And what {did} {S} {b}{R}?",
    "What {one_was} {done}{R} by {S}?",
    "what {did} {S} {b}{R}",
    "The text says that {S} {vs} something{R}; what is it?",
)
WHOM = Wordings(
    ("Whom {did} {S} {b}{R}?",),
    "Who {did} {S} {b}{R}?",
    "Who {one_was} {done} by {S}{R}?",
    "Tell me whom {S} {vs}{R}.",
    "Which person or group {did} {S} {b}{R}?",
    "Who is it that {S} {vs}{R}?",
    "Do you know who {one_was} {done} by {S}{R}?",
    "{Sc} {vs} somebody{R}. Whom?",
    "{Sc} {vs} whom{R}?",
    "Whom, according to the text, {did} {S} {b}{R}?",
    "I want to know who {one_was} {done} by {S}{R}.",
    "Whom exactly {did} {S} {b}{R}?",
)
WHICH = Wordings(
    ("Which {n} {did} {S} {b}{R}?",),
    "What kind of {n} {did} {S} {b}{R}?",
    "Which {n} {one_was} {done} by {S}{R}?",
    "Tell me which {n} {S} {vs}{R}.",
    "Which {n} is it that {S} {vs}{R}?",
    "{Sc} {vs} a certain {n}{R}. Which?",
    "Do you know which {n} {S} {vs}{R}?",
    "What {n} {did} {S} {b}{R}?",
)
HOW_MANY = Wordings(
    ("How many {u} {did} {S} {b}{R}?",),
    "How many {u} {was} {done} by {S}{R}?",
    "What number of {u} {did} {S} {b}{R}?",
    "Tell me how many {u} {S} {vs}{R}.",
    "Do you know how many {u} {S} {vs}{R}?",
    "{Sc} {vs} how many {u}{R}?",
    "What is the number of {u} that {S} {vs}{R}?",
    "How many {u} are there that {S} {vs}{R}?",
    "According to the text, how many {u} {did} {S} {b}{R}?",
)
WHOSE = Wordings(
    ("Whose {n} {did} {S} {b}{R}?",),
    "Whose {n} {one_was} {done} by {S}{R}?",
    "Tell me whose {n} {S} {vs}{R}.",
    "Whose {n} is it that {S} {vs}{R}?",
    "Do you know whose {n} {S} {vs}{R}?",
    "{Sc} {vs} somebody's {n}{R}. Whose?",
    "Whose was the {n} that {S} {vs}{R}?",
)
DEED = Wordings(
    ("What {did} {S} do{R}?",),
    "Tell me what {S} {did_do}{R}.",
    "According to the text, what {did} {S} do{R}?",
    "Do you know what {S} {did_do}{R}?",
    "What exactly {did} {S} do{R}?",
    "Say in a few words what {S} {did_do}{R}.",
    "And {S}, what {did} {S} do{R}?",
)
ACTIVE = Wordings(
    ("{W} {did} {S} {b} {O}{R}?",),
    "{W} is it that {S} {vs} {O}{R}?",
    "Tell me {wl} {S} {vs} {O}{R}.",
    "Do you know {wl} {S} {vs} {O}{R}?",
    "Can you tell me {wl} {S} {vs} {O}{R}?",
    "I want to know {wl} {S} {vs} {O}{R}.",
    "According to the text, {wl} {did} {S} {b} {O}{R}?",
    "{Sc} {vs} {O}{R}. {W}?",
    "{Sc} {vs} {O}{R}, but {wl}?",
    "{W} exactly {did} {S} {b} {O}{R}?",
    "Please find out {wl} {S} {vs} {O}{R}.",
    "And {wl} {did} {S} {b} {O}{R}?",
    "{W}, according to the passage, {did} {S} {b} {O}{R}?",
    "Does it say {wl} {S} {vs} {O}{R}?",
    "{wl} {did} {S} {b} {O}{R}",
)
PASSIVE = Wordings(
    ("{W} {was} {O} {done}{R}?",),
    "Tell me {wl} {O} {was} {done}{R}.",
    "Do you know {wl} {O} {was} {done}{R}?",
    "{Oc} {was} {done}{R}, but {wl}?",
    "{Oc} {was} {done}{R}. {W}?",
    "I would like to know {wl} {O} {was} {done}{R}.",
    "{W}, according to the text, {was} {O} {done}{R}?",
    "{W} exactly {was} {O} {done}{R}?",
    "Please say {wl} {O} {was} {done}{R}.",
    "In this text, {wl} {was} {O} {done}{R}?",
    "Does the text say {wl} {O} {was} {done}{R}?",
    "{W} is it that {O} {was} {done}{R}?",
    "{wl} {was} {O} {done}{R}",
)
PASSIVE_BY = Wordings(
    ("{W} {was} {O} {done} by {S}{R}?",),
    "{Oc} {was} {done} by {S}{R}. {W}?",
    "Can you say {wl} {O} {was} {done} by {S}{R}?",
    "Tell me {wl} {O} {was} {done} by {S}{R}.",
    "I wonder {wl} {O} {was} {done} by {S}{R}.",
    "{Oc} {was} {done} by {S}{R}, but {wl}?",
    "{W}, if the text is right, {was} {O} {done} by {S}{R}?",
)
TOOK = Wordings(
    ("How long {did} it take {S} to {b} {O}{R}?",),
    "How long {did} it take to {b} {O}{R}?",
    "How much time {did} {S} need to {b} {O}{R}?",
    "In what time {was} {O} {done}{R}?",
    "Tell me how long it took to {b} {O}{R}.",
    "Within what time {did} {S} {b} {O}{R}?",
)

#: Words that ask for a circumstance; "+" before those whose answer leaves the preposition out.
ASKED_BY = {
    "time": ("When", "When", "When", "At what point in time"),
    "year": ("When", "+In which year", "+In what year"),
    "month": ("When", "+In which month"),
    "day": ("When", "+On which day", "On what day"),
    "date": ("When", "+On which date", "On what date"),
    "clock": ("When", "+At what time", "At what time of day"),
    "place": ("Where", "Where", "Where", "In which place", "At what place"),
    "city": ("Where", "+In which town", "+In which city"),
    "reason": ("Why", "Why", "For what reason", "For which reason"),
    "purpose": ("Why", "For what purpose", "With what aim", "What for"),
    "instrument": ("+With what", "+With which tool", "+By means of what", "+Using what"),
    "manner": ("How", "In what way", "In which manner", "How"),
    "companion": ("+With whom", "+Together with whom", "+In whose company"),
    "beneficiary": ("+For whom", "+For whom", "+For whose sake"),
    "price": ("+For how much", "+At what price", "+For what sum", "+For how much money"),
    "duration": ("+For how long", "+How long", "+For what length of time"),
}  # fmt: skip
WHO_NOMINAL = Wordings(
    ("Who was responsible for the {N} of {O}{R}?",),
    "Whose work was the {N} of {O}{R}?",
    "By whom was the {N} of {O}{R} carried out?",
    "Who carried out the {N} of {O}{R}?",
    "Who was behind the {N} of {O}{R}?",
    "To whom is the {N} of {O}{R} ascribed?",
    "Tell me who took care of the {N} of {O}{R}.",
)
NOMINAL = Wordings(
    ("{W} did the {N} of {O} take place{R}?",),
    "{W} was the {N} of {O}{R}?",
    "Tell me {wl} the {N} of {O} took place{R}.",
    "Do you know {wl} the {N} of {O} happened{R}?",
    "I would like to know {wl} the {N} of {O} took place{R}.",
    "The {N} of {O} took place{R}, but {wl}?",
    "According to the text, {wl} did the {N} of {O} take place{R}?",
)
WHO_ALONE = Wordings(
    ("Who {v}{R}?", "Who {v}{R}?"),
    "Who is it that {v}{R}?",
    "Do you know who {v}{R}?",
    "Tell me who {v}{R}.",
    "Which person or group {v}{R}?",
    "According to the passage, who {v}{R}?",
    "Somebody {v}{R}. Who?",
    "Name the one who {v}{R}.",
    "I would like to know who {v}{R}.",
    "Does the text say who {v}{R}?",
    "Give me the name of whoever {v}{R}.",
)
WHAT_ALONE = Wordings(
    ("What {v}{R}?", "What {v}{R}?"),
    "What is it that {v}{R}?",
    "Do you know what {v}{R}?",
    "Tell me what {v}{R}.",
    "Which thing {v}{R}?",
    "According to the passage, what {v}{R}?",
    "Something {v}{R}. What?",
    "Name the thing that {v}{R}.",
    "I would like to know what {v}{R}.",
    "Does the text say what {v}{R}?",
)
KIND_NOUNS = {
    "furniture": "piece of furniture", "device": "device", "vehicle": "vehicle", "animal": "animal", "building": "building", "room": "room",
    "music": "piece of music", "picture": "work of art", "instrument": "musical instrument", "text": "piece of writing", "plant": "plant",
    "food": "dish", "clothes": "piece of clothing", "drink": "drink", "toy": "toy", "tool": "tool", "boat": "boat", "event": "event", "skill": "skill",
    "vessel": "container", "jewel": "small object", "fruit": "fruit or vegetable",
}  # fmt: skip
STATIC = ("in", "at", "behind", "under", "on")
PLACES = frozenset(
    "building room land city country part furniture vessel vehicle boat plant place house transport tent".split()
)

#: Questions after another one on the same event, or on another event with the same verb.
SHORT = Wordings(
    ("And {w}?", "{W}?"),
    "And {w} exactly?",
    "{W}, then?",
    "OK. {W}?",
    "Thanks. And {w}?",
    "{W} was that?",
    "And do you know {w}?",
    "And {w}, please?",
    "Good. {W}?",
    "Right, and {w}?",
    "I also want to know {w}.",
)
OTHER = Wordings(
    ("And {x}?", "What about {x}?"),
    "And how about {x}?",
    "Thanks. And {x}?",
    "The same for {x}?",
    "Now the same question about {x}.",
    "And in the case of {x}?",
    "OK, and {x}?",
    "Same question: {x}?",
    "And what about {x}, then?",
)
