"""Kinds of things that prose is about: how they are named, and what can be said and asked about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training.data.words import COLORS, MONTHS, WEEKDAYS, Phrases, Words


@dataclass(frozen=True)
class Relation:
    """One thing that can be told: a value, sentences with it, questions for it.

    In sentences {S} is the subject, {Ss} its possessive, {v} the value; {n}, {a}, {k}, {y} are noise. In questions {N}
    is the name, {Ns} its possessive.
    """

    value: Callable[[Words], str]
    statements: Phrases
    questions: Phrases


@dataclass(frozen=True)
class EntityKind:
    """A kind of thing: a name, pronouns with their possessives, the noun for it, and its relations."""

    noun: str
    name: Callable[[Words], str]
    pronouns: tuple[tuple[str, str], ...]
    relations: tuple[Relation, ...]
    marks: tuple[str, ...] = ()  # words that names of this kind begin or end with

    def owns(self, name: str) -> bool:
        """Whether a name looks like one of this kind by its marks."""
        return any(mark in name for mark in self.marks)

    def name_like(self, name: str) -> bool:
        """Whether questions of this kind make sense for the name."""
        return self.owns(name) or not self.marks


def _year(w: Words) -> str:
    return str(w.between(1500, 2028))


def _count(w: Words) -> str:
    n = w.pick((w.between(2, 30), w.between(10, 999), w.between(1000, 90000)))
    return f"{n:,}" if w.chance(0.15) else str(n)


def _money(w: Words) -> str:
    return w.pick(("{} dollars", "{} euros", "${}", "{} pounds", "€{}")).format(
        w.pick((w.between(1, 99), w.between(100, 9000), round(w.rng.uniform(1, 99), 2)))
    )


def _length(w: Words) -> str:
    return f"{w.between(2, 9000)} {w.pick(('meters', 'kilometers', 'feet', 'miles'))}"


def _weight(w: Words) -> str:
    return f"{w.between(1, 900)} {w.pick(('kilograms', 'grams', 'tons', 'pounds'))}"


def _span(w: Words) -> str:
    return f"{w.between(2, 90)} {w.pick(('minutes', 'hours', 'days', 'weeks', 'months', 'years'))}"


def _full_date(w: Words) -> str:
    return f"{w.between(1, 28)} {w.pick(MONTHS)} {w.between(1700, 2030)}"


def _material(w: Words) -> str:
    return w.pick(
        (
            "oak",
            "steel",
            "stone",
            "glass",
            "clay",
            "silver",
            "paper",
            "copper",
            "brick",
            "marble",
            "leather",
            "bamboo",
            "cotton",
            "ivory",
            "wool",
        )
    )


def _color(w: Words) -> str:
    return w.pick(COLORS)


def _noun_phrase(w: Words) -> str:
    return f"a {w.adjective()} {w.noun()}"


def _things(w: Words) -> str:
    return f"{w.noun()}s"


def _hours(w: Words) -> str:
    return f"{w.between(6, 11)} am to {w.between(1, 10)} pm"


def _two(w: Words) -> str:
    return f"{w.noun()}s and {w.noun()}s"


def _language(w: Words) -> str:
    return w.pick(
        (
            "French",
            "German",
            "Spanish",
            "Italian",
            "Japanese",
            "Russian",
            "Dutch",
            "Greek",
            "Polish",
            "Latin",
            "Turkish",
            "Arabic",
        )
    )


def _subject(w: Words) -> str:
    return w.pick(
        (
            "physics",
            "law",
            "medicine",
            "history",
            "music",
            "chemistry",
            "biology",
            "economics",
            "philosophy",
            "architecture",
            "mathematics",
            "geography",
            "art",
        )
    )


def _instrument(w: Words) -> str:
    return w.pick(("piano", "violin", "guitar", "flute", "drums", "cello", "trumpet", "harp", "organ", "clarinet"))


def _invented(w: Words) -> str:
    return w.syllables().capitalize() if w.chance(0.7) else w.salad().capitalize()


_PERSON = EntityKind(
    "author",
    Words.full_name,
    (("He", "His"), ("She", "Her")),
    (
        Relation(Words.city, Phrases("{S} was born in {v}.", "{S} was born in {v} in {y}.", "{Ss} birthplace is {v}.", "Born in {v}, {S} grew up near a {n}.", "{S} came into the world in {v}, the youngest of {k} children."), Phrases("Where was {N} born?", "What is the birthplace of {N}?", "In which city was {N} born?", "What is {Ns} birthplace?", "{N} was born where?", "Where did {N} come into the world?")),
        Relation(_year, Phrases("{S} was born in {v}.", "{S} was born in the year {v}.", "The year of {Ss} birth is {v}.", "In {v} {S} was born as the child of a {n} maker.", "{S}, born in {v}, had a {a} childhood."), Phrases("In which year was {N} born?", "What year was {N} born in?", "What is {Ns} year of birth?", "Which year is the birth year of {N}?")),
        Relation(Words.city, Phrases("{S} lives in {v}.", "{S} moved to {v} in {y}.", "{Ss} home is in {v}.", "Today {S} lives in {v} with {k} cats.", "{S} has settled in {v}.", "After many years abroad, {S} now resides in {v}."), Phrases("Where does {N} live?", "In which city does {N} live?", "Where is {Ns} home?", "What city does {N} live in?", "Where can {N} be found today?", "Where does {N} reside?")),
        Relation(Words.job, Phrases("{S} works as a {v}.", "{S} is a {v} by trade.", "{S} has worked as a {v} for {k} years.", "{S} earns a living as a {v}.", "By profession {S} is a {v}.", "{S} became a {v} in {y}."), Phrases("What is the job of {N}?", "What does {N} do for a living?", "What is {Ns} job?", "What does {N} work as?", "What is the profession of {N}?", "Which job does {N} have?")),
        Relation(Words.company, Phrases("{S} works at {v}.", "{S} is employed by {v}.", "{S} joined {v} in {y}.", "{S} has a post at {v}.", "Since {y}, {S} has been with {v}.", "{Ss} employer is {v}."), Phrases("Where does {N} work?", "Which company does {N} work for?", "Who employs {N}?", "Who is {Ns} employer?", "At which company is {N} employed?")),
        Relation(_subject, Phrases("{S} studied {v}.", "{S} studied {v} for {k} years.", "{S} holds a degree in {v}.", "At university {S} chose {v}.", "{S} took up the study of {v} in {y}.", "{Ss} degree is in {v}."), Phrases("What did {N} study?", "Which subject did {N} study?", "What is {Ns} degree in?", "What field did {N} study?", "In which subject does {N} hold a degree?")),
        Relation(_instrument, Phrases("{S} plays the {v}.", "{S} learned the {v} as a child.", "In the evenings {S} plays the {v}.", "{Ss} instrument is the {v}.", "{S} has played the {v} since {y}."), Phrases("Which instrument does {N} play?", "What instrument does {N} play?", "What does {N} play in the evenings?", "What is {Ns} instrument?")),
        Relation(Words.full_name, Phrases("{S} is married to {v}.", "{S} married {v} in {y}.", "In {y} {S} married {v}.", "{S} and {v} have been married for {k} years.", "{Ss} spouse is {v}."), Phrases("Who is {N} married to?", "Who is the spouse of {N}?", "Whom did {N} marry?", "What is the name of {Ns} spouse?", "Who did {N} marry?")),
        Relation(_count, Phrases("{S} owns {v} books.", "There are {v} books in {Ss} library.", "{S} has collected {v} books.", "{Ss} shelves hold {v} books."), Phrases("How many books does {N} own?", "How many books does {N} have?", "What is the number of books {N} owns?", "How large is {Ns} collection of books?")),
        Relation(Words.email, Phrases("{Ss} email address is {v}.", "You can reach {S} at {v}.", "Mail for {S} goes to {v}.", "{S} answers messages at {v}.", "To contact {S}, write to {v}."), Phrases("What is the email of {N}?", "How can I reach {N}?", "What is {Ns} email address?", "Which email address does {N} use?", "How can {N} be contacted?")),
        Relation(_two, Phrases("{S} collects {v}.", "In spare time, {S} collects {v}.", "{S} is known for a collection of {v}.", "{Ss} hobby is collecting {v}.", "The hobby of {S} is collecting {v}."), Phrases("What does {N} collect?", "What is {Ns} hobby about?", "Which things does {N} collect?", "What kind of collection does {N} have?")),
        Relation(_language, Phrases("{S} speaks {v}.", "{S} speaks fluent {v}.", "{S} learned {v} in {k} months.", "{Ss} mother tongue is {v}.", "Beside English, {S} speaks {v}."), Phrases("Which language does {N} speak?", "What language does {N} speak?", "What is {Ns} mother tongue?", "Which language did {N} learn?")),
        Relation(lambda w: f"room {w.between(1, 999)}", Phrases("{Ss} office is {v}.", "{S} sits in {v}.", "You find {S} in {v}.", "{S} works in {v}, next to the {n}."), Phrases("Where is the office of {N}?", "In which room is {N}?", "Which room does {N} work in?", "Where is {Ns} office?")),
        Relation(lambda w: w.pick(("tea", "coffee", "soup", "pizza", "rice", "bread", "cheese", "noodles", "apples", w.noun())), Phrases("{Ss} favorite food is {v}.", "{S} eats {v} every day.", "Nothing tastes better to {S} than {v}.", "{S} likes {v} more than anything else."), Phrases("What is {Ns} favorite food?", "What does {N} like to eat?", "What does {N} eat every day?", "Which food does {N} like most?")),
        Relation(lambda w: f'"{w.title()}"', Phrases("{S} wrote the book {v}.", "{Ss} best known book is {v}.", "In {y} {S} published {v}.", "{S} is the author of {v}.", "{v}, a novel by {S}, sold {k} thousand copies."), Phrases("Which book did {N} write?", "What is the title of {Ns} book?", "What did {N} publish?", "Which book is by {N}?")),
        Relation(lambda w: str(w.between(18, 99)), Phrases("{S} is {v} years old.", "At the age of {v}, {S} still works.", "{S} turned {v} this year.", "{S} celebrated a birthday and is now {v}."), Phrases("How old is {N}?", "What is the age of {N}?", "What is {Ns} age?", "Which age has {N} reached?")),
    ),
)  # fmt: skip

_COMPANY = EntityKind(
    "company",
    Words.company,
    (("It", "Its"), ("The company", "The company's")),
    (
        Relation(_year, Phrases("{S} was founded in {v}.", "{S} has existed since {v}.", "Founded in {v}, {S} began with {k} people.", "The history of {S} begins in {v}.", "{S} opened its doors in {v}.", "{S} was started in {v} in a small {n} shop."), Phrases("When was {N} founded?", "In which year was {N} founded?", "Since when has {N} existed?", "What is the founding year of {N}?", "When did {N} start?")),
        Relation(Words.full_name, Phrases("{S} was founded by {v}.", "{v} founded {S} in {y}.", "The founder of {S} is {v}.", "It was {v} who started {S}.", "{Ss} founder was {v}."), Phrases("Who founded {N}?", "Who is the founder of {N}?", "Who started {N}?", "By whom was {N} founded?", "What is the name of {Ns} founder?")),
        Relation(Words.full_name, Phrases("{S} is led by {v}.", "The head of {S} is {v}.", "{v} has been the CEO of {S} since {y}.", "{Ss} chief executive is {v}.", "{v} runs {S}.", "The board of {S} made {v} its CEO."), Phrases("Who is the CEO of {N}?", "Who leads {N}?", "Who runs {N}?", "Who is the head of {N}?", "What is the name of {Ns} CEO?")),
        Relation(Words.city, Phrases("{S} is based in {v}.", "The headquarters of {S} is in {v}.", "{S} has its main office in {v}.", "{Ss} seat is {v}.", "From its offices in {v}, {S} serves {k} countries.", "{S} moved its headquarters to {v} in {y}."), Phrases("Where is {N} based?", "Where is the headquarters of {N}?", "In which city is {N}?", "Where does {N} have its main office?", "What is the seat of {N}?")),
        Relation(_count, Phrases("{S} has {v} employees.", "{S} employs {v} people.", "There are {v} people working at {S}.", "The staff of {S} counts {v}.", "With {v} employees, {S} is a {a} firm.", "{Ss} workforce is {v} strong."), Phrases("How many employees does {N} have?", "How many people work at {N}?", "How large is the staff of {N}?", "How many people does {N} employ?", "What is the number of employees of {N}?")),
        Relation(_two, Phrases("{S} makes {v}.", "{S} sells {v}.", "{S} produces {v} for {k} countries.", "{S} is known for its {v}.", "The main products of {S} are {v}.", "{S} earns its money with {v}."), Phrases("What does {N} make?", "What does {N} sell?", "What does {N} produce?", "What is {N} known for?", "Which products does {N} have?")),
        Relation(_money, Phrases("{S} made a profit of {v}.", "{S} earned {v} last year.", "In {y} {S} reported a profit of {v}.", "The yearly profit of {S} is {v}.", "{Ss} profit rose to {v}."), Phrases("What is the profit of {N}?", "How much did {N} earn?", "What profit did {N} make?", "How high is {Ns} profit?")),
        Relation(Words.company, Phrases("{S} was bought by {v}.", "In {y} {v} took over {S}.", "{S} belongs to {v}.", "The owner of {S} is {v}.", "{v} acquired {S} in {y}."), Phrases("Who owns {N}?", "Which company bought {N}?", "Who took over {N}?", "To whom does {N} belong?", "Who acquired {N}?")),
        Relation(_color, Phrases("The logo of {S} is {v}.", "{Ss} color is {v}.", "{S} paints its trucks {v}.", "All trucks of {S} are {v}."), Phrases("What color is the logo of {N}?", "What is the color of {N}?", "Which color does {N} use?", "What color are the trucks of {N}?")),
        Relation(_hours, Phrases("{S} is open from {v}.", "The opening hours of {S} are {v}.", "You can visit {S} from {v}.", "{S} receives customers from {v}."), Phrases("When is {N} open?", "What are the opening hours of {N}?", "When can I visit {N}?", "What are {Ns} opening hours?")),
        Relation(lambda w: w.url(), Phrases("The website of {S} is {v}.", "{S} can be found at {v}.", "More about {S} is at {v}.", "{S} publishes its news on {v}."), Phrases("What is the website of {N}?", "Where can I find {N} online?", "What is {Ns} web address?", "Which website does {N} have?")),
    ),
    ("Corp", "Inc", "Ltd", "Labs", "Group", "Systems", "Foods", "Bank", "Works", "Media", "Partners", "GmbH"),
)  # fmt: skip

_TOWN = EntityKind(
    "town",
    lambda w: _invented(w) if w.chance(0.7) else w.city(),
    (("It", "Its"), ("The town", "The town's")),
    (
        Relation(_count, Phrases("{S} has {v} inhabitants.", "{v} people live in {S}.", "The population of {S} is {v}.", "At the last count {S} had {v} inhabitants.", "With a population of {v}, {S} is a {a} place."), Phrases("What is the population of {N}?", "How many people live in {N}?", "How many inhabitants does {N} have?", "How large is the population of {N}?", "How big is {N}?")),
        Relation(lambda w: f"the {_invented(w)}", Phrases("{S} lies on {v}.", "The river of {S} is {v}.", "{v} flows through {S}.", "{S} was built on the banks of {v}."), Phrases("Which river does {N} lie on?", "Which river flows through {N}?", "What is the river of {N} called?", "On which river is {N}?")),
        Relation(Words.full_name, Phrases("The mayor of {S} is {v}.", "{v} has been mayor of {S} since {y}.", "{S} is governed by {v}.", "In {y} {S} elected {v} as mayor."), Phrases("Who is the mayor of {N}?", "Who governs {N}?", "What is the name of the mayor of {N}?", "Who was elected mayor of {N}?")),
        Relation(_two, Phrases("{S} is famous for its {v}.", "{S} is known for {v}.", "People come to {S} for the {v}.", "{S} exports {v}.", "The pride of {S} are its {v}."), Phrases("What is {N} famous for?", "What is {N} known for?", "What does {N} export?", "Why do people come to {N}?")),
        Relation(Words.country, Phrases("{S} is a town in {v}.", "{S} lies in {v}.", "{S} is in the north of {v}.", "{S} belongs to {v}."), Phrases("In which country is {N}?", "Which country is {N} in?", "What country does {N} belong to?", "Where is {N}, which country?")),
        Relation(_year, Phrases("{S} was first mentioned in {v}.", "{S} was founded in {v}.", "The oldest record of {S} is from {v}.", "{S} received its town rights in {v}."), Phrases("When was {N} first mentioned?", "When was {N} founded?", "How far back do the records of {N} go?", "In which year was {N} first mentioned?")),
        Relation(_length, Phrases("{S} lies {v} above the sea.", "The altitude of {S} is {v}.", "{S} is at an altitude of {v}.", "{S} sits {v} above sea level."), Phrases("How high does {N} lie?", "What is the altitude of {N}?", "At which altitude is {N}?", "How far above the sea is {N}?")),
        Relation(lambda w: w.pick(MONTHS), Phrases("{S} celebrates its fair in {v}.", "The fair of {S} takes place in {v}.", "Every {v} there is a fair in {S}.", "The best month to visit {S} is {v}."), Phrases("When is the fair of {N}?", "In which month is the fair in {N}?", "In which month does {N} celebrate?", "Which month is best for {N}?")),
        Relation(lambda w: w.pick(WEEKDAYS), Phrases("The market of {S} is held every {v}.", "{S} has its market on {v}.", "On {v} there is a market in {S}.", "Farmers come to {S} each {v} for the market."), Phrases("On which day is the market in {N}?", "When is the market of {N}?", "Which day is market day in {N}?", "On what weekday is the market of {N} held?")),
        Relation(_invented, Phrases("The capital of {S} is {v}.", "{v} is the capital of {S}.", "The capital city of {S} is called {v}.", "{S} made {v} its capital in {y}."), Phrases("What is the capital of {N}?", "Which city is the capital of {N}?", "What is the capital city of {N} called?", "Name the capital of {N}.")),
    ),
)  # fmt: skip

_BUILDING = EntityKind(
    "building",
    lambda w: f"the {w.pick((_invented(w), w.adjective().capitalize(), w.last_name()))} {w.pick(('Tower', 'Bridge', 'Museum', 'Castle', 'Church', 'Library', 'Theater', 'Station', 'Palace', 'Hall', 'Lighthouse', 'Stadium'))}",
    (("It", "Its"), ("The building", "The building's")),
    (
        Relation(_length, Phrases("{S} is {v} high.", "{S} has a height of {v}.", "With a height of {v}, {S} can be seen from afar.", "{S} rises {v} above the ground.", "{Ss} height is {v}."), Phrases("How high is {N}?", "What is the height of {N}?", "How tall is {N}?", "What height does {N} have?")),
        Relation(_year, Phrases("{S} was built in {v}.", "{S} was completed in {v}.", "{S} opened in {v}.", "Work on {S} ended in {v}.", "{S} dates from {v}."), Phrases("When was {N} built?", "When was {N} completed?", "In which year was {N} built?", "When did {N} open?", "From which year is {N}?")),
        Relation(Words.full_name, Phrases("{S} was designed by {v}.", "The architect of {S} was {v}.", "{v} drew the plans of {S}.", "{S} is the work of the architect {v}."), Phrases("Who designed {N}?", "Who was the architect of {N}?", "Who drew the plans of {N}?", "Which architect made {N}?")),
        Relation(_material, Phrases("{S} is made of {v}.", "{S} was built from {v}.", "The walls of {S} are of {v}.", "For {S} the builders used {v}."), Phrases("What is {N} made of?", "Which material was used for {N}?", "What was {N} built from?", "Of what are the walls of {N}?")),
        Relation(Words.city, Phrases("{S} stands in {v}.", "{S} is in {v}.", "You find {S} in {v}.", "{S} is the landmark of {v}.", "{S} was built in the center of {v}."), Phrases("Where is {N}?", "In which city is {N}?", "Where does {N} stand?", "Where can {N} be found?")),
        Relation(_count, Phrases("{S} has {v} visitors a year.", "{v} people visit {S} each year.", "Every year {S} is visited by {v} people.", "{S} counts {v} visitors a year."), Phrases("How many visitors does {N} have?", "How many people visit {N} each year?", "What is the number of visitors of {N}?", "How many guests come to {N} a year?")),
        Relation(_money, Phrases("The construction of {S} cost {v}.", "{S} cost {v}.", "{v} were spent on {S}.", "Building {S} took {v}."), Phrases("How much did {N} cost?", "What did {N} cost?", "What was the price of building {N}?", "How much was spent on {N}?")),
        Relation(_money, Phrases("A ticket for {S} costs {v}.", "The entrance fee of {S} is {v}.", "Visitors of {S} pay {v}.", "To enter {S} you pay {v}."), Phrases("How much is a ticket for {N}?", "What is the entrance fee of {N}?", "What do visitors of {N} pay?", "How much does it cost to enter {N}?")),
        Relation(_hours, Phrases("{S} is open from {v}.", "The opening hours of {S} are {v}.", "{S} can be visited from {v}."), Phrases("When is {N} open?", "What are the opening hours of {N}?", "When can {N} be visited?")),
        Relation(_color, Phrases("{S} is painted {v}.", "The roof of {S} is {v}.", "Since {y} {S} has been {v}.", "The color of {S} is {v}."), Phrases("What color is {N}?", "What is the color of {N}?", "Which color does {N} have?", "In what color is {N} painted?")),
        Relation(_span, Phrases("It took {v} to build {S}.", "{S} was built within {v}.", "The construction of {S} lasted {v}.", "After {v} of work {S} was ready."), Phrases("How long did it take to build {N}?", "How long did the construction of {N} last?", "How much time did {N} take to build?")),
    ),
    ("Tower", "Bridge", "Museum", "Castle", "Church", "Library", "Theater", "Station", "Palace", "Hall", "Lighthouse", "Stadium"),
)  # fmt: skip

_PRODUCT = EntityKind(
    "device",
    lambda w: f"the {_invented(w)} {w.pick((str(w.between(2, 99)), 'Pro', 'Max', 'Mini', 'Plus', 'X'))}",
    (("It", "Its"), ("The device", "The device's")),
    (
        Relation(_money, Phrases("{S} costs {v}.", "The price of {S} is {v}.", "You can buy {S} for {v}.", "{S} sells for {v}.", "Shops ask {v} for {S}."), Phrases("How much does {N} cost?", "What is the price of {N}?", "What does {N} cost?", "For how much does {N} sell?")),
        Relation(Words.company, Phrases("{S} is made by {v}.", "{v} makes {S}.", "The maker of {S} is {v}.", "{S} is a product of {v}."), Phrases("Who makes {N}?", "Which company makes {N}?", "Who is the maker of {N}?", "Which firm produces {N}?")),
        Relation(_weight, Phrases("{S} weighs {v}.", "The weight of {S} is {v}.", "At {v}, {S} is a {a} device.", "{S} has a weight of {v}."), Phrases("How heavy is {N}?", "What is the weight of {N}?", "How much does {N} weigh?")),
        Relation(_span, Phrases("The battery of {S} lasts {v}.", "{S} runs for {v} on one charge.", "After {v} the battery of {S} is empty.", "{Ss} battery life is {v}."), Phrases("How long does the battery of {N} last?", "What is the battery life of {N}?", "How long does {N} run on one charge?")),
        Relation(_color, Phrases("{S} comes in {v}.", "The case of {S} is {v}.", "{S} is only sold in {v}.", "{S} has a {v} case."), Phrases("What color is {N}?", "In which color does {N} come?", "What is the color of {N}?", "What color is the case of {N}?")),
        Relation(_span, Phrases("{S} has a warranty of {v}.", "The warranty of {S} covers {v}.", "The maker gives {v} of warranty on {S}.", "{S} is guaranteed for {v}."), Phrases("How long is the warranty of {N}?", "What warranty does {N} have?", "For how long is {N} guaranteed?")),
        Relation(_full_date, Phrases("{S} was released on {v}.", "{S} came out on {v}.", "The release date of {S} is {v}.", "{S} has been on sale since {v}."), Phrases("When was {N} released?", "When did {N} come out?", "What is the release date of {N}?", "Since when is {N} on sale?")),
        Relation(_noun_phrase, Phrases("{S} comes with {v}.", "In the box of {S} there is {v}.", "{S} includes {v}.", "Buyers of {S} also get {v}."), Phrases("What comes with {N}?", "What does {N} include?", "What is in the box of {N}?", "What do buyers of {N} also get?")),
        Relation(lambda w: f"{w.between(1, 9)}.{w.between(0, 20)}", Phrases("The current version of {S} is {v}.", "{S} runs version {v} of its software.", "Version {v} of {S} fixed a bug with the {n}.", "{S} needs version {v}."), Phrases("What is the current version of {N}?", "Which version does {N} run?", "Which version of {N} is there?")),
        Relation(lambda w: str(w.between(80, 65000)), Phrases("{S} listens on port {v}.", "The default port of {S} is {v}.", "{S} uses port {v}.", "Connections to {S} go through port {v}."), Phrases("Which port does {N} use?", "What is the default port of {N}?", "On which port does {N} listen?")),
    ),
)  # fmt: skip

_EVENT = EntityKind(
    "event",
    lambda w: f"the {w.pick((_invented(w), w.noun().capitalize(), w.city()))} {w.pick(('Festival', 'Conference', 'Race', 'Meeting', 'Exhibition', 'Tournament', 'Concert', 'Workshop', 'Fair', 'Parade'))}",
    (("It", "Its"), ("The event", "The event's")),
    (
        Relation(_full_date, Phrases("{S} takes place on {v}.", "{S} starts on {v}.", "The date of {S} is {v}.", "{S} was held on {v}.", "{S} is planned for {v}."), Phrases("When does {N} take place?", "What is the date of {N}?", "When is {N}?", "On which date is {N}?", "When does {N} start?")),
        Relation(Words.city, Phrases("{S} takes place in {v}.", "{S} is held in {v}.", "The venue of {S} is {v}.", "{v} hosts {S} this year.", "This time {S} goes to {v}."), Phrases("Where does {N} take place?", "Where is {N} held?", "What is the venue of {N}?", "Which city hosts {N}?")),
        Relation(Words.full_name, Phrases("{S} is organized by {v}.", "The organizer of {S} is {v}.", "{v} organizes {S}.", "Behind {S} stands {v}."), Phrases("Who organizes {N}?", "Who is the organizer of {N}?", "By whom is {N} organized?")),
        Relation(Words.full_name, Phrases("{S} was won by {v}.", "The winner of {S} is {v}.", "{v} won {S}.", "First prize at {S} went to {v}."), Phrases("Who won {N}?", "Who is the winner of {N}?", "Who got the first prize at {N}?", "To whom did the prize of {N} go?")),
        Relation(_count, Phrases("{v} people attended {S}.", "{S} had {v} guests.", "{S} attracted {v} people.", "The number of guests at {S} was {v}."), Phrases("How many people attended {N}?", "How many guests did {N} have?", "How many people came to {N}?", "What was the attendance of {N}?")),
        Relation(_span, Phrases("{S} lasts {v}.", "The duration of {S} is {v}.", "{S} goes on for {v}.", "After {v} {S} ends."), Phrases("How long does {N} last?", "What is the duration of {N}?", "For how long does {N} go on?")),
        Relation(_money, Phrases("Tickets for {S} cost {v}.", "The fee for {S} is {v}.", "{S} charges {v} at the door.", "To attend {S} you pay {v}."), Phrases("How much are tickets for {N}?", "What is the fee for {N}?", "What does it cost to attend {N}?")),
        Relation(_things, Phrases("The topic of {S} is {v}.", "{S} is all about {v}.", "This year {S} deals with {v}.", "{S} is devoted to {v}."), Phrases("What is the topic of {N}?", "What is {N} about?", "What does {N} deal with?", "To what is {N} devoted?")),
        Relation(Words.time, Phrases("{S} begins at {v}.", "The doors of {S} open at {v}.", "{S} starts at {v} sharp.", "Be at {S} by {v}."), Phrases("At what time does {N} begin?", "What time does {N} start?", "At which time do the doors of {N} open?")),
        Relation(Words.company, Phrases("{S} is sponsored by {v}.", "{v} pays for {S}.", "The sponsor of {S} is {v}.", "Money for {S} comes from {v}."), Phrases("Who sponsors {N}?", "Who is the sponsor of {N}?", "Who pays for {N}?", "Where does the money for {N} come from?")),
    ),
    ("Festival", "Conference", "Race", "Meeting", "Exhibition", "Tournament", "Concert", "Workshop", "Fair", "Parade"),
)  # fmt: skip

_ANIMAL = EntityKind(
    "animal",
    lambda w: f"the {w.pick((w.adjective(), _invented(w).lower(), w.pick(COLORS)))} {w.pick(('owl', 'fox', 'bear', 'frog', 'whale', 'beetle', 'snake', 'duck', 'wolf', 'moth', 'crab', 'goat', 'turtle', 'hawk', 'bat', 'lynx'))}",
    (("It", "Its"), ("The animal", "The animal's")),
    (
        Relation(_two, Phrases("{S} eats {v}.", "{S} feeds on {v}.", "The food of {S} is {v}.", "{S} lives on {v}.", "{Ss} diet is {v}."), Phrases("What does {N} eat?", "What does {N} feed on?", "What is the food of {N}?", "What does {N} live on?", "What is the diet of {N}?")),
        Relation(Words.country, Phrases("{S} lives in {v}.", "{S} is found in {v}.", "The home of {S} is {v}.", "{S} is native to {v}."), Phrases("Where does {N} live?", "Where is {N} found?", "In which country does {N} live?", "What is the home of {N}?")),
        Relation(_weight, Phrases("{S} weighs {v}.", "{S} weighs up to {v}.", "The weight of {S} is {v}.", "A grown {n} of {S} has {v}."), Phrases("How much does {N} weigh?", "How heavy is {N}?", "What is the weight of {N}?")),
        Relation(lambda w: f"{w.between(2, 120)} years", Phrases("{S} lives for {v}.", "{S} can live {v}.", "The life of {S} lasts {v}.", "{S} reaches an age of {v}."), Phrases("How long does {N} live?", "How old does {N} get?", "What age does {N} reach?", "What is the life span of {N}?")),
        Relation(lambda w: str(w.between(2, 40)), Phrases("{S} lays {v} eggs.", "{S} lays {v} eggs in spring.", "In a nest of {S} there are {v} eggs.", "{S} has {v} eggs at a time."), Phrases("How many eggs does {N} lay?", "What is the number of eggs of {N}?", "How many eggs are in a nest of {N}?")),
        Relation(lambda w: f"{w.between(2, 120)} kilometers per hour", Phrases("{S} moves at {v}.", "{S} reaches a speed of {v}.", "The top speed of {S} is {v}.", "{S} is fast: {v}."), Phrases("How fast is {N}?", "What speed does {N} reach?", "What is the top speed of {N}?")),
        Relation(lambda w: w.pick(("at night", "at dawn", "in the morning", "in winter", "in summer", "during the day")), Phrases("{S} hunts {v}.", "{S} is active {v}.", "{S} leaves its nest {v}."), Phrases("When does {N} hunt?", "When is {N} active?", "When does {N} leave its nest?")),
        Relation(Words.full_name, Phrases("{S} was first described by {v}.", "{v} discovered {S} in {y}.", "The discoverer of {S} is {v}.", "{v} was the first to see {S}."), Phrases("Who discovered {N}?", "Who first described {N}?", "Who is the discoverer of {N}?")),
    ),
    ("owl", "fox", "bear", "frog", "whale", "beetle", "snake", "duck", "wolf", "moth", "crab", "goat", "turtle", "hawk", "bat", "lynx"),
)  # fmt: skip

_PROJECT = EntityKind(
    "project",
    lambda w: f"{w.pick(('Project', 'Operation', 'Mission', 'Plan'))} {w.pick((_invented(w), w.noun().capitalize()))}",
    (("It", "Its"), ("The project", "The project's")),
    (
        Relation(Words.full_name, Phrases("{S} is managed by {v}.", "{v} leads {S}.", "The manager of {S} is {v}.", "{v} is responsible for {S}.", "{v} took over {S} in {y}."), Phrases("Who manages {N}?", "Who leads {N}?", "Who is the manager of {N}?", "Who is responsible for {N}?")),
        Relation(_full_date, Phrases("{S} must be finished by {v}.", "The deadline of {S} is {v}.", "{S} is due on {v}.", "{S} ends on {v}."), Phrases("What is the deadline of {N}?", "When is {N} due?", "When must {N} be finished?", "By when must {N} be done?")),
        Relation(_money, Phrases("The budget of {S} is {v}.", "{S} has a budget of {v}.", "{v} were set aside for {S}.", "{S} may cost {v}."), Phrases("What is the budget of {N}?", "How much money does {N} have?", "How much may {N} cost?", "What budget does {N} have?")),
        Relation(lambda w: str(w.between(2, 90)), Phrases("{v} people work on {S}.", "The team of {S} has {v} members.", "{S} employs {v} people.", "{S} has {v} team members."), Phrases("How many people work on {N}?", "How large is the team of {N}?", "How many members does the team of {N} have?")),
        Relation(lambda w: f"to {w.verb()} the {w.noun()}", Phrases("The goal of {S} is {v}.", "{S} wants {v}.", "{S} was started {v}.", "The aim of {S} is {v}."), Phrases("What is the goal of {N}?", "What is the aim of {N}?", "What does {N} want?", "Why was {N} started?")),
        Relation(lambda w: w.pick(("Python", "Rust", "Java", "Go", "C++", "TypeScript", "Kotlin", "Haskell")), Phrases("{S} is written in {v}.", "The code of {S} is in {v}.", "{S} uses {v}.", "For {S} the team chose {v}."), Phrases("In which language is {N} written?", "Which programming language does {N} use?", "What is {N} written in?")),
        Relation(Words.company, Phrases("The client of {S} is {v}.", "{S} is done for {v}.", "{v} ordered {S}.", "{S} was paid for by {v}."), Phrases("Who is the client of {N}?", "For whom is {N} done?", "Who ordered {N}?", "Which company is the client of {N}?")),
        Relation(lambda w: w.pick(("delayed", "on track", "finished", "cancelled", "at risk", "paused")), Phrases("{S} is {v}.", "The status of {S} is {v}.", "At the moment {S} is {v}.", "According to the last report {S} is {v}."), Phrases("What is the status of {N}?", "How is {N} going?", "In what state is {N}?")),
    ),
    ("Project", "Operation", "Mission", "Plan"),
)  # fmt: skip


def _some_thing(w: Words) -> str:
    return w.weighted(
        (3, lambda: f"the {w.adjective()} {w.noun()}"),
        (2, lambda: f"the {w.noun()}"),
        (3, lambda: _invented(w)),
        (1, w.compound),
        (1, lambda: f"{_invented(w)} {w.between(1, 20)}"),
        (1, lambda: f"the {w.noun()} {w.noun()}"),
        (1, lambda: f"the {_invented(w)} {w.noun()}"),
    )()


def _one(w: Words) -> str:
    return w.weighted(
        (3, lambda: f"{w.pick(('a', 'the', 'one', 'its own', 'another'))} {w.adjective()} {w.noun()}"),
        (2, lambda: f"the {w.noun()}"),
        (2, lambda: f"{w.noun()}s"),
        (1, lambda: _invented(w)),
        (1, lambda: f"{w.adjective()} {w.noun()}s"),
    )()


def _many(w: Words) -> str:
    return w.pick(
        (
            f"{w.noun()}s and {w.noun()}s",
            f"{w.noun()}s, {w.noun()}s and {w.noun()}s",
            f"{_invented(w)}, {_invented(w)} and {_invented(w)}",
            f"{w.noun()}s",
            f"{w.adjective()} {w.noun()}s and {w.noun()}s",
        )
    )


_THING = EntityKind(
    "thing",
    _some_thing,
    (("It", "Its"),),
    (
        Relation(_one, Phrases("{S} uses {v}.", "{S} always uses {v}.", "{S} makes use of {v}.", "Inside, {S} uses {v}.", "{S} works with {v}."), Phrases("What does {N} use?", "What is used by {N}?", "Of what does {N} make use?", "What does {N} work with?")),
        Relation(_one, Phrases("{S} needs {v}.", "{S} requires {v}.", "{S} can not do without {v}.", "To work, {S} needs {v}.", "{S} depends on {v}."), Phrases("What does {N} need?", "What does {N} require?", "What does {N} depend on?", "Without what can {N} not do?")),
        Relation(_many, Phrases("{S} consists of {v}.", "{S} is made up of {v}.", "{S} is composed of {v}.", "The parts of {S} are {v}.", "{S} contains {v}."), Phrases("What does {N} consist of?", "What is {N} made up of?", "What are the parts of {N}?", "What does {N} contain?")),
        Relation(_many, Phrases("{S} supports {v}.", "{S} works for {v}.", "{S} can handle {v}.", "{S} accepts {v}.", "With {S} you can use {v}."), Phrases("What does {N} support?", "What can {N} handle?", "What does {N} accept?", "What works with {N}?")),
        Relation(_noun_phrase, Phrases("{S} is {v}.", "{S} is nothing but {v}.", "By definition {S} is {v}.", "{S} is best described as {v}.", "Basically, {S} is {v}."), Phrases("What is {N}?", "What kind of thing is {N}?", "How is {N} defined?", "What would you call {N}?")),
        Relation(lambda w: str(w.between(2, 900)), Phrases("{S} has {v} parts.", "There are {v} parts in {S}.", "{S} is built from {v} parts.", "{v} parts make up {S}."), Phrases("How many parts does {N} have?", "How many parts are in {N}?", "What is the number of parts of {N}?")),
        Relation(lambda w: str(w.between(2, 9000)), Phrases("{S} can hold {v} items.", "{S} holds up to {v} items.", "At most {v} items fit into {S}.", "The limit of {S} is {v} items."), Phrases("How many items can {N} hold?", "How many items fit into {N}?", "What is the limit of {N}?")),
        Relation(Words.city, Phrases("{S} comes from {v}.", "{S} was brought from {v}.", "The origin of {S} is {v}.", "{S} has its roots in {v}.", "Originally, {S} came from {v}."), Phrases("Where does {N} come from?", "What is the origin of {N}?", "From where was {N} brought?", "Where does {N} have its roots?")),
        Relation(_invented, Phrases("{S} was formerly called {v}.", "{S} is also known as {v}.", "Another name for {S} is {v}.", "Some people say {v} when they mean {S}.", "In {y} {S} was renamed {v}."), Phrases("What is another name for {N}?", "What else is {N} called?", "How is {N} also known?", "What other name does {N} have?")),
        Relation(lambda w: f"to {w.verb()} {w.noun()}s", Phrases("{S} is used {v}.", "People use {S} {v}.", "The purpose of {S} is {v}.", "{S} was made {v}.", "{S} serves {v}."), Phrases("What is {N} used for?", "What is the purpose of {N}?", "Why was {N} made?", "For what do people use {N}?")),
        Relation(_language, Phrases("{S} is written in {v}.", "The text of {S} is in {v}.", "{S} is only available in {v}.", "{S} exists in {v}."), Phrases("In which language is {N} written?", "Which language is {N} in?", "In what language is {N} available?")),
        Relation(lambda w: w.pick(("Python", "C", "C++", "Rust", "Java", "Go", "Lua", "Fortran")), Phrases("{S} is programmed in {v}.", "{S} was implemented in {v}.", "The engine of {S} is written in {v}.", "{S} is a library for {v}."), Phrases("In which programming language is {N} implemented?", "What is {N} programmed in?", "Which programming language is {N} for?", "In what language was {N} programmed?")),
        Relation(lambda w: f"{w.noun()}.{w.pick(('json', 'txt', 'toml', 'cfg', 'gguf', 'db', 'yaml'))}", Phrases("{S} stores its data in {v}.", "{S} keeps its settings in {v}.", "The data of {S} is in {v}.", "{S} reads {v} at the start.", "The file of {S} is {v}."), Phrases("Where does {N} store its data?", "In which file does {N} keep its settings?", "Which file belongs to {N}?", "Which file does {N} read?")),
        Relation(lambda w: f"every {w.pick(('day', 'hour', 'week', 'morning', 'night', 'month', 'spring', 'Sunday', 'ten minutes', 'second year'))}", Phrases("{S} is updated {v}.", "{S} gets updated {v}.", "{v}, {S} is updated.", "The makers update {S} {v}.", "There is an update of {S} {v}."), Phrases("How often is {N} updated?", "When is {N} updated?", "How often is there an update of {N}?", "At what times is {N} updated?")),
        Relation(lambda w: w.pick((f"behind the {w.noun()}", f"under the {w.noun()}", f"next to the {w.noun()}", f"in the {w.noun()} room", f"on the {w.adjective()} {w.noun()}", f"inside a {w.noun()}", f"above the {w.noun()}")), Phrases("{S} is {v}.", "{S} lies {v}.", "{S} can be found {v}.", "{S} was left {v}.", "You will see {S} {v}.", "{S} is kept {v}."), Phrases("Where is {N}?", "Where does {N} lie?", "Where can {N} be found?", "Where was {N} left?", "Where is {N} kept?")),
        Relation(lambda w: f"{w.city()} and {w.city()}", Phrases("{S} lies between {v}.", "{S} connects {v}.", "{S} is halfway between {v}.", "{S} runs between {v}."), Phrases("Between which places does {N} lie?", "What does {N} connect?", "Which towns does {N} connect?")),
        Relation(Words.full_name, Phrases("{S} belongs to {v}.", "The owner of {S} is {v}.", "{v} owns {S}.", "{S} is the property of {v}.", "{S} was given to {v}."), Phrases("Who owns {N}?", "To whom does {N} belong?", "Who is the owner of {N}?", "Who was given {N}?")),
        Relation(lambda w: w.pick((w.adjective(), f"very {w.adjective()}", f"{w.adjective()} and {w.adjective()}")), Phrases("{S} looks {v}.", "{S} looked {v} in {y}.", "From outside {S} looks {v}.", "At first sight {S} looks {v}.", "Everyone finds that {S} looks {v}."), Phrases("How does {N} look?", "What does {N} look like?", "How would you describe the looks of {N}?")),
        Relation(_length, Phrases("{S} is {v} long.", "{S} has a length of {v}.", "The length of {S} is {v}.", "{S} measures {v}."), Phrases("How long is {N}?", "What is the length of {N}?", "What length does {N} have?")),
        Relation(lambda w: f"{w.between(2, 99)} percent", Phrases("{S} is {v} water.", "{v} of {S} is water.", "Water makes up {v} of {S}.", "About {v} of {S} is just water."), Phrases("How much of {N} is water?", "What share of {N} is water?", "How much water is in {N}?")),
        Relation(_money, Phrases("{S} is worth {v}.", "{S} costs {v}.", "The price of {S} is {v}.", "Somebody paid {v} for {S}.", "{S} was sold for {v}."), Phrases("How much is {N} worth?", "What does {N} cost?", "What is the price of {N}?", "For how much was {N} sold?")),
    ),
)  # fmt: skip


ENTITIES: tuple[EntityKind, ...] = (
    _PERSON,
    _PERSON,
    _THING,
    _THING,
    _COMPANY,
    _TOWN,
    _BUILDING,
    _PRODUCT,
    _EVENT,
    _ANIMAL,
    _PROJECT,
)
