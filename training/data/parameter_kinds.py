"""What parameters are called, hold and are said to be, by kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.data.words import COLORS, Phrases, Words


@dataclass
class Parameter:
    """A parameter with the value the user asks for.

    Attributes:
        name: As in the schema.
        schema: Its JSON schema.
        value: The value to pass.
        said: How the request says it, for example "with limit 5".
        required: Whether the schema requires it.
    """

    name: str
    schema: dict[str, Any]
    value: Any
    said: str
    required: bool = True


@dataclass(frozen=True)
class Family:
    """Parameters of one meaning: their names, a value, and phrases only they have."""

    names: tuple[str, ...]
    kind: str
    value: Callable[[Words], Any]
    phrases: Phrases


def room(w: Words) -> str:
    rooms = ("kitchen", "bedroom", "office", "garage", "hall", "bathroom", "living room", "cellar", "attic", "garden")
    return w.pick(rooms) if w.chance(0.6) else w.noun()


def _proper(w: Words) -> str:
    return w.pick((lambda: w.syllables().capitalize(), w.last_name, w.title, lambda: w.salad().capitalize()))()


FAMILIES = (
    Family(
        (
            "name",
            "title",
            "label",
            "full_name",
            "user_name",
            "customer",
            "client",
            "person",
            "contact",
            "owner",
            "author",
            "employee",
        ),
        "string",
        Words.person,
        Phrases(
            "named {v}",
            "for {v}",
            "named '{v}'",
            "called {v}",
            'with the name "{v}"',
            "for {p} {v}",
            "under the name {v}",
            "belonging to {v}",
        ),
    ),
    Family(
        ("city", "location", "place", "destination", "town", "region", "origin", "venue"),
        "string",
        Words.place,
        Phrases(
            "in {v}",
            "for {v}",
            "for the {p} {v}",
            "in the {p} of {v}",
            "near {v}",
            "around {v}",
            "at {v}",
            "with {p} {v}",
        ),
    ),
    Family(
        ("date", "day", "start_date", "due_date", "deadline", "when", "end_date", "birthday"),
        "string",
        Words.date,
        Phrases("on {v}", "for {v}", "with {p} {v}", "by {v}", "until {v}", "with the {p} {v}"),
    ),
    Family(
        ("time", "start_time", "hour", "at", "departure", "arrival_time"),
        "string",
        Words.time,
        Phrases("at {v}", "with {p} {v}", "for {v}", "around {v}", "starting at {v}"),
    ),
    Family(
        ("email", "recipient", "to", "address", "email_address", "mail"),
        "string",
        Words.email,
        Phrases("to {v}", "with email {v}", "for {v}", "using the {p} {v}", "addressed to {v}", "with {p} {v}"),
    ),
    Family(
        (
            "limit",
            "count",
            "max_results",
            "quantity",
            "n",
            "amount",
            "size",
            "number",
            "top_k",
            "pages",
            "max_items",
            "page",
        ),
        "integer",
        lambda w: w.between(1, 500),
        Phrases(
            "with a {p} of {v}", "with {p} {v}", "{p}={v}", "with {v} as {p}", "where the {p} is {v}", "and {p} {v}"
        ),
    ),
    Family(
        ("id", "order_id", "user_id", "ticket_id", "ref", "code", "item_id", "account", "sku", "reference", "serial"),
        "string",
        Words.code,
        Phrases(
            "with {p} {v}", "with id {v}", "number {v}", "{v}", "for {p} {v}", "with the code {v}", "identified by {v}"
        ),
    ),
    Family(
        ("id", "order_id", "user_id", "ticket_id", "record_id", "customer_id", "invoice_number"),
        "integer",
        lambda w: w.between(1, 99999),
        Phrases("with {p} {v}", "with id {v}", "number {v}", "{v}", "no. {v}", "#{v}"),
    ),
    Family(
        (
            "message",
            "text",
            "body",
            "content",
            "note",
            "comment",
            "description",
            "query",
            "prompt",
            "reason",
            "summary",
        ),
        "string",
        lambda w: w.sentence() if w.chance(0.7) else w.phrase(),
        Phrases(
            "with the text '{v}'",
            'saying "{v}"',
            "with {p} '{v}'",
            'with {p} "{v}"',
            'with the {p} "{v}"',
            "that says '{v}'",
            'and the {p} "{v}"',
        ),
    ),
    Family(
        ("price", "amount", "budget", "cost", "total", "rate", "weight", "length", "score", "latitude", "distance"),
        "number",
        Words.number,
        Phrases("with {p} {v}", "with a {p} of {v}", "{p} = {v}", "at a {p} of {v}", "whose {p} is {v}"),
    ),
    Family(
        ("company", "organization", "supplier", "vendor", "employer"),
        "string",
        Words.company,
        Phrases("from {v}", "for {v}", "at {v}", "with {p} {v}", "by {v}", "on behalf of {v}"),
    ),
    Family(
        ("product", "item", "article", "thing", "subject", "topic"),
        "string",
        Words.product,
        Phrases("for {v}", "about {v}", "with {p} {v}", "for '{v}'", "regarding {v}", "concerning {v}"),
    ),
    Family(
        ("file", "path", "filename", "file_path", "document", "source"),
        "string",
        Words.file,
        Phrases("from {v}", "in {v}", "with {p} {v}", "using {v}", "out of {v}", "stored in {v}"),
    ),
    Family(
        (
            "nights",
            "guests",
            "people",
            "copies",
            "days",
            "seats",
            "tickets",
            "rooms",
            "hours",
            "minutes",
            "weeks",
            "boxes",
        ),
        "integer",
        lambda w: w.between(1, 60),
        Phrases("for {v} {p}", "{v} {p}", "with {v} {p}", "and {v} {p}", "over {v} {p}"),
    ),
    Family(
        ("temperature", "celsius", "degrees", "percent", "volume", "speed", "brightness", "height", "value", "target"),
        "number",
        lambda w: w.between(0, 100) if w.chance(0.6) else w.between(0, 60) + 0.5,
        Phrases(
            "to {v} degrees", "to {v}", "at {v} percent", "at {v}", "to {p} {v}", "with {p} {v}", "to a {p} of {v}"
        ),
    ),
    Family(
        ("room", "area", "zone", "building", "department", "station", "section"),
        "string",
        room,
        Phrases("in the {v}", "for the {v}", "in {p} {v}", "of the {v}", "located in the {v}", "inside the {v}"),
    ),
    Family(
        ("hotel", "restaurant", "shop", "project", "team", "event", "album", "game", "brand", "school", "channel"),
        "string",
        _proper,
        Phrases(
            "with {p} {v}",
            "for the {p} {v}",
            "at the {p} {v}",
            "for {p} {v}",
            "of the {p} {v}",
            "in the {p} called {v}",
        ),
    ),
    Family(
        ("url", "link", "website", "endpoint", "uri"),
        "string",
        Words.url,
        Phrases("from {v}", "at {v}", "with {p} {v}", "on {v}", "pointing to {v}"),
    ),
    Family(
        ("name", "title", "label", "local_name", "native_name", "nickname", "word", "tag", "city", "author"),
        "string",
        Words.foreign,
        Phrases("named {v}", "named '{v}'", 'called "{v}"', "with {p} {v}", "with the {p} '{v}'", "labelled {v}"),
    ),
)

#: Ways to say any parameter.
GENERIC = Phrases(
    *("with {p} {v}", "{p}={v}", "where {p} is {v}", "set {p} to {v}", "using {v} as the {p}", "with {p} set to {v}"),
    *("with {p} = {v}", "with {p} '{v}'", "with the {p} {v}", "and make the {p} {v}", "({p}: {v})", "the {p} is {v}"),
    *("the {p} should be {v}", "the {p} being {v}", "use {v} for {p}", "having {p} {v}", "{p} {v}", "whose {p} is {v}"),
)

ENUM_NAMES = (
    "color",
    "status",
    "priority",
    "unit",
    "mode",
    "level",
    "category",
    "kind",
    "format",
    "language",
    "type",
    "state",
    "style",
    "theme",
    "severity",
    "role",
)

ENUM_SETS = (
    ("low", "medium", "high"), ("low", "medium", "high", "urgent"), ("open", "closed"), ("open", "in_progress", "done"),
    ("celsius", "fahrenheit"), ("metric", "imperial"), ("json", "csv", "xml"), ("fast", "slow"), ("small", "medium", "large"),
    ("English", "French", "German", "Spanish"), ("asc", "desc"), ("admin", "user", "guest"), ("draft", "published"),
    ("daily", "weekly", "monthly"), ("pdf", "docx", "html"), COLORS[:4], COLORS[4:9], ("economy", "business", "first"),
    ("car", "train", "bike", "plane"), ("active", "paused", "archived"), ("info", "warning", "error"), ("A", "B", "C", "D"),
)  # fmt: skip

FLAG_NAMES = (
    "urgent",
    "verbose",
    "dry_run",
    "recursive",
    "notify",
    "public",
    "active",
    "force",
    "enabled",
    "include_details",
    "overwrite",
    "gift_wrap",
    "express",
)

ENUM_SAID = Phrases(
    "with {v} {p}",
    "in {v} {p}",
    "with {p} {v}",
    "{p} {v}",
    "with the {p} set to {v}",
    "as {p} {v}",
    "using {p} {v}",
    "with {p} = {v}",
)

FLAG_ON = Phrases(
    "with {p} enabled",
    "with {p} turned on",
    "with {p} set to true",
    "{p}=true",
    "with {p} true",
    "with {p} on",
    "and enable {p}",
    "and switch {p} on",
)

FLAG_OFF = Phrases(
    "with {p} disabled",
    "with {p} turned off",
    "with {p} set to false",
    "{p}=false",
    "with {p} false",
    "with {p} off",
    "and disable {p}",
    "and switch {p} off",
)

LIST_NAMES = (
    "tags",
    "items",
    "names",
    "ids",
    "keywords",
    "numbers",
    "values",
    "recipients",
    "cities",
    "labels",
    "fields",
    "scores",
)

LIST_SAID = Phrases(
    "with {p} {v}",
    "with the {p} {v}",
    "{p}: {v}",
    "for the {p} {v}",
    "and the {p} {v}",
    "using the {p} {v}",
    "whose {p} are {v}",
)

OBJECT_NAMES = (
    "options",
    "address",
    "filter",
    "settings",
    "config",
    "metadata",
    "details",
    "customer",
    "shipping",
    "profile",
    "position",
)

OBJECT_SAID = Phrases(
    "with {p} {v}", "with the {p} {v}", "with {p} where {v}", "using {p} with {v}", "where the {p} has {v}"
)

SAID_DESCRIPTIONS = Phrases(
    "",
    "",
    "",
    "The {p}",
    "The {p}.",
    "{P}",
    "{P} to use",
    "{P} of the {n}",
    "The {p} of the {n}.",
    "A {p} for the {n}",
    "Which {p}",
    "{P} (required)",
)
