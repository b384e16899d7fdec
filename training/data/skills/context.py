"""Questions on a context: answered with its words, refused when it does not hold the answer; refining and long ones."""

from __future__ import annotations

from training.data.example import Chat, Example
from training.data.prompts import default, qa_messages
from training.data.prose import about as about_one
from training.data.prose import passage, unanswerable
from training.data.prose_events import events
from training.data.prose_parts import Passage, Question, laid_out
from training.data.prose_records import records, table
from training.data.skills.openings import chat_for, system_text
from training.data.words import Phrases, Words, capitalized

#: What is said when a context does not hold the answer.
UNKNOWN = "I don't know."
_SAYS = Phrases('The text says: "{e}"', "I read: {e}", "It says: {e}", "The context has this: {e}")
#: What is thought then.
SILENT = Phrases(
    "The text does not say it.",
    "There is nothing about it in the context.",
    "I can not find it in the text.",
    "The context does not answer this.",
)


_REFINE_PROMPTS = ("refine", "refine", "chat_refine", "chat_refine", "simple_context_refine", "condense_context_refine")


def found_thought(w: Words, question: Question) -> str:
    """What is thought when the answer is there."""
    return w.say(_SAYS, e=question.evidence)


def distinct(questions: list[Question]) -> list[Question]:
    """The questions whose wording has one answer only."""
    answers: dict[str, set[str]] = {}
    for question in questions:
        answers.setdefault(question.text, set()).add(question.answer)
    return [question for question in questions if len(answers[question.text]) == 1]


def _document(w: Words, n: int) -> tuple[str, Passage]:
    if n > 1 and w.chance(0.07):
        return table(w, w.between(2, 6))
    read = passage(w, n)
    return laid_out(w, read.sentences), read


def ask(
    w: Words, chat: Chat, read: Passage, *, unknown_share: float, question: str | None = None
) -> tuple[str, str, str]:
    """Question, answer and thought on a passage."""
    del chat
    questions = distinct(read.questions)
    if question is not None or not questions or w.chance(unknown_share):
        return question or unanswerable(w, read), UNKNOWN, w.say(SILENT)
    one = w.pick(questions)
    return _less_exact(w, one, read), one.answer, found_thought(w, one)


def _less_exact(w: Words, question: Question, read: Passage) -> str:
    """A question that says "the town" instead of its name, where there is one such thing in the text."""
    noun = read.nouns.get(question.about, "author")
    if noun in ("author", "thing") or list(read.nouns.values()).count(noun) != 1 or not w.chance(0.2):
        return question.text
    text = question.text.replace(question.about, w.pick((f"the {noun}", f"the {noun}", f"this {noun}", "it")))
    return capitalized(text)


def _qa(w: Words, skill: str, n: int, unknown_share: float) -> Example:
    chat = chat_for(w, share=0.16)
    context, read = _document(w, n)
    question, answer, thought = ask(w, chat, read, unknown_share=unknown_share)
    system, user = qa_messages(w, context, question)
    chat.system(system or system_text(w, 0.12))
    chat.user(user)
    chat.answer(answer, thought)
    if not w.heldout:
        said = {answer}
        for _ in range(w.pick((1, 2, 3, 4)) if user != question else w.pick((2, 3, 4, 5))):
            question, answer, thought = ask(w, chat, read, unknown_share=0.08)
            if answer in said:
                continue  # what was said before would only be said again
            said.add(answer)
            chat.user(question)
            chat.answer(answer, thought)
    return chat.example(skill, heldout=w.heldout)


def question_answering(w: Words) -> Example:
    """A question that the context answers."""
    return _qa(w, "context_qa", w.pick((1, 2, 3, 4, 5, 6, 8, 10, 14)), 0.0)


def refusal(w: Words) -> Example:
    """A question that the context does not answer."""
    return _qa(w, "context_unknown", w.pick((1, 2, 3, 4, 5, 6, 8, 10)), 1.0)


def ask_to_refine(w: Words, chat: Chat, context: str, question: str, old: str) -> None:
    """One of LlamaIndex's prompts to refine an existing answer; those of its chat engines only begin a conversation."""
    name = w.pick(_REFINE_PROMPTS)
    of_chat = name.endswith("context_refine")
    if of_chat and chat.messages:
        name, of_chat = "refine", False
    text = default(name).format(context_msg=context, query_str=question, existing_answer=old)
    if of_chat:
        chat.system(text)
    chat.user(question if of_chat else text)


def refine(w: Words) -> Example:
    """An answer is there and new context comes: the new answer where it holds one, else the old one again."""
    chat = chat_for(w, share=0.1)
    context, read = _document(w, w.between(1, 6))
    one = w.pick(read.questions)
    useful = w.chance(0.5)
    if useful:
        question, thought = one.text, found_thought(w, one)
        old = w.pick(
            (
                UNKNOWN,
                UNKNOWN,
                "It is not mentioned.",
                "The context does not say.",
                w.word(),
                w.person(),
                "Empty Response",
            )
        )
    else:
        question, thought = unanswerable(w, read), w.say(SILENT)
        old = w.pick(
            (UNKNOWN, w.person(), w.city(), w.word(), str(w.integer()), w.phrase(), w.sentence(), w.company(), w.date())
        )
    answer = one.answer if useful else old
    ask_to_refine(w, chat, context, question, old)
    chat.answer(answer, thought)
    return chat.example("refine", heldout=w.heldout)


_ASKS = Phrases("{q}", "{q}", "{q}", "And: {q}", "Next question. {q}", "Now this: {q}", "I also want to know: {q}")


def long_document(w: Words, *, low: int = 2300, high: int = 8800) -> Example:
    """A document of about one to four thousand tokens (`low` to `high` letters), and questions about things far back."""
    chat = chat_for(w, share=0.08)
    wanted = w.between(low, high)
    read = Passage()
    size = 0.0
    style = w.rng.random()
    while size < wanted:
        if style < 0.25:
            one = records(w, 3)
        elif style < 0.45:
            one = events(w, 3)
        elif style < 0.65:
            one = about_one(w, n=w.between(1, 4))
        else:
            one = passage(w, 5)
        if set(one.names) & set(read.names):
            continue
        read.add(one)
        # Letters of other scripts and codes are more tokens than words of prose.
        size += sum(len(sentence.encode()) + 1 for sentence in one.sentences) * (1.25 if one.names == [] else 1)
    context = laid_out(w, read.sentences)
    questions = distinct(read.questions)
    places = sorted(w.sample(range(len(questions)), 1 if w.heldout else w.between(3, 7)))
    asked = [questions[i] for i in w.shuffled(places)]
    first = asked[0]
    system, user = qa_messages(w, context, first.text)
    chat.system(system)
    chat.user(user)
    chat.answer(first.answer, found_thought(w, first))
    for one_more in asked[1:]:
        if w.chance(0.1):
            chat.user(unanswerable(w, read))
            chat.answer(UNKNOWN, w.say(SILENT))
            continue
        chat.user(w.ask(_ASKS, q=one_more.text))
        chat.answer(one_more.answer, found_thought(w, one_more))
    return chat.example("long_context", heldout=w.heldout)
