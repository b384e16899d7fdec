"""Standalone questions, summaries and labels of texts, from lines written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence

from training.data.example import Chat, Example
from training.data.prompts import CONDENSE_SYSTEM, SUMMARIZE, default
from training.data.skills.openings import chat_for, system_text
from training.data.skills.talk import exchange
from training.data.words import Phrases, Words
from training.data.written import Line, Slots, line_of, said

# -- standalone questions ----------------------------------------------------------------------------------------------

Turn = tuple[str, str]

_ROLES = (("user", "assistant"), ("Human", "Assistant"), ("Human", "AI"), ("User", "Bot"), ("Customer", "Agent"))
#: {h} is the conversation, {q} the follow-up.
_CONDENSE = Phrases(
    "Conversation:\n{h}\n\nFollow-up: {q}\n\nRewrite the follow-up so that it makes sense on its own.",
    "{h}\n\nThe user now says: {q}\nMake that a question that can be understood without the rest.",
    "Here is a chat.\n\n{h}\n\nAnd here is the next message: {q}\n\nWhat is the full question that is meant?",
    "Chat history:\n{h}\n\nLast message: {q}\n\nStandalone version:",
    "Resolve the references in the last message, using the dialogue.\n\n{h}\n\nLast message: {q}",
    "Someone who has not read this dialogue shall understand the question '{q}'. Put it so that they can.\n\n{h}",
    "<history>\n{h}\n</history>\n<follow_up>{q}</follow_up>\n\nGive me the follow-up as one self-contained question, no answer.",
    "Which complete question does '{q}' stand for at the end of this conversation?\n\n{h}",
    "Rephrase the follow up question as a standalone question, in its original language.\n\nChat History:\n{h}\nFollow Up Input: {q}\nStandalone question:",
    "Given this conversation, write the query to search for.\n\n{h}\n\nUser: {q}\n\nQuery:",
    "What does the user want to know? Say it as a whole question.\n\n{h}\n{q}",
    "Replace pronouns and fill in what is left out.\n\nDialogue so far:\n{h}\n\nNew: {q}\n\nComplete question:",
)
_CONDENSE_SAID = Phrases(
    "Do not answer. Write the user's last message as a question that needs no context.",
    "Your only job is to rewrite the last question so that it stands alone. If it already does, return it unchanged.",
    "You turn follow-up questions into complete ones. Reply with the question only.",
    "You prepare questions for a search engine: put into the newest one whatever it takes from earlier turns.",
    "Rewrite the newest message: replace every pronoun by what it refers to, add what was left out, and keep the rest.",
    "Reformulate the latest question so that somebody who joins now understands it.",
    "Given a conversation, output the standalone form of its final question.",
)


def _turns(slots: Slots, line: Line) -> list[Turn]:
    return [(role, slots.fill(text)) for role, text in line["chat"]]


def _before(w: Words) -> list[Turn]:
    """What was talked about before: nothing mostly, small talk, or something else."""
    x = w.rng.random()
    if x < 0.6:
        return []
    if x < 0.8:
        user, answer, *_ = exchange(w)
        return [("user", user), ("assistant", answer)]
    return _turns(Slots(w), line_of(w, "condense"))


def condense(w: Words) -> Example:
    """A follow-up as the question that it stands for; one that stands alone as it is."""
    chat = chat_for(w, share=0.05)
    line = line_of(w, "condense")
    slots = Slots(w)
    history = _before(w) + _turns(slots, line)
    wording = line.one(w, line["follow"])
    if line.get("standalone"):
        follow, standalone = slots.fill(said(w, wording)), slots.fill(line["standalone"])
    else:
        follow = standalone = slots.fill(wording)
    x = w.rng.random()
    if x < 0.68:
        names = dict(zip(("user", "assistant"), w.pick(_ROLES) if w.chance(0.5) else _ROLES[0], strict=True))
        told = "\n".join(f"{names[role]}: {text}" for role, text in history)
        chat.system(system_text(w, 0.1))
        if x < 0.44:
            prompt = default("condense" if x < 0.24 else "condense_question")
            chat.user(prompt.format(chat_history=told, question=follow))
        else:
            chat.user(w.template(_CONDENSE, rough=False).format(h=told, q=follow))
    else:
        chat.system(w.tell(CONDENSE_SYSTEM if w.chance(0.5) else _CONDENSE_SAID))
        for role, text in history:
            if role == "user":
                chat.user(text)
            else:
                chat.answer(text, train=False)
        chat.user(follow)
    chat.answer(standalone, "I put in what it refers to." if standalone != follow else "It can stand alone.")
    return chat.example("written_condense", heldout=w.heldout)


# -- summaries ---------------------------------------------------------------------------------------------------------

#: {c} is the text.
_SUMMARIZE = Phrases(
    "What is the main point of this?\n\n{c}",
    "{c}\n\nIn one sentence, what happened?",
    "Give me the gist: {c}",
    "I have no time to read this. What does it say?\n\n{c}",
    "Condense this into a single sentence.\n---\n{c}\n---",
    "Text:\n{c}\n\nSummary:",
    "{c}\n\nTell me the essence in one sentence.",
    "Boil this down for a busy colleague:\n\n{c}",
    "<text>{c}</text>\nWrite a summary of one sentence.",
    "Main fact of the following passage, please.\n{c}",
    "Could you sum that up in a line?\n\n{c}",
    "Here's a message I got:\n{c}\n\nShort version?",
    "Produce a one-line abstract.\n\nPassage: {c}\nAbstract:",
    "What should I take away from this text?\n{c}",
    "Write the headline sentence for this report: {c}",
    "Summarise in at most twenty words or so:\n{c}",
    "{c}\n\nSummary in one sentence:",
)
_SUMMARIZER = Phrases(
    "You summarize whatever the user sends, in one sentence.",
    "Reply to every text with its main point and nothing else.",
    "You write one-sentence summaries for a newsletter.",
    "The user sends texts. Answer with a short summary of each.",
    "Summaries only: one sentence, with the words of the text.",
    "Write a concise summary of the following:\n\n{c}",
)
_AGAIN = Phrases(
    "And this: {c}", "Next text:\n{c}", "{c}", "Now this one.\n\n{c}", "One more: {c}", "Same for this:\n{c}"
)


def _summarized(w: Words) -> tuple[str, str]:
    line = line_of(w, "summary")
    slots = Slots(w)
    return slots.fill(line["text"]), slots.fill(line["summary"])


def summary(w: Words) -> Example:
    """The main fact of a text in one sentence."""
    chat = chat_for(w, share=0.05)
    text, short = _summarized(w)
    x = w.rng.random()
    if x < 0.22:
        chat.user(default("summary").format(context_str=text))
    elif x < 0.36:
        system = w.tell(_SUMMARIZER, c=text)
        chat.system(system)
        chat.user(text if text not in system else w.pick(("Go ahead.", "Now write it.", "Your summary, please.")))
    else:
        chat.system(system_text(w, 0.1))
        chat.user(w.template(_SUMMARIZE if w.chance(0.7) else SUMMARIZE, rough=False).format(c=text))
    chat.answer(short, "I look for the main fact.")
    if not w.heldout:
        seen = {short}
        for _ in range(w.pick((1, 2, 3))):
            text, short = _summarized(w)
            if short not in seen:
                seen.add(short)
                chat.user(w.tell(_AGAIN, c=text))
                chat.answer(short, "I look for the main fact.")
    return chat.example("written_summary", heldout=w.heldout)


# -- labels ------------------------------------------------------------------------------------------------------------

#: {t} is the text, {c} the choices, {k} what is asked for.
_CLASSIFY = Phrases(
    "Which {k} does this text have: {c}?\n\n{t}",
    "{t}\n\n{K}? Choose from {c}.",
    "Classify the {k} of the text as {c}.\n\nText: {t}\n{K}:",
    "Text: {t}\nOptions: {c}\nPick the {k} and reply with it alone.",
    'Decide on the {k} of "{t}". Possible answers: {c}.',
    "Label the following with its {k} ({c}):\n{t}",
    "I sort messages by {k}. The drawers are {c}. Where does this one go?\n\n{t}",
    "Assign one of these labels: {c}.\n\n{t}",
    "What's the {k} here? '{t}' - answer {c}",
    "{K} ({c}) of this: {t}",
    "Read this and say which {k} fits best.\n\n{t}\n\nAllowed: {c}",
    "Somebody wrote:\n{t}\n\nWould you call the {k} {c}?",
    "Input: {t}\nTask: {k}\nLabels: {c}\nOutput:",
    "Answer with a single label. The {k} must be one of {c}.\n{t}",
    "Tag this text ({k}; {c}).\n\n{t}",
    "Choose the right {k} for the text below.\n{c}\n\n{t}",
    "Out of {c}, what {k} is this?\n{t}",
    "<text>\n{t}\n</text>\n<labels>{c}</labels>\nReturn the label for its {k}.",
    "Given the labels {c}, tell me the {k}: {t}",
    "{t}\n\nLabel ({c}):",
)
_CLASSIFIER = Phrases(
    "You are a classifier. Labels for the {k}: {c}. Reply with a label only.",
    "Whatever the user writes, answer with its {k}: {c}.",
    "Classify each message by {k}. Choose from {c} and say nothing else.",
    "You route incoming texts. For every one give the {k}, which is one of {c}.",
    "Determine the {k} ({c}) of the user's text.",
    "Possible values of the {k}: {c}. Output exactly one of them for each text.",
)
_LABEL_AGAIN = Phrases(
    "And this one? {t}", "Next: {t}", "{t}", "Now: {t}", "The next text is: {t}", "What about this?\n{t}", "Also: {t}"
)
_JOINED = (", ", ", ", " or ", "/", " | ", "; ")


def _choices(w: Words, labels: Sequence[str]) -> str:
    x = w.rng.random()
    if x < 0.5:
        return w.pick(_JOINED).join(labels)
    if x < 0.7:
        return ", ".join(labels[:-1]) + w.pick((" or ", " and ", ", or ")) + labels[-1]
    if x < 0.8:
        return json.dumps(list(labels), ensure_ascii=False)
    if x < 0.9:
        return ", ".join(f"'{label}'" for label in labels)
    return "\n" + "\n".join(f"- {label}" for label in labels)


class _Task:
    """A line's task with names for its labels, some of them if there are many."""

    def __init__(self, w: Words) -> None:
        self.line = line_of(w, "classify")
        labels = list(self.line["labels"])
        names = w.pick([labels, labels, *self.line.get("names", [])])
        self.names = dict(zip(labels, names, strict=True))
        if len(labels) > 3 and w.chance(0.7):
            kept = set(w.sample(labels, w.between(2, len(labels) - 1)))
            labels = [label for label in labels if label in kept]
        self.labels = labels if w.chance(0.5) else w.shuffled(labels)
        self.kind: str = self.line.one(w, self.line["kind"])
        self.unseen = {label: w.shuffled(self.line.among(w, self.line["labels"][label])) for label in labels}

    @property
    def choices(self) -> list[str]:
        return [self.names[label] for label in self.labels]

    def draw(self, w: Words) -> tuple[str, str] | None:
        """A text that was not drawn before, and its label."""
        left = [label for label in self.labels if self.unseen[label]]
        if not left:
            return None
        label = w.pick(left)
        return Slots(w).fill(self.unseen[label].pop()), self.names[label]


def _examples(w: Words, task: _Task) -> str:
    """Some texts with their labels, as a prompt shows them."""
    style = w.pick(("Text: {t}\nLabel: {l}\n\n", "{t} => {l}\n", '"{t}" - {l}\n', "Q: {t}\nA: {l}\n\n"))
    drawn = [one for _ in range(w.between(2, 4)) if (one := task.draw(w))]
    return "".join(style.format(t=text, l=label) for text, label in drawn)


def classify(w: Words) -> Example:
    """The label that fits a text, said as the choices are written."""
    chat = chat_for(w, share=0.05)
    task = _Task(w)
    x = w.rng.random()
    shown = _examples(w, task) if x >= 0.9 and not w.heldout else ""
    text, label = task.draw(w) or ("", "")
    kind, choices = task.kind, _choices(w, task.choices)
    asked = {"k": kind, "K": kind[0].upper() + kind[1:], "c": choices, "t": text}
    if x < 0.2:
        chat.system(w.tell(_CLASSIFIER, **asked))
        chat.user(text)
    elif x < 0.3:
        _by_number(w, chat, task, text, label)
        return chat.example("written_classify", heldout=w.heldout)
    else:
        chat.system(system_text(w, 0.1))
        own = task.line.get("ask")
        if own and w.chance(0.4):
            slots = Slots(w)
            slots.values.update(asked)
            prompt = slots.fill(task.line.one(w, own))
        else:
            prompt = w.tell(_CLASSIFY, **asked)
        chat.user((f"Examples:\n{shown}\n" if shown else "") + prompt)
    chat.answer(label, f"The {kind} is {label}.", choices=task.choices)
    for _ in range(0 if w.heldout else w.between(1, 5)):
        drawn = task.draw(w)
        if drawn is None:
            break
        chat.user(w.tell(_LABEL_AGAIN, t=drawn[0]))
        chat.answer(drawn[1], f"The {kind} is {drawn[1]}.", choices=task.choices)
    return chat.example("written_classify", heldout=w.heldout)


_NUMBERED = Phrases(
    "Which {k} fits? Give the number.\n{l}\n\nText: {t}",
    "{t}\n\n{l}\n\nReply with the number of the {k} only.",
    "Choices for the {k}:\n{l}\n\nWhich number belongs to this text?\n{t}",
    "Text: {t}\n{l}\nNumber of the right {k}:",
    "Pick the {k} by its number.\n\n{l}\n\n{t}",
)
_LETTERED = Phrases(
    "Which {k} fits? Give the letter.\n{l}\n\nText: {t}",
    "{t}\n\n{l}\n\nReply with the letter of the {k} only.",
    "Multiple choice. The {k} of '{t}' is\n{l}\nAnswer with a letter.",
    "Text: {t}\n{l}\nLetter of the right {k}:",
    "Choose the letter of the {k}.\n\n{l}\n\n{t}",
)


def _by_number(w: Words, chat: Chat, task: _Task, text: str, label: str) -> None:
    """The choice said by its number or letter; sometimes in LlamaIndex's prompt for selecting."""
    place = task.choices.index(label)
    if w.chance(0.25):
        lines = "\n\n".join(f"({i}) {name}" for i, name in enumerate(task.choices, 1))
        prompt = default("single_select")
        chat.user(prompt.format(num_choices=len(task.choices), context_list=lines, query_str=text))
        chat.answer(str(place + 1), f"It is {label}.")
        return
    lettered = w.chance(0.4)
    marks = [chr(65 + i) if lettered else str(i + 1) for i in range(len(task.choices))]
    sign = w.pick((")", ".", ":"))
    lines = "\n".join(f"{mark}{sign} {name}" for mark, name in zip(marks, task.choices, strict=True))
    chat.user(w.template(_LETTERED if lettered else _NUMBERED, rough=False).format(k=task.kind, l=lines, t=text))
    chat.answer(marks[place], f"It is {label}.", choices=marks)
