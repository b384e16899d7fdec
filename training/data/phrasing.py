"""Says the same in other words: what training hears of a phrasing beside the phrasing itself.

Only what stands between the slots of a template changes, never what a slot will hold.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_SLOT = re.compile(r"(\{[^{}]*\})")

#: Words that may stand for each other in a request; the longest come first.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "tell me": ("let me know", "say", "please tell me", "I'd like to know", "I want to know", "can you tell me", "inform me of", "name", "find out", "give me", "share"),
    "do you know": ("can you say", "have you any idea", "could you tell me", "any idea", "would you know"),
    "what is": ("what's", "whats", "what would be", "give me", "I need", "which is", "name", "tell me", "state", "what exactly is"),
    "what's": ("what is", "whats", "which is"),
    "what are": ("which are", "name", "list", "give me"),
    "who is": ("who's", "name", "tell me who is", "which person is"),
    "where is": ("where's", "in which place is", "at what place is", "tell me where to find"),
    "when is": ("when's", "on which date is", "at what time is"),
    "how much is": ("what is the price of", "what does one pay for"),
    "where": ("in which place", "in what location", "at which place"),
    "when": ("at what time", "on what date", "at which moment"),
    "why": ("for what reason", "how come", "what is the reason that"),
    "give me": ("hand me", "provide", "show me", "let me have", "get me", "return", "I need", "I want"),
    "show me": ("display", "give me", "let me see", "present"),
    "i want to": ("I'd love to", "I would like to", "I wish to", "I have to", "I plan to", "I'm going to", "I am trying to"),
    "i want": ("I need", "I'd like", "I would like", "I could use", "I'm looking for"),
    "i need to": ("I have to", "I must", "I should", "I want to", "we need to"),
    "i need": ("I want", "I require", "we need", "I could use"),
    "i'd like": ("I want", "I would love", "I wish for", "I would like"),
    "can you": ("could you", "will you", "would you", "are you able to", "would you mind to", "can u", "please"),
    "could you": ("can you", "will you", "would you", "might you"),
    "would you": ("could you", "can you", "will you please"),
    "please": ("kindly", "pls", "if you can,", "be so kind and", "plz"),
    "use the tool": ("call the tool", "run the tool", "take the tool", "work with the tool", "make use of the tool"),
    "using the tool": ("with the tool", "by means of the tool", "through the tool", "via the tool"),
    "use": ("take", "apply", "work with", "employ", "utilize"),
    "call": ("invoke", "run", "trigger", "execute"),
    "run": ("execute", "start", "call", "launch"),
    "find": ("look for", "locate", "dig up", "get", "search out"),
    "look up": ("find", "check", "search", "retrieve", "look for"),
    "search": ("look", "hunt", "do a search"),
    "get": ("fetch", "obtain", "bring me", "retrieve"),
    "check": ("look at", "verify", "see", "inspect"),
    "write": ("compose", "put down", "draft", "produce", "create"),
    "make": ("create", "produce", "prepare", "build"),
    "send": ("transmit", "dispatch", "forward", "deliver"),
    "set": ("put", "change", "adjust", "fix", "turn"),
    "put": ("place", "set", "write"),
    "turn": ("switch", "put", "flip"),
    "book": ("reserve", "arrange", "order"),
    "buy": ("purchase", "order", "get"),
    "convert": ("change", "turn", "transform"),
    "translate": ("render", "put", "convert"),
    "compute": ("calculate", "work out", "determine", "figure out", "evaluate"),
    "calculate": ("compute", "work out", "figure out", "determine"),
    "extract": ("pull out", "read", "get", "take", "collect", "pick out"),
    "return": ("give back", "answer with", "output", "respond with", "produce"),
    "answer": ("reply", "respond"),
    "reply": ("answer", "respond"),
    "repeat": ("say again", "echo", "reproduce", "copy"),
    "about": ("on", "concerning", "regarding", "on the subject of"),
    "the text": ("this text", "the passage", "the following", "the text below"),
    "and": ("&", "and", "plus", "as well as"),
    "hello": ("hi", "hey", "good day", "hi there"),
    "also": ("in addition", "besides", "moreover", "too"),
    "then": ("after that", "next", "afterwards", "later"),
    "first": ("to begin with", "at first", "initially"),
    "now": ("right now", "at once", "immediately", "today"),
    "remember": ("recall", "keep in mind", "still know"),
    "company": ("firm", "business"),
    "town": ("city", "place"),
    "person": ("individual", "one", "man or woman"),
    "located": ("situated", "found"),
}  # fmt: skip
#: Those that keep the grammar of any sentence.
_CALM = frozenset(
    (
        "about",
        "also",
        "then",
        "first",
        "now",
        "company",
        "town",
        "person",
        "located",
        "the text",
        "please",
        "answer",
        "remember",
    )
)
_BY_LENGTH = sorted(_SYNONYMS, key=len, reverse=True)
_KNOWN = re.compile(r"\b(" + "|".join(map(re.escape, _BY_LENGTH)) + r")\b", re.IGNORECASE)

_STARTS = ("Hey, ", "Hi! ", "Hello, ", "Ok, ", "Okay. ", "So, ", "Well, ", "Right. ", "Good. ", "Listen: ", "Question: ", "One thing: ", "Just wondering: ", "Quickly: ", "Dear assistant, ", "Now, ", "And ", "Then ", "Say, ", "Tell me: ", "By the way, ", "For my work: ", "My boss asks: ", "I was wondering, ", "Maybe you can help. ", "Here is my request: ", "Task: ", "Todo: ", "Request: ", "Be quick. ", "It is important: ", "Sorry to bother you. ", "Let me ask: ", "Could be silly, but ", "Next one: ", "Another thing. ", "If possible, ", "As soon as you can: ", "I have a question. ", "Help! ", "Assistant: ", "Please. ", "Once more: ", "First of all, ", "Good evening. ", "Morning! ", "Yo, ")  # fmt: skip
_ENDS = (" Thanks.", " Thank you!", " Please.", " It is urgent.", " Be quick.", " I am in a hurry.", " That would help me.", " I'd be grateful.", " Cheers!", " No rush.", " Take your time.", " That's all.", " I really need it.", " Many thanks in advance.", " :)", " My boss wants it.", " Can you do that?", " I count on you.", " Do it now.", " Only that.", " Nothing else.", " It is for a friend.", " Just do it.", " Go!", " Have a nice day.")  # fmt: skip
_FILLERS = ("just", "please", "now", "again", "simply", "maybe", "kindly", "quickly", "really", "actually", "exactly", "perhaps", "also", "then", "today")  # fmt: skip
_DROPPED = frozenset(("the", "a", "an", "please", "me", "my", "this", "that", "of"))


def vary(rng: random.Random, template: str, *, rough: bool = True) -> str:
    """A template said in another way.

    Args:
        rng: Decides everything.
        template: With slots in braces.
        rough: Whether case, signs and spelling may suffer too.
    """
    parts = _SLOT.split(template)
    if rng.random() < 0.75:
        rate = rng.choice((0.3, 0.6))
        parts = [part if at % 2 else _with_synonyms(rng, part, rate, calm=not rough) for at, part in enumerate(parts)]
    if rough:
        x = rng.random()
        if x < 0.12:
            parts = _on_words(parts, lambda word: "" if word.lower() in _DROPPED and rng.random() < 0.6 else word)
        elif x < 0.22:
            parts = _with_filler(rng, parts)
        elif x < 0.32:
            parts = _on_words(parts, lambda word: _typo(rng, word) if rng.random() < 0.25 else word)
        elif x < 0.42:
            parts = [part if at % 2 else part.lower() for at, part in enumerate(parts)]
    text = "".join(parts)
    text = re.sub(r"  +", " ", text) if "  " not in template else text
    if not rough:
        return text
    if text[-1:] in (".", "?", "!") and rng.random() < 0.35:
        text = text[:-1] + rng.choice(("", "!", ".", "?", "...", " ?", "??", "?!"))
    if text[-1:] in (".", "?", "!") and rng.random() < 0.12:
        text += rng.choice(_ENDS)
    if rng.random() < 0.16 and text and not text.startswith("{"):
        start = rng.choice(_STARTS)
        second = text[1:2]
        text = start + (
            text[0].lower() + text[1:] if start.endswith((", ", ": ", "And ", "Then ")) and second.islower() else text
        )
    return text or template


def _with_synonyms(rng: random.Random, text: str, rate: float, *, calm: bool) -> str:
    def other(found: re.Match[str]) -> str:
        if rng.random() >= rate or (calm and found[0].lower() not in _CALM):
            return found[0]
        word = rng.choice(_SYNONYMS[found[0].lower()])
        return word[0].upper() + word[1:] if found[0][0].isupper() else word

    return _KNOWN.sub(other, text)


def _on_words(parts: Sequence[str], change: object) -> list[str]:
    assert callable(change)
    return [part if at % 2 else re.sub(r"[A-Za-z']+", lambda m: change(m[0]), part) for at, part in enumerate(parts)]


def _with_filler(rng: random.Random, parts: Sequence[str]) -> list[str]:
    places = [at for at in range(0, len(parts), 2) if parts[at].count(" ") >= 2]
    if not places:
        return list(parts)
    out = list(parts)
    at = rng.choice(places)
    blanks = [i for i, char in enumerate(out[at]) if char == " " and 0 < i < len(out[at]) - 1]
    if blanks:
        cut = rng.choice(blanks)
        out[at] = f"{out[at][:cut]} {rng.choice(_FILLERS)}{out[at][cut:]}"
    return out


def _typo(rng: random.Random, word: str) -> str:
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    x = rng.random()
    if x < 0.4:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if x < 0.7:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


# -- composed phrasings ------------------------------------------------------------------------------------------------

_BEFORE_NAME = ("with", "using", "where", "set", "and", "having", "given", "let", "make", "use", "take", "for", "whose", "", "", "with a", "with the", "its", "in which", "choose", "put", "I want", "give it", "apply", "there the", "enter", "fill in", "pass", "the", "a", "with its", "by", "under the", "as for the", "regarding the", "(", "[", "-", "plus", "including")  # fmt: skip
_BETWEEN = ("=", " = ", ": ", " is ", " to ", " as ", " of ", " equal to ", " should be ", " must be ", " being ", " set to ", " -> ", " at ", " ", " ", " has to be ", " shall be ", " will be ", " of exactly ", " (", " := ", " with the value ", " having the value ", ", namely ", " given as ", " equals ", " known as ", " like ", " put to ", " fixed at ", " chosen as ")  # fmt: skip
_AFTER_VALUE = (" as {p}", " as the {p}", " for {p}", " for the {p}", " is the {p}", " being the {p}", " as its {p}", " ({p})", " in {p}", " (the {p})", " for its {p}", " in the field {p}", " as value of {p}", " goes into {p}", " under {p}", " into the {p}")  # fmt: skip


def said_parameter(rng: random.Random) -> str:
    """A way to say a parameter by its name {p} and its value {v}."""
    quote = rng.choice(("", "", "", "", "'", '"', "`"))
    value = f"{quote}{{v}}{quote}"
    if rng.random() < 0.25:
        head = rng.choice(
            ("with ", "using ", "take ", "use ", "put ", "", "and ", "choose ", "enter ", "let ", "fill ")
        )
        return head + value + rng.choice(_AFTER_VALUE)
    head = rng.choice(_BEFORE_NAME)
    link = rng.choice(_BETWEEN)
    tail = {"(": ")", "[": "]"}.get(head, "") + (")" if link == " (" else "")
    glue = "" if head in ("", "(", "[") else " "
    return f"{head}{glue}{{p}}{link}{value}{tail}"


_ADVERBS = ("also", "in addition", "on top of that", "meanwhile", "after that", "besides", "moreover", "next", "finally", "then", "as a second thing", "while you are at it", "and when you are done", "furthermore", "additionally", "too", "likewise", "in the same go", "in one go", "once that is done", "apart from that", "as well", "secondly", "last but not least", "beyond that", "on the side", "simultaneously", "together with this", "independently of that", "in parallel", "by the way", "what is more", "afterwards", "at once", "and another thing", "for good measure", "the other thing", "number two", "later", "to finish", "next up", "along with it", "in the same breath", "in the meantime", "plus", "next to that", "as another task", "I also need this", "do this as well", "and please")  # fmt: skip
_SEPARATORS = (". ", ", ", "; ", "\n", " and ", " / ", " & ", " + ", " - ", ".\n", ", and ", "\n\n", " | ", "! ", "... ", "\n- ", "\n* ", " plus ", " as well as ")  # fmt: skip


def joined_requests(rng: random.Random, first: str, second: str) -> str:
    """Two requests in one message."""
    separator = rng.choice(_SEPARATORS)
    adverb = rng.choice(_ADVERBS) if rng.random() < 0.6 else ""
    if (separator[-1] in "\n " and separator.strip() in (".", "", "!", "...")) or "\n" in separator:
        second = second[0].upper() + second[1:] if not adverb else second
        adverb = adverb[:1].upper() + adverb[1:]
    comma = rng.choice((", ", ": ", " ")) if adverb else ""
    return f"{first}{separator}{adverb}{comma}{second}"


_LABELS = ("Context", "Text", "Passage", "Document", "Documents", "Notes", "Source", "Article", "Information", "Background", "Excerpt", "Data", "Material", "Page", "Knowledge", "Input", "Paragraph", "Facts", "Content", "Report")  # fmt: skip
_QUESTION_LABELS = ("Question", "Query", "Q", "User question", "User", "Ask", "My question", "Task", "Request", "The question", "Problem")  # fmt: skip
_INSTRUCTIONS = (
    "Answer the question with the text.", "Use only the text to answer.", "Read the text and answer the question.", "Answer from the context.", "Reply in a few words.", "If the text does not say it, say that you don't know.",
    "Answer briefly.", "Do not use other knowledge.", "Give a short answer.", "You answer questions on documents.", "Find the answer in the passage.", "Stick to what is written.", "Use the information below.",
    "Please answer based on what follows.", "Take the answer from the text.", "Be precise.", "Only answer if you are sure.", "Look into the document and answer.", "Here is something to read and a question about it.", "Keep it short.",
    "Answer as well as you can with this.", "Say you don't know when it is not there.", "The answer must come from the material.", "Give the exact words.", "Respond with the fact that is asked for.",
)  # fmt: skip


def qa_prompt(rng: random.Random) -> str:
    """A prompt with a context {c} and a question {q}."""
    label, ask = rng.choice(_LABELS), rng.choice(_QUESTION_LABELS)
    x = rng.random()
    if x < 0.35:
        context = f"{label}: {{c}}"
    elif x < 0.55:
        context = f"{label}:\n{{c}}"
    elif x < 0.65:
        tag = label.lower()
        context = f"<{tag}>\n{{c}}\n</{tag}>"
    elif x < 0.75:
        line = rng.choice(("---", "=====", "***", "-----------", '"""', "```"))
        context = f"{line}\n{{c}}\n{line}"
    elif x < 0.83:
        context = f"## {label}\n{{c}}"
    else:
        context = "{c}"
    question = rng.choice(
        (
            "{q}",
            "{q}",
            f"{ask}: {{q}}",
            f"{ask}: {{q}}",
            f"{ask}:\n{{q}}",
            f"## {ask}\n{{q}}",
            f"<{ask.lower()}>{{q}}</{ask.lower()}>",
        )
    )
    parts = [context, question] if rng.random() < 0.72 else [question, context]
    if rng.random() < 0.6:
        instruction = " ".join(rng.sample(_INSTRUCTIONS, rng.choice((1, 1, 2))))
        parts.insert(rng.choice((0, 0, 1, 2)), instruction)
    if parts[-1] == question and rng.random() < 0.3:
        parts.append(rng.choice(("Answer:", "A:", "Answer: ", "Reply:", "Your answer:", "Response:", "Short answer:")))
    return rng.choice(("\n\n", "\n", "\n\n", " ")).join(parts)


def said_fact(rng: random.Random) -> str:
    """A way to tell a value {v} of a key {k}; {K} is the key with a capital."""
    if rng.random() < 0.3:
        link = rng.choice(
            (
                " ({k})",
                " for {k}",
                " stands under {k}",
                " was entered as {k}",
                " is what we have for {k}",
                " counts as {k}",
                " was noted under {k}",
                " is the {k} here",
                " goes with {k}",
                " is said to be the {k}",
                " appears as {k}",
            )
        )
        return rng.choice(("", "", "We see ", "One finds ", "There is ", "Somebody wrote ")) + "{v}" + link + "."
    head = rng.choice(
        (
            "{K}",
            "{K}",
            "The {k}",
            "Its {k}",
            "This {k}",
            "Its own {k}",
            "In the list, {k}",
            "Our {k}",
            "On the form the {k}",
            "Regarding the {k}, it",
            "Note that the {k}",
            "I see that the {k}",
        )
    )
    link = rng.choice(
        (
            ": {v}",
            " = {v}",
            " is {v}.",
            " equals {v}.",
            " was {v}.",
            " -> {v}",
            " ({v})",
            " reads {v}.",
            " has the value {v}.",
            " was found to be {v}.",
            " should be {v}.",
            " - {v}",
            " | {v}",
            ", that is {v}.",
            " must read {v}.",
            " was written down as {v}.",
            "\t{v}",
            " remains {v}.",
        )
    )
    return head + link


_OBTAIN = ("find", "get", "look up", "fetch", "search for", "determine", "check", "retrieve", "read", "ask for", "find out", "discover", "see", "obtain", "pull up")  # fmt: skip


def said_two_steps(rng: random.Random) -> str:
    """A way to want the {k} of {n} found and then {v} done with it."""
    of = rng.choice(
        (
            "the {k} of {n}",
            "the {k} for {n}",
            "{n}'s {k}",
            "the {k} belonging to {n}",
            "the {k} that {n} has",
            "which {k} {n} has",
        )
    )
    obtain = rng.choice(_OBTAIN)
    link = rng.choice(
        (
            " and ",
            ", then ",
            " and then ",
            ". Then ",
            ". After that, ",
            ", and afterwards ",
            "; next, ",
            " so that you can ",
            " in order to ",
            ". With it, ",
            ". When you have it, ",
            " and finally ",
            ". Next, ",
            " before you ",
        )
    )
    end = rng.choice(
        ("{v} it", "{v} that", "{v} it", "{v}", "{v} it for me", "{v} what you found", "{v} the result", "{v} this")
    )
    start = rng.choice(
        ("", "", "", "please ", "can you ", "first ", "I want you to ", "you have to ", "go and ", "let's ", "kindly ")
    )
    text = f"{start}{obtain} {of}{link}{end}"
    text = text[0].upper() + text[1:]
    return text + rng.choice(("", ".", ".", "!", ", please", ", please.", "?" if start == "can you " else "."))
