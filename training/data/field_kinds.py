"""What records may hold: kinds of fields with their names, values and the phrases that tell them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.data.words import COLORS, MONTHS, WEEKDAYS, Phrases, Words


@dataclass(frozen=True)
class FieldKind:
    """A field: names it may have, JSON type, value, and sentences or phrases that tell it after a name.

    In phrases {N} is who it is about, {v} the value as text.
    """

    names: tuple[str, ...]
    kind: str
    value: Callable[[Words], Any]
    says: Phrases
    choices: tuple[str, ...] = ()


def _years(w: Words) -> int:
    return w.between(1, 99)


def _isodate(w: Words) -> str:
    return f"{w.between(1900, 2035)}-{w.between(1, 12):02}-{w.between(1, 28):02}"


def _sum(w: Words) -> Any:
    return w.between(1, 900) if w.chance(0.5) else round(w.rng.uniform(1, 999), w.between(1, 2))


def _words(w: Words) -> list[str]:
    return [w.noun() for _ in range(w.between(1, 4))]


def _names(w: Words) -> list[str]:
    return [w.first_name() for _ in range(w.between(2, 4))]


_NAME = FieldKind(
    ("name", "full_name", "person", "customer", "employee", "author", "username"),
    "string",
    lambda w: w.full_name() if w.chance(0.8) else w.foreign(),
    Phrases("{N}"),
)

KINDS: dict[str, tuple[Callable[[Words], str], tuple[str, ...], tuple[FieldKind, ...]]] = {
    "Person": (
        lambda w: w.full_name() if w.chance(0.85) else w.foreign(),
        ("name", "full_name", "person_name"),
        (
            FieldKind(
                ("age", "years", "age_in_years"),
                "integer",
                _years,
                Phrases(
                    "{N} is {v} years old.",
                    "{N} is {v}.",
                    "{N}, aged {v}, said hello.",
                    "At {v}, {N} feels young.",
                    "{N} turned {v} last week.",
                    "The age of {N} is {v}.",
                ),
            ),
            FieldKind(
                ("city", "home", "residence", "location", "town"),
                "string",
                Words.city,
                Phrases(
                    "{N} lives in {v}.",
                    "{N} is from {v}.",
                    "{N} moved to {v}.",
                    "{N} resides in {v}.",
                    "The home of {N} is {v}.",
                ),
            ),
            FieldKind(
                ("job", "occupation", "profession", "role"),
                "string",
                Words.job,
                Phrases(
                    "{N} works as a {v}.",
                    "{N} is a {v} by profession.",
                    "{N} earns money as a {v}.",
                    "{N} is employed as a {v}.",
                ),
            ),
            FieldKind(
                ("email", "email_address", "contact", "mail"),
                "string",
                Words.email,
                Phrases(
                    "{N} can be reached at {v}.", "The email of {N} is {v}.", "Write to {N} at {v}.", "Mail to {N}: {v}"
                ),
            ),
            FieldKind(
                ("company", "employer", "firm", "organization"),
                "string",
                Words.company,
                Phrases("{N} works for {v}.", "{N} is with {v}.", "{N} joined {v}.", "The employer of {N} is {v}."),
            ),
            FieldKind(
                ("married", "is_married"),
                "boolean",
                lambda w: w.chance(0.5),
                Phrases("{N} is {not}married.", "By the way, {N} is {not}married.", "{N} says: I am {not}married."),
            ),
            FieldKind(
                ("hobbies", "interests", "likes"),
                "array",
                _words,
                Phrases(
                    "{N} likes {v}.",
                    "The hobbies of {N} are {v}.",
                    "{N} is interested in {v}.",
                    "In spare time {N} enjoys {v}.",
                ),
            ),
            FieldKind(
                ("height", "height_cm", "size"),
                "number",
                lambda w: w.between(120, 210),
                Phrases("{N} is {v} cm tall.", "{N} measures {v} centimeters.", "The height of {N} is {v} cm."),
            ),
            FieldKind(
                ("birthday", "date_of_birth", "born"),
                "string",
                _isodate,
                Phrases("{N} was born on {v}.", "The birthday of {N} is {v}.", "{N} came into the world on {v}."),
            ),
            FieldKind(
                ("children", "friends", "siblings"),
                "array",
                _names,
                Phrases("The {k} of {N} are {v}.", "{N} has these {k}: {v}.", "{N} talks about the {k} {v}."),
            ),
        ),
    ),
    "Product": (
        lambda w: w.product() if w.chance(0.5) else f"{w.syllables().capitalize()} {w.between(1, 99)}",
        ("name", "product", "product_name", "item", "title"),
        (
            FieldKind(
                ("price", "cost", "amount"),
                "number",
                _sum,
                Phrases(
                    "The {N} costs {v} dollars.",
                    "The {N} is sold for {v} euros.",
                    "You pay {v} dollars for the {N}.",
                    "The price of the {N} is {v}.",
                    "Get the {N} now for {v}!",
                ),
            ),
            FieldKind(
                ("color", "colour"),
                "string",
                lambda w: w.pick(COLORS),
                Phrases("The {N} is {v}.", "The color of the {N} is {v}.", "The {N} comes in {v}."),
                COLORS,
            ),
            FieldKind(
                ("in_stock", "available"),
                "boolean",
                lambda w: w.chance(0.5),
                Phrases(
                    "The {N} is {not}available.", "At the moment the {N} is {not}in stock.", "The {N} is {not}in stock."
                ),
            ),
            FieldKind(
                ("quantity", "stock", "count", "units"),
                "integer",
                lambda w: w.between(0, 500),
                Phrases(
                    "There are {v} pieces of the {N}.",
                    "We have {v} of the {N}.",
                    "{v} units of the {N} are left.",
                    "The stock of the {N} is {v}.",
                ),
            ),
            FieldKind(
                ("brand", "maker", "manufacturer"),
                "string",
                Words.company,
                Phrases("The {N} is made by {v}.", "{v} makes the {N}.", "The maker of the {N} is {v}."),
            ),
            FieldKind(
                ("weight", "weight_kg"),
                "number",
                _sum,
                Phrases("The {N} weighs {v} kg.", "The weight of the {N} is {v} kg.", "At {v} kg the {N} is light."),
            ),
            FieldKind(
                ("rating", "stars", "score"),
                "integer",
                lambda w: w.between(1, 5),
                Phrases(
                    "Customers give the {N} {v} stars.", "The {N} got {v} of 5 stars.", "The rating of the {N} is {v}."
                ),
            ),
            FieldKind(
                ("tags", "features", "categories", "parts"),
                "array",
                _words,
                Phrases("The {k} of the {N} are {v}.", "The {N} has the {k} {v}.", "{K} of the {N}: {v}"),
            ),
            FieldKind(
                ("sku", "code", "article_number"),
                "string",
                Words.code,
                Phrases("The {N} has the number {v}.", "The code of the {N} is {v}.", "Order the {N} under {v}."),
            ),
        ),
    ),
    "Event": (
        lambda w: f"{w.noun()} {w.pick(('meeting', 'party', 'concert', 'workshop', 'festival', 'lecture', 'race'))}",
        ("title", "name", "event", "event_name"),
        (
            FieldKind(
                ("date", "day", "when"),
                "string",
                _isodate,
                Phrases("{N} is on {v}.", "{N} takes place on {v}.", "The date of {N} is {v}.", "Join {N} on {v}."),
            ),
            FieldKind(
                ("weekday", "day_of_week"),
                "string",
                lambda w: w.pick(WEEKDAYS),
                Phrases("{N} is on a {v}.", "We meet for {N} on {v}.", "{N} takes place every {v}."),
                WEEKDAYS,
            ),
            FieldKind(
                ("time", "start", "start_time"),
                "string",
                Words.time,
                Phrases("{N} starts at {v}.", "{N} begins at {v}.", "Be at {N} by {v}."),
            ),
            FieldKind(
                ("location", "place", "venue", "city"),
                "string",
                Words.city,
                Phrases("{N} is held in {v}.", "{N} takes place in {v}.", "{v} hosts {N}.", "Come to {v} for {N}."),
            ),
            FieldKind(
                ("attendees", "participants", "guests", "speakers"),
                "array",
                _names,
                Phrases("{v} will come to {N}.", "The {k} of {N} are {v}.", "{v} are the {k} of {N}."),
            ),
            FieldKind(
                ("duration", "minutes", "duration_minutes"),
                "integer",
                lambda w: w.between(10, 600),
                Phrases("{N} lasts {v} minutes.", "{N} takes {v} minutes.", "The duration of {N} is {v} minutes."),
            ),
            FieldKind(
                ("public", "is_public", "open_to_all"),
                "boolean",
                lambda w: w.chance(0.5),
                Phrases("{N} is {not}public.", "{N} is {not}open to everybody."),
            ),
            FieldKind(
                ("organizer", "host", "contact"),
                "string",
                Words.full_name,
                Phrases("{N} is organized by {v}.", "{v} organizes {N}.", "The host of {N} is {v}."),
            ),
            FieldKind(
                ("month",),
                "string",
                lambda w: w.pick(MONTHS),
                Phrases("{N} is in {v}.", "We plan {N} for {v}.", "{N} happens in {v}."),
                MONTHS,
            ),
        ),
    ),
    "Book": (
        Words.title,
        ("title", "book", "book_title", "name"),
        (
            FieldKind(
                ("author", "writer", "written_by"),
                "string",
                Words.full_name,
                Phrases(
                    "{N} was written by {v}.", "{v} wrote {N}.", "The author of {N} is {v}.", "{N} is a book by {v}."
                ),
            ),
            FieldKind(
                ("year", "published", "publication_year"),
                "integer",
                lambda w: w.between(1500, 2030),
                Phrases("{N} was published in {v}.", "{N} came out in {v}.", "{N} is from {v}."),
            ),
            FieldKind(
                ("pages", "page_count", "number_of_pages"),
                "integer",
                lambda w: w.between(20, 1200),
                Phrases("{N} has {v} pages.", "{N} is {v} pages long.", "There are {v} pages in {N}."),
            ),
            FieldKind(
                ("genre", "kind", "category"),
                "string",
                lambda w: w.pick(("novel", "poetry", "thriller", "biography", "comedy", "fantasy")),
                Phrases("The genre of {N} is {v}.", "{N} is a {v} book.", "{N} belongs to the genre {v}."),
                ("novel", "poetry", "thriller", "biography", "comedy", "fantasy"),
            ),
            FieldKind(
                ("language", "lang"),
                "string",
                lambda w: w.pick(("English", "French", "German", "Spanish", "Chinese", "Latin")),
                Phrases("{N} is written in {v}.", "The language of {N} is {v}.", "{N} appeared in {v}."),
            ),
            FieldKind(
                ("topics", "keywords", "subjects"),
                "array",
                _words,
                Phrases("{N} is about {v}.", "The {k} of {N} are {v}.", "{N} deals with {v}."),
            ),
            FieldKind(
                ("price", "cost"),
                "number",
                _sum,
                Phrases("{N} costs {v} dollars.", "The price of {N} is {v}.", "{N} is sold for {v} euros."),
            ),
        ),
    ),
    "Company": (
        Words.company,
        ("name", "company", "company_name", "organization"),
        (
            FieldKind(
                ("founded", "founding_year", "year"),
                "integer",
                lambda w: w.between(1700, 2028),
                Phrases("{N} was founded in {v}.", "{N} has existed since {v}.", "{N} started in {v}."),
            ),
            FieldKind(
                ("employees", "staff", "headcount"),
                "integer",
                lambda w: w.between(2, 90000),
                Phrases("{N} has {v} employees.", "{N} employs {v} people.", "{v} people work at {N}."),
            ),
            FieldKind(
                ("headquarters", "city", "location", "seat"),
                "string",
                Words.city,
                Phrases("{N} is based in {v}.", "The headquarters of {N} is in {v}.", "{N} sits in {v}."),
            ),
            FieldKind(
                ("ceo", "head", "leader", "founder"),
                "string",
                Words.full_name,
                Phrases("{N} has {v} as its {k}.", "The {k} of {N} is {v}.", "{v} is the {k} of {N}."),
            ),
            FieldKind(
                ("products", "goods", "services"),
                "array",
                _words,
                Phrases("{N} sells {v}.", "The {k} of {N} are {v}.", "{N} offers {v}."),
            ),
            FieldKind(
                ("website", "url", "homepage"),
                "string",
                Words.url,
                Phrases("The website of {N} is {v}.", "{N} is found at {v}.", "Visit {N} at {v}."),
            ),
            FieldKind(
                ("public", "listed", "is_public"),
                "boolean",
                lambda w: w.chance(0.5),
                Phrases("{N} is {not}listed on the stock market.", "{N} is {not}a public company."),
            ),
            FieldKind(
                ("revenue", "profit", "turnover"),
                "number",
                _sum,
                Phrases(
                    "The {k} of {N} is {v} million.", "{N} reports a {k} of {v} million.", "{N} had {v} million in {k}."
                ),
            ),
        ),
    ),
    "Ticket": (
        Words.sentence,
        ("title", "summary", "problem", "subject"),
        (
            FieldKind(
                ("priority", "urgency", "severity"),
                "string",
                lambda w: w.pick(("low", "medium", "high")),
                Phrases("It has {v} priority.", "The priority is {v}.", "Please treat it with {v} priority."),
                ("low", "medium", "high"),
            ),
            FieldKind(
                ("reporter", "reported_by", "user"),
                "string",
                Words.person,
                Phrases("{v} reported it.", "It was reported by {v}.", "The report comes from {v}."),
            ),
            FieldKind(
                ("status", "state"),
                "string",
                lambda w: w.pick(("open", "closed", "pending")),
                Phrases("The status is {v}.", "It is {v}.", "At the moment it is {v}."),
                ("open", "closed", "pending"),
            ),
            FieldKind(
                ("sentiment", "mood"),
                "string",
                lambda w: w.pick(("positive", "negative", "neutral")),
                Phrases("The tone is {v}.", "The sentiment is {v}.", "The mood of the customer is {v}."),
                ("positive", "negative", "neutral"),
            ),
            FieldKind(
                ("id", "ticket_id", "number"),
                "integer",
                lambda w: w.between(1, 99999),
                Phrases("The number is {v}.", "Its id is {v}.", "Ticket number: {v}."),
            ),
            FieldKind(
                ("component", "area", "module"),
                "string",
                Words.word,
                Phrases("It concerns the component {v}.", "The {k} is {v}.", "The problem is in {v}."),
            ),
        ),
    ),
}
