"""How generated tools are named, described and asked for."""

from __future__ import annotations

from training.data.words import Phrases

ASKING = (
    "get",
    "fetch",
    "find",
    "look up",
    "show",
    "list",
    "retrieve",
    "check",
    "search",
    "read",
    "query",
    "load",
    "view",
    "describe",
    "inspect",
    "count",
    "compare",
    "analyze",
)

DOING = (
    "create",
    "add",
    "register",
    "delete",
    "remove",
    "update",
    "send",
    "schedule",
    "book",
    "cancel",
    "start",
    "stop",
    "open",
    "close",
    "submit",
    "order",
    "assign",
    "upload",
    "archive",
    "approve",
    "reject",
    "make",
    "save",
    "publish",
    "rename",
    "move",
    "copy",
    "print",
    "lock",
    "enable",
    "generate",
    "merge",
)

DESCRIPTIONS = Phrases(
    "{V} a {n}.",
    "{V} the {n}.",
    "{V} {n} records.",
    "Use this to {v} a {n}.",
    "{V}s a {n} in the system.",
    "Tool to {v} the {n}",
    "",
    "{V} a {n} and return the result.",
    "Useful when you need to {v} a {n}.",
    "{V} one {n}, given its details.",
    "Lets you {v} {n}s.",
    "Call it to {v} the {n}",
)

OPENERS = Phrases(
    "{B}{s}.",
    "{B}{s}",
    "Please {b}{s}.",
    "Can you {b}{s}?",
    "Could you {b}{s}?",
    "I want to {b}{s}.",
    "I need to {b}{s}",
    "Use the tool to {b}{s}.",
    "Use {N} to {b}{s}.",
    "Now {b}{s}.",
    "Use the {N} tool: {b}{s}",
    "I'd like you to {b}{s}.",
    "Would you {b}{s}, please?",
    "Help me {b}{s}",
    "We have to {b}{s}.",
    "Hey, {b}{s}!",
    "{B}{s}, please",
    "It's time to {b}{s}.",
    "Go ahead and {b}{s}",
    "Let's {b}{s}.",
)

BEFORE = Phrases(
    "Please: {r}",
    "Hi, {l}",
    "Hey! {r}",
    "Hello. {r}",
    "One question: {l}",
    "I have a request. {r}",
    "Good morning! {r}",
    "Using the tool: {r}",
    "Assistant, {l}",
    "My next task: {r}",
)

AFTER = Phrases(
    "{r} Thanks!",
    "{r} Use a tool.",
    "{r} Please use the tool.",
    "{r} Thank you.",
    "{r} Quick, please!",
    "{r} I need it now.",
    "{r} Let the tool do it.",
)

NO_ARGS_NAMES = (
    "list_{n}s",
    "get_all_{n}s",
    "{n}_status",
    "current_{n}",
    "reset_{n}",
    "refresh_{n}",
    "ping",
    "get_{n}",
    "next_{n}",
    "random_{n}",
    "{a}_function",
    "whoami",
    "today",
    "{n}_no_args",
    "{x}",
    "stop_{n}",
    "{x}_{n}",
    "count_{n}s",
    "{a}_{n}",
)

NO_ARGS_SAID = Phrases(
    "What does {N}() return?",
    "Call {N}.",
    "Run the {N} tool.",
    "Use {N}.",
    "Please call {N}()",
    "What is {N}()?",
    "Tell me the result of {N}.",
    "Execute {N}",
    "{V}.",
    "Can you {v}?",
    "Please {v}",
    "I want you to {v}",
    "Use the tool to {v}.",
    "Invoke {N} now",
    "Start {N}",
    "Find out the value of {N}() with the tool.",
    "Give me the value of {N}()",
)

FUNCTION_NAMES = (
    "{a}_function",
    "{x}",
    "{x}_{n}",
    "{n}_fn",
    "compute_{x}",
    "{a}_{n}",
    "{x}_function",
    "f",
    "g",
    "{n}_of",
    "{a}_{n}_value",
    "{x}_op",
    "calc_{n}",
)

FUNCTION_SAID = Phrases(
    "What is {N}({A})?",
    "Call {N} with {K}.",
    "Call {N}({A})",
    "Run {N} with {L}.",
    "Compute {N}({A}).",
    "Please evaluate {N}({K})",
    "Use the {N} tool with {L}",
    "What does {N} return for {A}?",
    "Apply {N} to {A}.",
    "Find the value of {N}({A}) with the tool.",
    "Give me {N} of {A}",
    "Using the tool, tell me {N}({A}).",
    "I need {N}({A}), use the tool",
    "Tell me the value of {N} for {A}.",
    "What value has {N}({A})? Use the tool for it.",
    "{N}({A}) is what? Please use the tool.",
)

FUNCTION_DESCRIPTIONS = Phrases(
    "Calculate a {a} function.",
    "Compute the {a} value.",
    "",
    "Returns a {a} number.",
    "{X} function.",
    "The {a} {n} of its input.",
    "Performs the {x} operation",
    "Turns numbers into {a} ones.",
)

KINDS = (
    "customer",
    "supplier",
    "account",
    "project",
    "user",
    "company",
    "partner",
    "product",
    "team",
    "school",
    "shop",
    "client",
    "member",
    "author",
    "restaurant",
)

CREATE = ("create", "register", "add", "make", "save", "enter", "insert", "set up")

PEOPLES = (
    "Chinese",
    "Japanese",
    "Korean",
    "Russian",
    "German",
    "French",
    "Indian",
    "Greek",
    "Turkish",
    "Polish",
    "Brazilian",
)

BUSINESSES = (
    "company",
    "shop",
    "firm",
    "startup",
    "bank",
    "bakery",
    "software house",
    "bookstore",
    "factory",
    "hotel",
    "school",
    "agency",
)

CREATION_SAID = Phrases(
    "{V} a {k} named {q}{a}{q} ({g}), {b}",
    "{V} a {k} called {q}{a}{q} ({g}) - {b}",
    "{V} a new {k} named {q}{a}{q} - {b}",
    "Please {v} a {k} named {a} ({g}), {b}",
    "{V} {k} {q}{a}{q} with {p} {q}{b}{q}",
    "{V} the {k} {q}{a}{q}: {b}",
    "There is a new {k}, {q}{a}{q} ({g}), {b}. {V} it.",
    "{V} {q}{a}{q} as a {k}; {p}: {b}",
)

QUOTES = (("'", "'"), ("'", "'"), ('"', '"'), ('"', '"'), ("", ""), ("“", "”"), ("«", "»"), ("「", "」"), ("`", "`"))
