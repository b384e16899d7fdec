"""Reads the lines of `outside/`: their slots, their tools, and what they want to see in an answer."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from training.data.words import MONTHS, Words
from training.data.written import Slots, parsed, strings_of

HERE = Path(__file__).with_name("outside")
#: Tools that might serve one another's requests: never offered beside each other by chance.
ALIKE = (
    ("set_timer", "create_alarm", "add_reminder", "create_task", "create_note", "create_event", "schedule_meeting"),
    ("book_doctor", "create_event", "schedule_meeting"),
    ("send_email", "send_sms", "send_chat_message"),
    ("web_search", "wikipedia_lookup", "fetch_page", "get_news", "plant_care", "find_recipe", "movie_showtimes"),
    ("web_search", "get_stock_price", "get_time", "weather_forecast", "get_current_weather", "find_job_offers"),
    ("web_search", "find_hotels", "search_books", "get_train_departures", "convert_currency", "convert_units"),
    ("calculator", "calculate_tip", "convert_units", "convert_currency", "roll_dice"),
    ("run_sql", "list_users", "get_employee", "search_contacts"),
    ("execute_command", "read_file", "rename_file", "system_status", "run_sql", "list_users"),
    ("add_to_cart", "place_order", "add_shopping_items", "buy_tickets"),
    ("report_damage", "open_ticket", "create_issue", "create_task"),
    ("translate_text", "save_translation", "set_language"),
    ("get_order_status", "track_parcel"),
    ("rate_movie", "submit_review"),
    ("order_taxi", "get_route"),
)
#: Tools that a stretch of the imagination would use for small talk.
TALKATIVE = (
    *("web_search", "wikipedia_lookup", "calculator", "translate_text", "random_joke", "create_note", "flip_coin"),
    *("update_profile", "search_books", "search_contacts", "save_translation", "log_workout", "add_reminder"),
)

UNKNOWN = tuple(
    "don't know|do not know|does not say|doesn't say|not mention|n't mention|no information|not provide|n't provide|"
    "not contain|n't contain|not in the|not given|n't given|not stated|not specif|n't specif|not tell|n't tell|not know|"
    "unknown|not answer|can't answer|n't say|not say|not there|not available".split("|")
)
_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()


def _in_words(n: int) -> str:
    return _ONES[n] if n < 20 else _TENS[n // 10] + (f"-{_ONES[n % 10]}" if n % 10 else "")


def _day(iso: str, american: bool) -> str:
    day = dt.date.fromisoformat(iso)
    month = MONTHS[day.month - 1]
    return f"{month} {day.day}, {day.year}" if american else f"{day.day} {month} {day.year}"


#: What a slot's name may end in, and what that makes of the value of the slot before the ending.
DERIVED: dict[str, Callable[[Any], Any]] = {
    "_words": _in_words,
    "_us": lambda iso: _day(iso, True),
    "_long": lambda iso: _day(iso, False),
    "_upper": lambda text: text.upper(),
    "_lower": lambda text: text.lower(),
    "_last": lambda name: name.split()[-1],
}


class Filled(Slots):
    """Slots that also give what is derived from one: {n_words} is {n} in words."""

    def __init__(self, w: Words, line: Any) -> None:
        """`line`: a line or what is filled of it; its strings say the slots' kinds, "slots" those of others."""
        super().__init__(w, line.get("slots") if isinstance(line, dict) else None)
        for text in strings_of(line):
            self.kinds |= {slot: kind for _, slot, kind in parsed(text) if kind}

    def get(self, slot: str, kind: str = "") -> Any:
        """A slot's value, or what its ending derives from another's."""
        for ending, make in DERIVED.items():
            base = slot.removesuffix(ending)
            if base != slot and base in self.kinds:
                return make(self.get(base))
        value = super().get(slot, kind)
        if isinstance(value, float):
            value = self.values[slot] = round(value, 2)
        return value

    def compute(self, formula: str) -> int:
        """The value of a formula of the files in this package, such as "a * b + c"."""
        return int(eval(formula, {"__builtins__": {}}, dict(self.values)))


@lru_cache(maxsize=16)
def lines(name: str) -> tuple[dict[str, Any], ...]:
    """The lines of a file."""
    text = (HERE / f"{name}.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


@lru_cache(maxsize=1)
def tool_lines() -> dict[str, dict[str, Any]]:
    """The lines of tools by name."""
    return {line["name"]: line for line in lines("tools")}


def schema_of(fields: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object: a field is a schema, or "integer?: what it is", "string[]" and the like."""
    properties, required = {}, []
    for name, field in fields.items():
        if isinstance(field, dict):
            properties[name] = dict(field)
            required.append(name)
            continue
        of, _, says = field.partition(": ")
        if not of.endswith("?"):
            required.append(name)
        of = of.removesuffix("?")
        listed = of.endswith("[]")
        made: dict[str, Any] = {"type": "array", "items": {"type": of[:-2]}} if listed else {"type": of}
        properties[name] = made | ({"description": says} if says else {})
    return {"type": "object", "properties": properties, "required": required}


def tool(name: str) -> dict[str, Any]:
    """A tool in OpenAI's form."""
    line = tool_lines()[name]
    function = {"name": name, "description": line["does"], "parameters": schema_of(line["params"])}
    return {"type": "function", "function": function}


def offered(w: Words, names: Iterable[str], more: int, without: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The tools of these names and `more` others that do not serve in their place, in any order."""
    names = list(dict.fromkeys(names))
    alike = {*without, *names, *(other for group in ALIKE for other in group if not set(names).isdisjoint(group))}
    return [tool(name) for name in w.shuffled([*names, *w.sample([n for n in tool_lines() if n not in alike], more)])]


def words_of(line: dict[str, Any], slots: Filled) -> list[list[str]] | None:
    """Groups of words, of each of which an answer has to hold one; None where the line expects none."""
    if "compute" in line:
        return [[str(slots.compute(line["compute"]))]]
    if "sum" in line:
        return [[str(sum(slots.value(x) for x in line["sum"]))]]
    if "upper" in line:
        return [[slots.fill(line["upper"]).upper()]]
    if "lookup" in line:
        found = line["lookup"][slots.get(line["key"])]
        return [found if isinstance(found, list) else [found]]
    if "any" in line:
        return [[slots.fill(x) for x in line["any"]]]
    every = line.get("all") or line.get("holds")
    return [[slots.fill(x)] for x in every] if every else None


def check_of(line: dict[str, Any], slots: Filled) -> dict[str, Any]:
    """How an answer to a line is judged: see `judging.is_right`."""
    for key, kind in (("is", "is"), ("any_exact", "words_exact"), ("all_exact", "words_exact")):
        if key in line:
            return {"kind": kind, "expected": [[slots.fill(x) for x in line[key]]]}
    if "json" in line:
        return {"kind": "json", "expected": slots.value(line["json"])}
    words = words_of(line, slots)
    return {"kind": "words", "expected": words} if words else {"kind": "speaks", "expected": ""}
