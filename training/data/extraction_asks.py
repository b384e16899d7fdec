"""How people and frameworks ask for JSON from a text."""

from __future__ import annotations

from training.data.words import Phrases

#: With the schema in the response format or as a tool: {t} is the text, {T} what it is about, {A} the same with an article, {f} the fields' names.
SCHEMA = Phrases(
    "{t}",
    "Extract the {T} from this:\n\n{t}",
    "Pull the {f} out of the message below.\n\n{t}",
    "{t}\n\nPut that into the {T} form.",
    "Which {f} does this message mention? Answer as JSON.\n\n{t}",
    "I have {A} here as plain text and need it as data: {t}",
    "What are the {f}?\n\n{t}",
    "{t}\n\nPlease fill in {f}.",
    "Fill in the {T} from what follows. {t}",
    "Read the message and record what it says about the {T}.\n\nMessage: {t}",
    "Someone wrote us this:\n\n{t}\n\nTurn it into structured data.",
    "From this note I need: {f}.\n\n{t}",
    "Parse the {T}: {t}",
    "Please read this and tell me the {f} in JSON. {t}",
    "Here's an email.\n---\n{t}\n---\nTake the details of the {T} from it.",
    "\"{t}\"\n\nWhat can you extract?",
    "{t}\n\nSummarize the facts as {A} object.",
    "Analyze the following text and return {A}.\n\n<text>\n{t}\n</text>",
    "Transform into {A}:\n{t}",
    "The database has columns for {f}. Which values go in for this text?\n{t}",
    "Can you structure this for me? {t}",
    "{t}\n^ get me the {f}",
    "Passage:\n{t}",
    "Input: {t}\nOutput:",
    "Could you note down the {f} from the text I got today? Here it is: {t}",
    "Our clerk typed this in a hurry. Make a clean {T} record from it.\n\n{t}",
    "Identify the {f} in the following.\n\n{t}",
    "Given this text, build the {T}:\n\n```\n{t}\n```",
    "I copied this from a document: {t} Now I'd like the {f} only.",
    "Return {A} for: {t}",
    "Extract structured data from the text.\n\nText:\n{t}",
    "extract {f} from: {t}",
    "{t}\n\nI'm only interested in the {f}.",
    "Go through this text carefully and fill every field you can.\n\n{t}",
    "Log this as {A}, please: {t}",
    "Let me paste what I received.\n\n{t}\n\nWho, what, when... just give me the fields.",
    "Convert the note into {A} object. Note: {t}",
    "We need to enter {A} into our system. The source is: {t}",
    "What does the text below say about {f}?\n\n{t}",
    "Tell me everything about the {T}, as JSON.\n\n{t}",
    "Document:\n\n{t}\n\nTask: fill the schema.",
    "Scan this for {f}: {t}",
    "Hi! Would you mind pulling out the {T} details here? {t}",
    "Structured output for this, please.\n{t}",
    "Your job is to read messages and store {A}.\n\nMessage:\n{t}",
    "Process the following {T} text: {t}",
    "{t}\n\nNow as JSON.",
    "Take the {f} from the lines below; leave what isn't there empty.\n\n{t}",
    "Does this contain {f}? Write down what you find. {t}",
    "My colleague sent: {t} Please make {A} of it.",
    "Generate the {T} described here: {t}",
    "Create {A} based on this description.\n\n{t}",
    "Classify and extract: {t}",
    "Given the text '{t}', what are the {f}?",
    "Text to analyse: {t}\n\nFields wanted: {f}",
)  # fmt: skip
#: Several records in a row.
SEVERAL = Phrases(
    "{t}",
    "Extract all entries from this:\n\n{t}",
    "{t}\n\nPut every one of them into the list.",
    "There are several texts below. Make one record of each.\n\n{t}",
    "Read the messages and return a list, one item for each.\n{t}",
    "List everything that is described here.\n\n{t}",
    "Turn these notes into a list of records:\n{t}",
    "I have some notes for you. All of them have to go into the database.\n\n{t}",
    "Which entries do you find in the text? Keep their order.\n\n{t}",
    "Parse all of the following.\n\n{t}",
    "{t}\n\nGive me all of that as structured data, please.",
    "Collect the data of every message.\n\n{t}",
)  # fmt: skip
#: With nothing but words: {k} are the keys.
KEYS = Phrases(
    "{t}\n\nGive me a JSON object with the keys {k}.",
    "Extract {k} from the text below and answer in JSON.\n\n{t}",
    "Read this and write JSON that has {k}.\n\n{t}",
    "I need {k} from this message, as JSON with exactly these keys: {t}",
    "Reply with JSON only (keys: {k}).\n\n{t}",
    "Which {k} does the following mention? JSON please, keys named like that.\n\n{t}",
    "{t}\n\nkeys: {k}. format: json",
    "Text: {t}\nKeys: {k}\nJSON:",
    "Please convert the note to a JSON object. Use the keys {k} and nothing else.\n\nNote: {t}",
    "Put {k} of this into JSON: {t}",
    "\"{t}\" - what are {k} here? Output a JSON object.",
    "Make JSON from it, with fields {k}:\n{t}",
    "From the text I want a JSON dictionary holding {k}.\n\n{t}",
    "You get a text and return JSON with {k}. The text: {t}",
    "Without any comment, write the JSON object {{{k}}} for this text.\n\n{t}",
    "Here is what I received:\n\n{t}\n\nNow {k} as a JSON object, no markdown.",
    "As JSON, with {k} as the keys in this order: {t}",
    "{t}\n\nCould you pull out {k}? In JSON, so that my script can read it.",
    "Parse the text into JSON. Required keys: {k}.\n\n<text>{t}</text>",
    "Find {k} in the message and put them into one JSON object.\nMessage: {t}",
    "Return valid JSON having the properties {k}.\n\nInput:\n{t}",
    "Summarize this as JSON ({k}).\n\n{t}",
    "JSON. {k}. {t}",
    "My program expects a JSON object that has {k}. Build it from: {t}",
    "What's {k} in this text? I'd like the answer as a JSON object with those keys.\n\n{t}",
    "Answer with one JSON object; its keys must be {k}. {t}",
)  # fmt: skip
#: The keys, one a line, with types or descriptions: {l}.
LISTED = Phrases(
    "Extract the following from the text and return it as JSON:\n{l}\n\nText: {t}",
    "{t}\n\nReturn a JSON object with these fields:\n{l}",
    "Fields to extract:\n{l}\n\nText:\n{t}\n\nAnswer in JSON.",
    "I need these fields as JSON.\n\n{l}\n\nHere's the text: {t}",
    "Given the text below, produce a JSON object.\nKeys:\n{l}\n\n{t}",
    "Read the message:\n{t}\n\nThen fill in as a JSON object:\n{l}",
    "Write JSON. The object has:\n{l}\n\nSource: {t}",
    "Output format: a JSON object with\n{l}\n\nInput: {t}",
    "\"\"\"{t}\"\"\"\n\nFrom the above, give me JSON containing:\n{l}",
    "You fill forms. The form has\n{l}\nFill it in JSON for this text: {t}",
)  # fmt: skip
#: With a form to fill: {f}.
FORMS = Phrases(
    "{t}\n\nFill in this template: {f}",
    "Answer in this format: {f}\n\n{t}",
    "Return JSON like {f} for the text below.\n\n{t}",
    "Use the structure {f} and fill it from: {t}",
    "{t}\n\nYour answer must look like this:\n{f}",
    "Here's an empty form: {f}\nAnd here's the text: {t}\nFill the form.",
    "Complete the JSON {f} with what the message says.\n\nMessage: {t}",
    "Expected output: {f}\nText: {t}",
    "Replace the placeholders in {f} with what this says: {t}",
)  # fmt: skip
#: After examples {e}.
EXAMPLES = Phrases(
    "{e}\n\nText: {t}\nJSON:",
    "Turn texts into JSON like this:\n\n{e}\n\nNow this text: {t}",
    "Here is how I want it.\n{e}\n\nDo the same for: {t}",
    "Examples:\n{e}\n\nInput: {t}",
    "{e}\n\nFollow the pattern above for the next text and answer with the JSON only.\n{t}",
    "Learn from the example and write the JSON for the last text.\n\n{e}\n\nLast text: {t}",
    "{e}\nText: {t}\nJSON: ",
    "You see what I need from this:\n\n{e}\n\nYour turn: {t}",
)  # fmt: skip
#: The same in the system message; the user only gives the text.
SYSTEM = Phrases(
    "Extract {k} from the user's message. Answer with a JSON object with these keys.",
    "You turn messages into JSON. Keys: {k}.",
    "You are an extraction assistant. For every text, return only a JSON object with {k}.",
    "Read what the user sends and reply in JSON; the keys are {k}.",
    "The user sends notes. You reply with JSON ({k}) and nothing else.",
    "You are a parser. Output: one JSON object holding {k}.",
    "All your answers are JSON objects with the keys {k}, filled from the user's text.",
    "Convert each message of the user into JSON with {k}. No explanations.",
)  # fmt: skip
NULLS = Phrases(
    "Use null for what the text does not say.",
    "If something is missing, write null.",
    "Missing values are null.",
    "Put null where nothing is known.",
    "What isn't mentioned is null.",
    "Unknown fields should be null.",
)  # fmt: skip
SYSTEM_SCHEMA = Phrases(
    "You extract structured data from text.",
    "You are an expert extraction algorithm. Only extract relevant information from the text. If you do not know the value of an attribute asked to extract, return null for the attribute's value.",
    "Read the user's text and fill the schema.",
    "You are a precise data entry assistant.",
    "Answer with the data that the text holds and nothing more.",
    "Extract the {T} from the user's message.",
    "You work in an office and enter every {T} into the database.",
    "You are an assistant that responds in JSON.",
    "Copy values exactly as they are written.",
    "For each message, return {A}.",
)  # fmt: skip
#: What frameworks send around a schema {s}: LangChain's two parsers and LlamaIndex's.
LANGCHAIN = """The output should be formatted as a JSON instance that conforms to the JSON schema below.

As an example, for the schema {"properties": {"foo": {"title": "Foo", "description": "a list of strings", "type": "array", "items": {"type": "string"}}}, "required": ["foo"]}
the object {"foo": ["bar", "baz"]} is a well-formatted instance of the schema. The object {"properties": {"foo": ["bar", "baz"]}} is not well-formatted.

Here is the output schema:
```
{s}
```"""  # fmt: skip
LANGCHAIN_STRICT = """STRICT OUTPUT FORMAT:
- Return only the JSON value that conforms to the schema. Do not include any additional text, explanations, headings, or separators.
- Do not wrap the JSON in Markdown or code fences (no ``` or ```json).
- Do not prepend or append any text (e.g., do not write "Here is the JSON:").
- The response must be a single top-level JSON value exactly as required by the schema (object/array/etc.), with no trailing commas or comments.

The output should be formatted as a JSON instance that conforms to the JSON schema below.

As an example, for the schema {"properties": {"foo": {"title": "Foo", "description": "a list of strings", "type": "array", "items": {"type": "string"}}}, "required": ["foo"]} the object {"foo": ["bar", "baz"]} is a well-formatted instance of the schema. The object {"properties": {"foo": ["bar", "baz"]}} is not well-formatted.

Here is the output schema (shown in a code block for readability only — do not include any backticks or Markdown in your output):
```
{s}
```"""  # fmt: skip
LLAMA_INDEX = "\nHere's a JSON schema to follow:\n{s}\n\nOutput a valid JSON object but do not repeat the schema.\n"
#: How prompts put such instructions {i} and a request {q} together.
AROUND = (
    "Answer the user query.\n{i}\n{q}\n",
    "Answer the user query.\n{i}\n{q}",
    "{q}\n\n{i}",
    "{q}\n{i}",
    "{i}\n\n{q}",
    "Extract the information from the text.\n{i}\n\nText: {q}",
)
OWN_SCHEMA = Phrases(
    "{q}\n\nAnswer with JSON that fits this schema: {s}",
    "JSON schema:\n{s}\n\n{q}",
    "{q}\n\nThe answer has to be valid against this JSON schema.\n```json\n{s}\n```",
    "You answer in JSON. Schema: {s}\n{q}",
    "{q}\n\nUse this schema and output only the object:\n{s}",
    "<schema>{s}</schema>\n{q}\nReturn one JSON object.",
    "Produce an instance of the schema {s} from this: {q}",
    "Follow the schema below.\n{s}\n\n{q}",
)  # fmt: skip
