"""Random JSON schemas that use every supported keyword, and random draws through a guide."""

from __future__ import annotations

import decimal
import json

import jsonschema
import numpy as np

WORDS = ("a", "name", "größe", "two words", 'q"uote', "x-y", "id", "名前")
PATTERNS = (
    "^[a-z]{2,4}$",
    "ab+c",
    '^(x|y"z|\\\\)*$',
    r"^\d{3}-\w+$",
    "^[^a-z\n]+$",
    "é",
    r"^\S+@\S+\.(com|org)$",
    "^$|q",
)
FORMATS = ("date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")


class Schemas:
    """Draws schemas. Every one can be fulfilled."""

    def __init__(self, rng):
        self.rng = rng
        self.defs = {}

    def document(self, depth):
        """A schema with its definitions, the outermost an object or an array."""
        schema = self.container(depth)
        return {**schema, "$defs": self.defs} if self.defs else schema

    def container(self, depth):
        return self.object(depth) if self.rng.random() < 0.7 else self.array(depth)

    def schema(self, depth):
        rng = self.rng
        if depth <= 0:
            return rng.choice((self.string, self.number, self.integer, self.fixed, self.other))()
        kind = rng.random()
        if kind < 0.5:
            return self.container(depth)
        if kind < 0.62:
            key = rng.choice(("anyOf", "oneOf"))
            options = [self.integer(), self.string(), self.container(depth - 1)] if key == "oneOf" else None
            options = options or [self.schema(depth - 1) for _ in range(rng.randint(1, 3))]
            return {key: options}
        if kind < 0.72:
            return {"allOf": [self.open_object(depth - 1), self.open_object(depth - 1)]}
        if kind < 0.84:
            return self.reference(depth)
        return self.schema(0)

    def reference(self, depth):
        name = f"d{len(self.defs)}"
        if self.rng.random() < 0.5:
            self.defs[name] = True  # takes the name
            self.defs[name] = self.schema(depth - 1)
        else:
            node = {
                "type": "object",
                "properties": {"next": {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}},
            }
            node["properties"]["value"] = self.schema(0)
            node["required"] = self.rng.choice((["next"], ["value"], []))
            self.defs[name] = node
        return {"$ref": f"#/$defs/{name}"}

    def open_object(self, depth):
        schema = self.object(depth)
        schema.pop("additionalProperties", None)
        # Two of them meet: names of their own, so that no property has to fit both.
        tag = self.rng.randrange(10**6)
        schema["properties"] = {f"{name}{tag}": one for name, one in schema.get("properties", {"p": True}).items()}
        schema["required"] = [f"{name}{tag}" for name in schema.get("required", ())]
        return schema

    def object(self, depth):
        rng = self.rng
        schema = {"type": "object"}
        names = rng.sample(WORDS, rng.randint(0, 4))
        if names:
            schema["properties"] = {name: self.schema(depth - 1) for name in names}
        required = [name for name in names if rng.random() < 0.6]
        if rng.random() < 0.05:
            required.append("elsewhere")
        elif rng.random() < 0.6:
            schema["additionalProperties"] = False if rng.random() < 0.4 else self.schema(min(depth - 1, 1))
        if required:
            schema["required"] = required
        if rng.random() < 0.3:
            schema["title"] = "a title"
        return schema

    def array(self, depth):
        rng = self.rng
        schema = {"type": "array"}
        if rng.random() < 0.4:
            schema["prefixItems"] = [self.schema(depth - 1) for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.8:
            schema["items"] = self.schema(depth - 1)
        n = len(schema.get("prefixItems", ()))
        if rng.random() < 0.5:
            schema["minItems"] = rng.randint(0, n + 2)
        if rng.random() < 0.6:
            schema["maxItems"] = schema.get("minItems", 0) + rng.randint(0, 3)
        return schema

    def string(self):
        rng = self.rng
        schema = {"type": "string"}
        kind = rng.random()
        if kind < 0.25:
            schema["pattern"] = rng.choice(PATTERNS)
            if rng.random() < 0.2:
                schema["maxLength"] = 12
                if schema["pattern"] == PATTERNS[4]:
                    schema["minLength"] = 3
        elif kind < 0.5:
            schema["format"] = rng.choice(FORMATS)
        elif kind < 0.8:
            if rng.random() < 0.7:
                schema["minLength"] = rng.randint(0, 8)
            if rng.random() < 0.7:
                schema["maxLength"] = schema.get("minLength", 0) + rng.randint(0, 20)
        return schema

    def integer(self):
        return self.bounds({"type": "integer"}, 1)

    def number(self):
        return self.bounds({"type": "number"}, self.rng.choice((1, 0.5, 0.25)))

    def bounds(self, schema, unit):
        rng = self.rng
        low = rng.randint(-2000, 2000)
        if rng.random() < 0.5:
            schema[rng.choice(("minimum", "exclusiveMinimum"))] = low * unit
        if rng.random() < 0.5:
            schema[rng.choice(("maximum", "exclusiveMaximum"))] = (low + rng.randint(40, 4000)) * unit
        if rng.random() < 0.3:
            schema["multipleOf"] = rng.choice((1, 2, 7, 10)) * unit
        return schema

    def fixed(self):
        rng = self.rng
        values = [1, 12, 1.5, "x", "xy", None, True, 'say "hi"\n', "größe", [], [1, "2"], {}, {"k": [None]}]
        if rng.random() < 0.5:
            return {"const": rng.choice(values)}
        return {"enum": rng.sample(values, rng.randint(1, 4))}

    def other(self):
        return self.rng.choice((
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["string", "null"]},
            {"type": ["integer", "boolean"], "description": "either"},
            {"type": "string", "uniqueItems": False},
        ))  # fmt: skip


def keywords(schema, into):
    """Adds up the keywords of a schema and all below."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            into.add(key)
            if key in ("properties", "$defs"):
                for one in value.values():
                    keywords(one, into)
            elif key not in ("enum", "const"):
                keywords(value, into)
    elif isinstance(schema, list):
        for one in schema:
            keywords(one, into)


def depth_of(value):
    """How deep containers are nested."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((depth_of(one) for one in below), default=0) if isinstance(value, (dict, list)) else 0


def draw(guide, rng, eos, n_vocab, *, on_token=None):
    """Plays random logits through a guide until the end of the turn; the tokens, without that one."""
    out = []
    while True:
        # What is forced may be drawn as well.
        tokens = guide.forced() if rng.random() < 0.8 else []
        if not tokens:
            mask = guide.mask()
            if mask is None:
                tokens = [rng.randrange(n_vocab)]
            else:
                allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
                assert len(allowed), "no token is left"
                assert allowed[-1] < n_vocab
                # The first ids are single bytes: what ends strings and numbers is drawn often enough.
                share = rng.random() ** rng.choice((1, 4))
                tokens = [int(allowed[int(share * len(allowed))])]
        for token in tokens:
            guide.accept(token)
            if token == eos:
                assert guide.finished
                return out
            out.append(token)
            if on_token:
                on_token(token)


def validate(text, schema, format_checker):
    """Fails unless a JSON text is valid; its numbers and those of the schema are compared exactly, not as doubles."""

    def refuse(name):
        raise ValueError(name)

    value = json.loads(text, parse_constant=refuse)
    with decimal.localcontext(prec=4000):
        exact, exactly = (json.loads(one, parse_float=decimal.Decimal) for one in (text, json.dumps(schema)))
        jsonschema.Draft202012Validator(exactly, format_checker=format_checker).validate(exact)
    return value
