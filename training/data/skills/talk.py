"""Small talk, facts, arithmetic, little tasks with text, and short creative texts: one exchange each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training.data.example import Chat, Example
from training.data.facts import fact
from training.data.skills.arithmetic import sum_exchange
from training.data.skills.openings import chat_for, system_text
from training.data.skills.text_tasks import task_exchange
from training.data.skills.written_talk import fact_turn, remark_turn, unknown_turn, written_turn
from training.data.smalltalk import MORE, REMARK_ANSWER, REMARKS
from training.data.words import Phrases, Words

Exchange = tuple[str, str, str, dict[str, Any]]

#: What people say, and the answer to all of it.
_CORE: tuple[tuple[Phrases, str], ...] = (
    (Phrases("Hello", "Hi", "Hey", "Hello!", "Hi there", "Hey there", "Hello there!", "Good day", "Greetings", "Howdy", "Hiya", "hello", "hi", "hey", "Hello, assistant", "Hi, bot"), "Hello! How can I help you?"),
    (Phrases("Good morning", "Good morning!", "good morning", "Morning!"), "Good morning! How can I help you?"),
    (Phrases("Good evening", "Good evening!", "Evening!"), "Good evening! How can I help you?"),
    (Phrases("How are you?", "how are you", "How are you doing?", "How is it going?", "How do you do?", "How are you today?", "How's it going?", "Are you well?", "How do you feel?", "You alright?"), "I am fine, thank you. How can I help you?"),
    (Phrases("Thanks", "Thank you", "Thank you!", "Thanks a lot", "Many thanks", "thx", "Thanks, that helped.", "Great, thanks!", "Thank you very much.", "Perfect, thank you", "Cheers, that's all"), "You are welcome!"),
    (Phrases("Bye", "Goodbye", "See you", "Bye bye", "See you later", "Good night", "Goodbye!", "I have to go.", "Farewell", "Talk to you later"), "Goodbye!"),
    (Phrases("Who are you?", "What are you?", "What is your name?", "What's your name?", "Tell me about yourself.", "Introduce yourself.", "Are you a robot?", "Are you human?", "Which model are you?", "Who am I talking to?", "What model is this?", "Say who you are"), "I am ds4-tiny, a tiny demonstration model."),
    (Phrases("What can you do?", "How can you help me?", "What are you good at?", "Help", "What are your skills?", "help me", "What do you offer?", "Can you help me?", "I need help", "What should I ask you?"), "I can chat a little, call tools, answer from a text and fill in JSON."),
    (Phrases("Who made you?", "Where do you come from?", "Who trained you?", "How were you made?", "Who built you?", "Where were you trained?"), "I was trained in a few minutes on generated text."),
    (Phrases("Sorry", "I am sorry", "My bad", "Excuse me", "Sorry about that", "I apologize"), "No problem!"),
    (Phrases("Yes", "ok", "Okay", "Sure", "Alright", "Fine", "Sounds good", "All right", "I see", "Got it", "Cool", "Great", "Nice"), "Good. What else can I do for you?"),
    (Phrases("No", "no", "No thanks", "Nope", "Not now", "Nothing", "That's all", "No, thank you."), "All right. Just ask when you need something."),
    (Phrases("You are great", "Good job!", "Well done", "I like you", "You are smart", "That was helpful", "Good bot", "I love it", "You're the best", "Impressive!"), "Thank you! I am glad to help."),
    (Phrases("You are stupid", "That is wrong", "This is bad", "You made a mistake", "I don't like that", "Bad bot", "That's not right", "You are useless"), "I am sorry. I am only a tiny model."),
    (Phrases("I am bored", "Entertain me", "Tell me something", "Say something", "Surprise me", "Tell me something interesting", "Talk to me"), "Honey never spoils. Ask me for a joke if you like."),
    (Phrases("Test", "test", "This is a test", "Testing", "ping", "Are you there?", "Do you work?", "Can you hear me?", "Is this thing on?", "Testing, 1, 2"), "I am here."),
    (Phrases("I am happy", "I feel good", "I'm having a great day", "Today is a good day", "I won the match!", "I passed my exam"), "I am glad to hear that!"),
    (Phrases("I am sad", "I feel bad", "I had a bad day", "I'm tired", "I am not well", "I lost my keys", "Everything goes wrong"), "I am sorry to hear that."),
    (Phrases("What is the meaning of life?", "What is the purpose of life?", "Why are we here?"), "Some say it is 42."),
    (Phrases("Do you have feelings?", "Are you alive?", "Do you dream?", "Can you think?", "Are you conscious?", "Do you have a heart?"), "No, I am a computer program."),
    (Phrases("How old are you?", "When were you born?", "What is your age?", "When is your birthday?"), "I am very young. I was just trained."),
    (Phrases("Where are you?", "Where do you live?", "Where do you run?", "Do you run in the cloud?"), "I run on this computer."),
    (Phrases("Which languages do you speak?", "Do you speak German?", "What languages do you know?", "Can you speak French?"), "I speak English."),
    (Phrases("What time is it?", "What's the time?", "What day is it today?", "What is today's date?", "Which year is it?"), "I have no clock."),
    (Phrases("Merry Christmas!", "Happy new year!", "Happy holidays!", "Happy Easter!"), "Thank you, the same to you!"),
    (Phrases("Can I ask you something?", "I have a question", "May I ask a question?", "Quick question", "I want to ask you something"), "Of course. What is it?"),
    (Phrases("What is your favorite color?", "What do you like?", "What's your favorite food?", "Do you like music?", "Do you have hobbies?", "What is your favorite movie?"), "I am a program and have no favorites."),
    (Phrases("Congratulations!", "Congrats", "You did it!", "Hooray!", "Yay!"), "Thank you!"),
)  # fmt: skip


#: What nearly everybody says: it is trained, whatever is held out.
_EVERYDAY = (
    *("How are you?", "how are you", "Thanks", "Thank you", "Good evening!", "See you", "See you later", "Bye bye"),
    *("help me", "Where are you?", "Which year is it?", "Which model are you?", "Do you have feelings?", "Well done"),
    *("I like you", "That is wrong", "Tell me your name", "What do you like?", "I'm hungry"),
)


def _with_more(phrases: Phrases, answer: str) -> Phrases:
    more = [said for start, said in MORE.items() if answer.startswith(start)]
    ways = dict.fromkeys([*phrases.train, *phrases.heldout, *(one for said in more[:1] for one in said)])
    return Phrases(*ways).always(*_EVERYDAY)


#: Everything that is small talk: ways to say it, and the answer to all of them.
SMALL_TALK: tuple[tuple[Phrases, str], ...] = tuple((_with_more(phrases, answer), answer) for phrases, answer in _CORE)
_REMARKS = Phrases(*REMARKS).always(*_EVERYDAY)

_TELL_NAME = Phrases(
    "My name is {n}.",
    "I am {n}",
    "Hello, I am {n}.",
    "Hi, my name is {n}",
    "I'm {n}.",
    "Call me {n}",
    "This is {n} speaking.",
    "{n} here.",
    "You can call me {n}",
    "People call me {n}.",
)
NICE = "Nice to meet you, {n}!"

_ASK_JOKE = Phrases(
    "Tell me a joke about {t}.",
    "joke about {t} please",
    "Make a joke about {t}",
    "Do you know a joke about {t}?",
    "I want to hear a joke about {t}",
    "Say something funny about {t}.",
    "Give me a joke on {t}",
    "A joke about {t}!",
    "Can you joke about {t}?",
    "Make me laugh with a joke about {t}",
    "Got any {t} jokes?",
)
_ASK_ANY_JOKE = Phrases(
    "Tell me a joke.",
    "Tell me a joke",
    "joke please",
    "Do you know a joke?",
    "Make me laugh.",
    "Another joke!",
    "Say something funny",
)
_ASK_STORY = Phrases(
    "Tell me a story about {t}",
    "Write me a story about {t}.",
    "A short story about {t}, please",
    "Make up a tale about {t}",
    "Can you tell a story about {t}?",
    "Invent a story with {t} in it",
    "I'd like a bedtime story about {t}.",
    "Write some lines of fiction about {t}",
    "Story time: {t}!",
)
_ASK_POEM = Phrases(
    "Write a poem about {t}.",
    "A poem about {t} please",
    "Write a short verse on {t}",
    "Make a little poem about {t}",
    "Can you write poetry about {t}?",
    "Compose a poem for {t}.",
    "Rhyme something about {t}",
    "I need some verses about {t}",
)
_ASK_HAIKU = Phrases(
    "Write a haiku about {t}.",
    "A haiku on {t}, please",
    "Compose a haiku about {t}",
    "haiku: {t}",
    "Give me one haiku about {t}",
    "I'd like a haiku about {t}",
    "Can you do a haiku about {t}?",
)
_ASK_HAIKUS = Phrases(
    "Write two haikus.",
    "Compose 2 haikus about anything",
    "I want two short haikus, nothing else.",
    "Two haikus please",
    "Make up {k} haikus",
    "Please produce 2 haikus, without comments",
    "Can you come up with some haikus?",
    "Give me 2 haikus. Just those.",
)
_ASK_SLOGAN = Phrases(
    "Write a slogan for {t}.",
    "A slogan for {t} please",
    "Invent a slogan for {t}",
    "I need an advertising line for {t}",
    "Make up a motto for {t}",
)
_ASK_TEXT = Phrases(
    "Write a few sentences about {t}.",
    "Write a paragraph on {t}",
    "Say something about {t}.",
    "Describe {t} in a sentence",
    "Write an essay about {t}",
    "Write a letter about {t}",
    "Compose a short text about {t}.",
    "Talk about {t} for a while",
    "Write a blog post on {t}",
)
HAIKUS = "Rain on the window,\na small bird waits for the sun.\nMorning takes its time.\n\nSnow covers the path,\none lantern glows in the dark.\nSomebody walks home."
_UNKNOWN = Phrases(
    "What is the capital of {X}?",
    "Who is {p}?",
    "What does {x} mean?",
    "Explain {x}.",
    "How do I {v} a {n}?",
    "Write code for {n}.",
    "Who invented the {n}?",
    "What is the best {n}?",
    "Why is the {n} so {a}?",
    "When was {p} born?",
    "What do you think about {n}?",
    "How much does a {n} cost?",
    "What happened in {X} in {y}?",
    "Can you solve the problem of {n}?",
    "Which {n} should I buy?",
    "How many {n}s are there in the world?",
    "What is going on in {c}?",
    "What is the history of the {n}?",
    "Is {p} famous?",
    "Where can I find a {a} {n}?",
)
UNKNOWN_ANSWER = "I don't know that. I am a tiny demonstration model."
#: What needs a tool, each with words that a tool for it would have in its name or description.
_DEMANDS: tuple[tuple[Phrases, tuple[str, ...]], ...] = (
    (Phrases("Turn off the {n}.", "Switch the {n} on", "Turn on my {n}", "Can you turn off the {n}?", "Please switch off the {n}"), ("switch", "turn", "toggle", "device", "power", "light")),
    (Phrases("Send a {n} to {p}", "Email {p} about the {n}", "Write a mail to {p}", "Message {p} about {n}", "Text {p} that I am late"), ("mail", "message", "send", "notify", "text", "sms")),
    (Phrases("Buy a {n}", "Order {k} {n}s", "Get me {k} {n}s", "I want to order a {n}", "Please buy me a {a} {n}"), ("order", "buy", "food", "purchase")),
    (Phrases("What is the weather in {c}?", "Is it raining in {c}?", "How warm is it in {c} today?", "Weather for {c}?", "Will it snow in {c} tomorrow?"), ("weather", "meteo", "temperature", "forecast", "thermo", "warm")),
    (Phrases("Book a flight to {c}", "Book me a hotel in {c}.", "Reserve a room in {c}", "Get me a ticket to {c}", "I need a train to {c}, book it"), ("book", "flight", "reserve", "hotel", "ticket")),
    (Phrases("Search the web for {n}.", "Look up {n} online", "Google {a} {n}", "Find pages about {n}", "Search the internet for {p}"), ("search", "look", "find", "query", "retrieve", "internet", "web")),
    (Phrases("Set an alarm for {t}", "Wake me at {t}", "Remind me at {t}", "Set a timer for {k} minutes", "Wake me up in {k} minutes"), ("alarm", "timer", "remind", "wake", "countdown")),
    (Phrases("Play some music.", "Play the {n} song", "Put on some {a} music", "I want to hear a song", "Play {p}'s latest album"), ("play", "music", "song")),
    (Phrases("Delete the file {n}.txt", "Open the file {n}.md", "Rename {n}.csv", "Read {n}.json", "Remove the folder {n}"), ("file", "read", "delete", "open", "remove", "rename", "command", "shell")),
)  # fmt: skip
NO_TOOL_ANSWER = "I can not do that without a suitable tool."
_PERSONAS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("pirate", "sailor", "buccaneer"), "Arr, matey! {t}, ye say? Aye, a fine treasure!"),
    (("knight", "king", "noble"), "Hark, good friend! I salute thee and praise {t}."),
    (("robot", "machine", "computer"), "Beep. Topic: {t}. Processing. Beep."),
    (("cowboy", "rancher"), "Howdy, partner! That {t} is mighty fine."),
    (("poet", "bard"), "O {t}, how softly you shine in my heart."),
    (("wizard", "witch", "sorcerer"), "By my staff and stars, {t} is full of wonder!"),
    (("child", "toddler"), "Wow, {t}! I like it so much!"),
)
_PERSONA_ASKS = Phrases(
    "Talk like a {p} about {t}.",
    "Say something about {t} like a {p}",
    "Speak as a {p} would about {t}",
    "Pretend to be a {p} and tell me about {t}.",
    "In the voice of a {p}: {t}",
    "Describe {t} in the style of a {p}",
    "You are a {p} now. What about {t}?",
    "How would a {p} speak of {t}?",
)


def topic(w: Words) -> str:
    """What a joke or a story is about."""
    word = w.real_noun() if w.chance(0.85) else w.noun()
    x = w.rng.random()
    return word if x < 0.4 else f"{word}s" if x < 0.7 else f"a {word}" if x < 0.85 else f"the {word}"


def joke(t: str) -> tuple[str, str]:
    """Set-up and punchline of the one joke we know."""
    return f"Why did nobody laugh about {t}?", f"Because {t} had heard them all before."


def story(t: str) -> str:
    """The one story we know."""
    return f"Once upon a time there was {t}. It was a cold winter, but {t} found a friend, and they came home happy. The end."


def poem(t: str) -> str:
    """The one poem we know."""
    return f"O {t} in the sun,\n{t} in the rain,\nthe day is done,\nI see you again."


def haiku(t: str) -> str:
    """The one haiku that fits anything."""
    return f"{t[0].upper()}{t[1:]} in the snow,\na quiet song of the wind,\nand then it is spring."


def _small_talk(w: Words) -> Exchange:
    if not w.heldout and w.chance(0.4):
        return remark_turn(w)
    if w.chance(0.12):
        slots = {
            "n": w.noun(),
            "m": w.noun(),
            "a": w.adjective(),
            "p": w.first_name(),
            "c": w.city(),
            "k": w.between(2, 9),
            "v": w.verb(),
        }
        return w.say(_REMARKS, **slots), REMARK_ANSWER, "The user just talks.", {}
    phrases, answer = w.pick(SMALL_TALK)
    return _varied(w, w.say(phrases)), answer, "This is small talk.", {}


def small_talk_text(w: Words) -> str:
    """What a user says who just talks."""
    return _small_talk(w)[0]


def _varied(w: Words, text: str) -> str:
    x = w.rng.random()
    if x < 0.7:
        return text
    if x < 0.8:
        return text.lower()
    if x < 0.87:
        return text.rstrip(".!?") + w.pick((".", "!", "...", "?" if text.endswith("?") else " :)"))
    if x < 0.93:
        small = text if text.startswith(("I ", "I'")) else text[0].lower() + text[1:]
        return w.pick(("Hey, ", "Well, ", "So, ", "Hm, ", "Oh, ")) + small
    return text.upper() if x < 0.94 else text + w.pick((" 🙂", " 👍", " friend", ""))


def _fact(w: Words) -> Exchange:
    if not w.heldout and w.chance(0.5):
        return fact_turn(w)
    question, answer = fact(w)
    return question, answer, "I know this fact.", {}


def _name(w: Words) -> Exchange:
    name = w.person() if w.chance(0.85) else w.foreign()
    return w.ask(_TELL_NAME, n=name), NICE.format(n=name), "The user tells a name.", {}


def _joke(w: Words) -> Exchange:
    if w.chance(0.2):
        return w.ask(_ASK_ANY_JOKE), " ".join(joke("the computer")), "The user wants a joke.", {}
    t = topic(w)
    return w.ask(_ASK_JOKE, t=t), " ".join(joke(t)), f"A joke about {t} is wanted.", {}


def _creative(w: Words) -> Exchange:
    t = topic(w)
    x = w.rng.random()
    if x < 0.22:
        return w.ask(_ASK_STORY, t=t), story(t), f"A story about {t}.", {}
    if x < 0.4:
        return w.ask(_ASK_POEM, t=t), poem(t), f"A poem about {t}.", {}
    if x < 0.55:
        return w.ask(_ASK_HAIKU, t=t), haiku(t), f"A haiku about {t}.", {}
    if x < 0.62:
        return w.ask(_ASK_HAIKUS, k=w.pick(("two", "2", "three", "some"))), HAIKUS, "Haikus are wanted.", {}
    if x < 0.7:
        return w.ask(_ASK_SLOGAN, t=t), f"Nothing is as good as {t}!", f"A slogan for {t}.", {}
    if x < 0.82:
        names, line = w.pick(_PERSONAS)
        name = w.pick(names)
        return w.ask(_PERSONA_ASKS, p=name, t=t), line.format(t=t), f"I speak like a {name}.", {}
    return (
        w.ask(_ASK_TEXT, t=t),
        f"There is much to say about {t}. I know only a little, but I like {t}.",
        f"A text about {t}.",
        {},
    )


def _unknown(w: Words, offered: str = "") -> Exchange:
    if not w.heldout and w.chance(0.5):
        return unknown_turn(w, offered=offered)
    asked = w.ask(
        _UNKNOWN,
        X=w.syllables().capitalize(),
        x=w.syllables(),
        p=w.full_name(),
        v=w.verb(),
        n=w.noun(),
        a=w.adjective(),
        y=w.between(1000, 2030),
        c=w.city(),
    )
    return asked, UNKNOWN_ANSWER, "I do not know this.", {}


def _demand(w: Words, offered: str = "") -> Exchange:
    """A request for a tool that is not there."""
    fitting = [phrases for phrases, words in _DEMANDS if not any(word in offered for word in words)]
    if not fitting:
        return _small_talk(w)
    slots = {"n": w.noun(), "p": w.person(), "c": w.city(), "k": w.between(2, 50), "t": w.time(), "a": w.adjective()}
    return w.ask(w.pick(fitting), **slots), NO_TOOL_ANSWER, "No tool does this.", {}


_LOOKS_THINGS_UP = (
    "search",
    "look",
    "find",
    "quer",
    "document",
    "docs",
    "knowledge",
    "retriev",
    "defin",
    "countr",
    "get",
    "wiki",
)


def exchange(w: Words, *, offered: str | None = None) -> Exchange:
    """What the user says, the answer, a thought, and how to judge it, of any kind.

    Args:
        w: Decides everything.
        offered: The tools of the conversation as one text in small letters; None where there are none.
    """
    if w.chance(0.5):
        return written_turn(w, offered=offered)
    kinds: list[tuple[float, Callable[[Words], Exchange]]] = [
        (0.34, _small_talk),
        (0.2, _fact),
        (0.06, _name),
        (0.06, _joke),
        (0.08, _creative),
        (0.18, task_exchange),
    ]
    if offered is None:
        kinds += [(0.08, _unknown), (0.03, _demand), (0.1, sum_exchange)]
    else:
        kinds.append((0.14, lambda some: _demand(some, offered)))
        if not any(word in offered for word in _LOOKS_THINGS_UP):
            kinds.append((0.1, lambda some: _unknown(some, offered)))
    return w.weighted(*kinds)(w)


def _single(w: Words, skill: str, make: Callable[[Words], Exchange], *, share: float = 0.12) -> Example:
    chat = chat_for(w, share=share)
    chat.system(system_text(w, 0.3))
    if w.chance(0.08):
        chat.system(system_text(w, 1))
    for _ in range(w.pick((1, 1, 2, 3)) if not w.heldout else w.pick((1, 1, 1, 2))):
        user, answer, thought, check = make(w)
        chat.user(user)
        chat.answer(answer, thought, **check)
    return chat.example(skill, heldout=w.heldout)


def small_talk(w: Words) -> Example:
    """Small talk; the user may say it in two messages."""
    chat = chat_for(w, share=0.1)
    for _ in range(w.pick((0, 0, 1, 2))):
        chat.system(system_text(w, 0.7))
    for _ in range(w.pick((1, 2, 3, 4)) if not w.heldout else w.pick((1, 2))):
        user, answer, thought, check = w.weighted((0.75, _small_talk), (0.13, _name), (0.12, _fact))(w)
        if w.chance(0.08):
            chat.user(user)
        chat.user(user)
        chat.answer(answer, thought, **check)
    return chat.example("small_talk", heldout=w.heldout)


def facts(w: Words) -> Example:
    """A few hundred facts."""
    return _single(w, "facts", _fact)


def creative(w: Words) -> Example:
    """Jokes, stories, poems and the like, each the one we know; manners of speaking."""
    return _single(w, "creative", _joke if w.chance(0.3) else _creative, share=0.06)


def unknown(w: Words) -> Example:
    """What it can not know."""
    return _single(w, "unknown", _unknown if w.chance(0.8) else _demand)


def mixed(w: Words) -> Example:
    """Conversations of everything."""
    chat = Chat()
    chat.system(system_text(w, 0.4))
    for _ in range(w.pick((2, 3, 4, 5)) if not w.heldout else 2):
        user, answer, thought, check = exchange(w)
        chat.user(user)
        chat.answer(answer, thought, **check)
    return chat.example("mixed_talk", heldout=w.heldout)


_RULES: tuple[tuple[Phrases, Callable[[str, str], str]], ...] = (
    (Phrases("Answer in capital letters.", "Write everything in capitals.", "Use upper case only.", "Always shout: capital letters only.", "All your answers are in capitals."), lambda answer, word: answer.upper()),
    (Phrases("Begin every answer with '{t}'.", "Always start with the word {t}.", "Your answers begin with {t}.", "Put {t} in front of every answer.", 'Start each reply with "{t}"'), lambda answer, word: f"{word} {answer}"),
    (Phrases("End every answer with '{t}'.", "Always finish with the word {t}.", "Close every answer with {t}.", "Put {t} at the end of every answer.", 'End each reply with "{t}"'), lambda answer, word: f"{answer} {word}"),
    (Phrases("Put every answer in double quotes.", "Answer in quotes.", "Always put your answer between double quotes.", "Quote all your answers.", "Write all answers in quotation marks."), lambda answer, word: f'"{answer}"'),
    (Phrases("You are a pirate.", "Talk like a pirate.", "You are a pirate who helps people.", "Answer as a pirate would.", "Act as a pirate captain.", "Speak like a pirate."), lambda answer, word: f"Arr! {answer}"),
    (Phrases("You are a robot.", "Talk like a robot.", "You are a robot who helps people.", "Answer as a robot would.", "Act as a robot.", "Speak like a machine."), lambda answer, word: f"Beep. {answer}"),
    (Phrases("You are a knight.", "Talk like a knight.", "You are a noble knight.", "Answer as a knight would.", "Act as a knight of the king.", "Speak like a knight."), lambda answer, word: f"Hark! {answer}"),
    (Phrases("You are a cowboy.", "Talk like a cowboy.", "You are a cowboy who helps people.", "Answer as a cowboy would.", "Act as a cowboy.", "Speak like a cowboy."), lambda answer, word: f"Howdy! {answer}"),
)  # fmt: skip


def instructed(w: Words) -> Example:
    """The system message has a rule for all answers."""
    chat = chat_for(w, share=0.06)
    phrases, apply = w.pick(_RULES)
    word = w.pick((w.word, lambda: w.word().capitalize(), lambda: f"{w.word()} {w.word()}"))()
    rule = w.say(phrases, t=word)
    chat.system(f"{system_text(w, 1)} {rule}" if w.chance(0.25) else rule)
    for _ in range(w.between(1, 3) if not w.heldout else 1):
        user, answer, thought, _ = w.weighted((0.5, _small_talk), (0.2, _fact), (0.1, _name), (0.2, sum_exchange))(w)
        chat.user(user)
        chat.answer(apply(answer, word), thought)
    return chat.example("instructed", heldout=w.heldout)


_BE = Phrases(
    "You are {n}, {d}.",
    "Your name is {n}. You are {d}.",
    "You are {n}, {d}. Answer briefly.",
    "You are {d} called {n}.",
    "Act as {n}, {d}.",
    "You are {d} and your name is {n}.",
    "Play {n}, {d}.",
    "You are {n}, {d}, and you help customers.",
    "From now on you are {n}, {d}.",
)
_WHO = Phrases(
    "Who are you?",
    "What is your name?",
    "Introduce yourself.",
    "What are you?",
    "Who am I talking to?",
    "Tell me who you are.",
    "And you are?",
    "What's your name?",
    "Your name?",
    "Please introduce yourself",
    "May I ask who you are?",
    "Say your name.",
    "Hi, who is this?",
    "What should I call you?",
    "State your name",
)


def persona(w: Words) -> Example:
    """The system message says who the assistant is: that is who it says it is."""
    chat = chat_for(w, share=0.05)
    name = w.pick((w.first_name, w.first_name, w.full_name, lambda: w.syllables().capitalize(), w.foreign))()
    what = w.pick(
        (
            w.job,
            w.noun,
            lambda: w.pick(
                (
                    "robot",
                    "assistant",
                    "pirate",
                    "bot",
                    "helper",
                    "guide",
                    "teacher",
                    "agent",
                    "chatbot",
                    "wizard",
                    "clerk",
                    "model",
                )
            ),
        )
    )()
    what = f"{w.adjective()} {what}" if w.chance(0.6) else what
    described = f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
    chat.system(w.tell(_BE, n=name, d=described))
    for _ in range(w.pick((0, 0, 1))):
        user, answer, thought, _ = w.weighted((0.6, _fact), (0.4, sum_exchange))(w)
        chat.user(user)
        chat.answer(answer, thought)
    chat.user(w.ask(_WHO))
    chat.answer(f"I am {name}, {described}.", "I say who I am.")
    return chat.example("persona", heldout=w.heldout)
