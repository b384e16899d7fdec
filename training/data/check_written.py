"""Checks the lines written by hand: kinds of slots, stray braces, requests that leave an argument open, records.

python -m training.data.check_written
"""

from __future__ import annotations

import json
from typing import Any

from training.data.records import AREA, specs_of
from training.data.written import HERE, lines, maker, parsed, slots_of, strings_of


def problems(area: str) -> list[str]:
    """What is wrong with an area's lines: slots without a kind, kinds that do not exist, stray braces, bad records."""
    out = []
    for path in sorted((HERE / area).glob("*.jsonl")):
        for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            try:
                data = json.loads(text)
                declared = dict(data.get("slots", {})) if isinstance(data, dict) else {}
                for kind in declared.values():
                    maker(kind)
                strings = strings_of({k: v for k, v in data.items() if k not in ("slots", "params", "fields")})
                for string in strings:
                    for _, slot, kind in parsed(string):
                        if slot and kind:
                            maker(kind)
                            declared.setdefault(slot, kind)
                for string in strings:
                    for slot in slots_of(string):
                        if slot not in declared and slot.partition("#")[0] not in declared:
                            out.append(f"{path.name}:{number}: slot {slot!r} has no kind: {string[:80]!r}")
                if area == "tools":
                    out += [f"{path.name}:{number}: {text}" for text in _tool_problems(data)]
            except (ValueError, FileNotFoundError, AttributeError, KeyError, TypeError) as reason:
                out.append(f"{path.name}:{number}: {type(reason).__name__} {reason}")
    return out + (_record_problems() if area == AREA else [])


def _tool_problems(tool: dict[str, Any]) -> list[str]:
    params = tool["params"]
    required = {name for name, p in params.items() if not p.get("optional")}
    out = [f"parameter {name!r} has no type" for name, p in params.items() if not ("type" in p or "schema" in p)]
    for request in [*tool["requests"], *tool.get("clauses", [])]:
        template, fixed = (request, {}) if isinstance(request, str) else request
        given = {slot for slot in slots_of(template) if slot in params} | set(fixed)
        if missing := required - given:
            out.append(f"{', '.join(sorted(missing))} not determined by {template[:80]!r}")
        if unknown := set(fixed) - set(params):
            out.append(f"arguments {', '.join(sorted(unknown))} are no parameters: {template[:80]!r}")
        for slot in slots_of(template):
            if slot not in params and not any("{" + slot in json.dumps(v) for v in fixed.values()):
                out.append(f"slot {slot!r} is no parameter and no argument uses it: {template[:80]!r}")
    return out


def _record_problems() -> list[str]:
    out = []
    for at, line in enumerate(lines(AREA), 1):
        try:
            specs = {spec.own: spec for spec in specs_of(tuple(line["fields"].items()))}
        except ValueError as reason:
            out.append(f"{at} {line['title'][0]}: {reason}")
            continue
        for wording in line["texts"]:
            template, fixed = (wording, {}) if isinstance(wording, str) else wording
            if unknown := set(fixed) - set(specs):
                out.append(f"{at} {line['title'][0]}: {unknown} in {template[:60]!r}")
                continue
            if not (set(fixed) | set(slots_of(template))) & set(specs):
                out.append(f"{at} {line['title'][0]}: tells nothing: {template[:60]!r}")
            for own, value in fixed.items():
                if not _right(specs[own].schema, value):
                    out.append(f"{at} {line['title'][0]}: {own}={value!r} in {template[:60]!r}")
    return out


def _right(schema: dict[str, Any], value: Any) -> bool:
    kind = schema["type"]
    if value is None:
        return True
    if isinstance(value, str) and value.startswith("{") and value.endswith("}") and kind != "object":
        return bool(kind != "boolean")
    if kind == "array":
        return isinstance(value, list) and all(_right(schema["items"], item) for item in value)
    if kind == "object":
        inner = schema["properties"]
        if not isinstance(value, dict) or value.keys() != inner.keys():
            return False
        return all(_right(inner[k], v) for k, v in value.items())
    if "enum" in schema:
        return bool(value in schema["enum"])
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool)


def main() -> None:
    """Checks every area and prints what is wrong."""
    for folder in sorted(HERE.iterdir()):
        if folder.is_dir() and folder.name != "values":
            found = problems(folder.name)
            n = sum(1 for path in folder.glob("*.jsonl") for _ in path.open(encoding="utf-8"))
            print(f"{folder.name}: {n} lines, {len(found)} problems")
            for text in found[:40]:
                print("  " + text)


if __name__ == "__main__":
    main()
