"""Natural requests for everyday tools: weather, mail, timers and the like; every name around them is random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.data.parameter_kinds import room
from training.data.words import Phrases, Words

Value = Callable[[Words], Any]


@dataclass(frozen=True)
class Slot:
    """A parameter of an intent: its names, its JSON type, a value."""

    names: tuple[str, ...]
    kind: str
    value: Value
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Intent:
    """Something people want: names of the tool, what it says it does, its slots, and requests by slot number."""

    names: tuple[str, ...]
    does: tuple[str, ...]
    slots: tuple[Slot, ...]
    requests: Phrases
    topic: str


def _small(w: Words) -> int:
    return w.between(0, 100)


def _number(w: Words) -> Any:
    return w.integer() if w.chance(0.7) else w.decimal()


def _expression(w: Words) -> str:
    text = f"{_small(w)} {w.pick('+-*/')} {_small(w)}"
    return text + (f" {w.pick('+-*/')} {_small(w)}" if w.chance(0.3) else "")


def _ticker(w: Words) -> str:
    return "".join(w.pick("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(w.between(2, 5)))


def _language(w: Words) -> str:
    return w.pick(
        (
            "French",
            "German",
            "Spanish",
            "Italian",
            "Japanese",
            "Chinese",
            "Russian",
            "Portuguese",
            "Dutch",
            "Greek",
            "Polish",
            "Korean",
            "Turkish",
            "Arabic",
        )
    )


def _currency(w: Words) -> str:
    return w.pick(("USD", "EUR", "GBP", "JPY", "CHF", "CNY", "INR", "BRL", "CAD", "SEK", "PLN"))


def _question(w: Words) -> str:
    return w.pick(
        (
            lambda: f"What is the {w.noun()} of {w.company()}?",
            lambda: f"Who is {w.person()}?",
            lambda: f"{w.noun()} {w.noun()}",
            lambda: f"How does the {w.noun()} {w.verb()}?",
            lambda: f"{w.adjective()} {w.noun()} in {w.city()}",
            w.phrase,
        )
    )()


def _command(w: Words) -> str:
    return w.pick(
        (
            lambda: f"ls -la {w.file()}",
            lambda: f"cat {w.file()}",
            lambda: f"grep {w.noun()} {w.file()}",
            lambda: f"echo {w.syllables()} && ls",
            lambda: f"python {w.file()}",
            lambda: f"git log --oneline | head -{w.between(1, 30)}",
            lambda: f"rm -rf /tmp/{w.syllables()}",
            lambda: f"curl -s {w.url()}",
        )
    )()


def _mood(w: Words) -> str:
    word = w.pick((w.adjective, w.noun, w.syllables, w.job))()
    return word.capitalize() if w.chance(0.45) else word


_CITY = Slot(("city", "location", "place", "town", "area", "where", "region", "spot"), "string", Words.place)
_A = Slot(("a", "x", "first", "left", "num1", "n1", "first_number", "p"), "number", _number)
_B = Slot(("b", "y", "second", "right", "num2", "n2", "second_number", "q"), "number", _number)
_IA = Slot(("a", "x", "first", "left", "num1", "n1", "i"), "integer", Words.integer)
_IB = Slot(("b", "y", "second", "right", "num2", "n2", "j"), "integer", Words.integer)
_N = Slot(("n", "x", "value", "number", "input", "arg", "k"), "integer", Words.integer)


INTENTS = (
    Intent(
        ("current_weather", "weather_lookup", "fetch_weather", "forecast", "weather", "get_current_weather", "get_forecast", "get_temperature", "check_weather", "meteo", "get_weather", "weather_report"),
        ("Get the weather for a place.", "Returns the current weather.", "Look up the weather forecast for a city", "Weather lookup.", "Tells how warm it is somewhere.", "Get weather for a town."),
        (_CITY,),
        Phrases("What is the weather in {0}?", "How is the weather in {0} today?", "What's the weather like in {0}?", "weather in {0}", "Is it raining in {0}?", "Tell me the weather in {0}.", "How warm is it in {0}?", "Check the weather for {0}", "Do I need an umbrella in {0}?", "Will it snow in {0}?", "Weather report for {0}, please", "Is it cold in {0} right now?", "What will the weather be in {0} tomorrow?", "How hot does it get in {0}?", "I'm travelling to {0}. How is the weather there?", "Find out whether the sun shines in {0}."),
        "weather in {0}",
    ),
    Intent(("weather_in_unit", "get_temperature", "temperature_at", "thermometer"), ("Get the temperature of a place in a unit.", "Current temperature."), (_CITY, Slot(("unit", "units", "scale"), "string", lambda w: w.pick(("celsius", "fahrenheit")), ("celsius", "fahrenheit"))), Phrases("What is the temperature in {0} in {1}?", "Temperature in {0}, in {1} please", "How warm is it in {0} ({1})?", "Give me the temperature in {0} in {1}.", "How many degrees {1} are there in {0}?", "Tell me in {1} how cold it is in {0}"), "temperature in {0}"),
    Intent(("add", "sum_numbers", "plus", "add_numbers", "calculator_add", "addition", "sum"), ("Add two numbers.", "Returns the sum of a and b.", "Sum of two values."), (_IA, _IB), Phrases("What is {0} + {1}?", "What is {0} plus {1}?", "Add {0} and {1}.", "Compute {0} + {1}", "Calculate the sum of {0} and {1}", "{0}+{1}=?", "How much is {0} plus {1}?", "Sum up {0} and {1}", "{0} and {1} together make what?", "Add {1} to {0}"), "sum of {0} and {1}"),
    Intent(("multiply", "times", "product", "mul", "multiplier"), ("Multiply two numbers.", "Returns a times b.", "Product of two numbers."), (_A, _B), Phrases("What is {0} * {1}?", "What is {0} times {1}?", "Multiply {0} by {1}.", "Compute {0} x {1}", "Calculate {0} * {1}", "{0} multiplied by {1}?", "Give me the product of {0} and {1}"), "product of {0} and {1}"),
    Intent(("subtract", "minus", "difference", "sub"), ("Subtract two numbers.", "Returns a minus b."), (_A, _B), Phrases("What is {0} - {1}?", "What is {0} minus {1}?", "Compute {0} - {1}", "Subtract {1} from {0}.", "Take {1} away from {0}", "How much is {0} less {1}?"), "difference of {0} and {1}"),
    Intent(("divide", "division", "div", "quotient"), ("Divide a by b.", "Divide two numbers."), (_A, _B), Phrases("What is {0} / {1}?", "What is {0} divided by {1}?", "Divide {0} by {1}", "Compute {0} : {1}", "How often does {1} fit into {0}?"), "quotient of {0} and {1}"),
    Intent(("square", "sqrt", "square_root", "cube", "double", "factorial", "negate", "increment", "fibonacci", "is_prime", "halve"), ("Apply a math operation to a number.", "Math function of one number.", "", "Computes something from one integer."), (_N,), Phrases("What is the {f} of {0}?", "Compute the {f} of {0}.", "Apply {f} to {0}", "{f} of {0} please", "Use {f} on {0}.", "Give me {f}({0})", "I need the {f} of {0}"), "result for {0}"),
    Intent(("calculator", "calculate", "evaluate", "math", "compute"), ("Evaluate a math expression.", "Useful for math questions.", "Does arithmetic."), (Slot(("expression", "expr", "input", "formula", "term"), "string", _expression),), Phrases("Calculate {0}", "What is {0}?", "Evaluate {0}", "Use the calculator: {0}", "Work out {0}.", "How much is {0}?", "compute {0} please"), "result of {0}"),
    Intent(("get_stock_price", "stock_quote", "stock_price", "quote", "share_price"), ("Get the stock price for a ticker.", "Returns the latest price of a stock."), (Slot(("symbol", "ticker", "stock"), "string", _ticker),), Phrases("What is the stock price of {0}?", "How much is {0} stock?", "Get the price of {0}", "{0} stock price", "What does a share of {0} cost?", "Where does {0} trade today?", "Look up the quote for {0}."), "stock price of {0}"),
    Intent(("send_email", "email_sender", "mail", "compose_email", "send_mail"), ("Send an email.", "Sends an email to a recipient.", "Writes and sends a mail."), (Slot(("to", "recipient", "email"), "string", Words.email), Slot(("subject", "title"), "string", lambda w: w.phrase(1, 4)), Slot(("body", "message", "text", "content"), "string", Words.sentence)), Phrases('Send an email to {0} with subject "{1}" and body "{2}"', 'Email {0} with the subject "{1}" saying "{2}"', 'Write an email to {0}, subject "{1}", saying: {2}', 'Please mail {0}: subject "{1}", text "{2}"', 'Send {0} a mail. The subject is "{1}" and the text is "{2}".', 'Mail to {0} about "{1}": "{2}"'), "mail"),
    Intent(("send_message", "text_friend", "sms", "chat_send", "notify_user"), ("Send a message to somebody.", "Sends a text message."), (Slot(("to", "recipient", "person", "user"), "string", Words.person), Slot(("message", "text", "content"), "string", Words.sentence)), Phrases('Tell {0} that "{1}"', 'Send {0} the message "{1}"', 'Text {0}: {1}', 'Message {0} saying "{1}"', 'Write to {0}: "{1}"', 'Let {0} know: {1}', 'Send "{1}" to {0}'), "message"),
    Intent(("search", "web_search", "search_web", "lookup", "internet_search", "find_online"), ("Search the web.", "Search the internet for information.", "A search engine."), (Slot(("query", "q", "search_query", "terms"), "string", _question),), Phrases("Search for {0}", "Search the web for {0}.", "Look up {0}", "Find information about {0}", "Google {0}", "What does the internet say about {0}?", "Do a web search for {0}", "Find pages on {0}"), "search"),
    Intent(("translate", "translator", "translate_text"), ("Translate text to another language.", "Translates text."), (Slot(("text", "input", "source_text"), "string", lambda w: w.sentence() if w.chance(0.5) else w.phrase(1, 3)), Slot(("target", "language", "target_language", "to"), "string", _language)), Phrases("Translate '{0}' to {1}", 'Translate "{0}" into {1}.', 'How do you say "{0}" in {1}?', "Please translate {0} to {1}", 'What is "{0}" in {1}?', 'I need "{0}" in {1}', 'Put "{0}" into {1}'), "translation"),
    Intent(("convert_currency", "currency_converter", "exchange", "money_converter"), ("Convert an amount between currencies.",), (Slot(("amount", "value", "sum"), "number", lambda w: w.pick((_small(w), round(w.rng.uniform(0, 999), 2)))), Slot(("from", "from_currency", "source", "base"), "string", _currency), Slot(("to", "to_currency", "target"), "string", _currency)), Phrases("Convert {0} {1} to {2}", "How much is {0} {1} in {2}?", "Exchange {0} {1} into {2}", "What are {0} {1} worth in {2}?", "{0} {1} in {2} please", "Change {0} {1} to {2}."), "value of {0} {1}"),
    Intent(("get_time", "current_time", "time_now", "clock", "now_in", "world_clock"), ("Get the current time.", "Returns the time in a city."), (_CITY,), Phrases("What time is it in {0}?", "What is the time in {0}?", "current time in {0}", "Tell me the time in {0}", "How late is it in {0}?", "Which hour is it now in {0}?"), "time in {0}"),
    Intent(("set_timer", "timer", "start_timer", "countdown"), ("Set a timer.", "Starts a countdown."), (Slot(("minutes", "duration", "length"), "integer", lambda w: w.between(1, 90)),), Phrases("Set a timer for {0} minutes.", "Start a {0} minute timer", "Timer {0} minutes please", "Remind me in {0} minutes", "Count down {0} minutes", "Wake me in {0} minutes."), "timer"),
    Intent(("set_alarm", "alarm", "wake_up"), ("Set an alarm.",), (Slot(("time", "at", "when"), "string", Words.time),), Phrases("Set an alarm for {0}", "Wake me up at {0}", "Alarm at {0} please", "I have to get up at {0}", "Ring at {0}"), "alarm"),
    Intent(("create_event", "add_event", "schedule_meeting", "calendar_add", "plan"), ("Create a calendar event.", "Schedule a meeting."), (Slot(("title", "name", "summary"), "string", lambda w: w.phrase(1, 3)), Slot(("date", "day"), "string", Words.date), Slot(("time", "start", "hour"), "string", Words.time)), Phrases("Schedule '{0}' on {1} at {2}", "Create an event called {0} on {1} at {2}.", 'Add "{0}" to my calendar for {1} at {2}', "Put '{0}' on {1}, {2} into the calendar", "Plan a meeting named {0} for {1} at {2}", "Book {1} at {2} for '{0}'"), "event"),
    Intent(("add_reminder", "remind", "reminder", "add_todo", "todo"), ("Adds a reminder.", "Add something to the to-do list."), (Slot(("text", "task", "what", "item"), "string", lambda w: w.pick((w.sentence, w.phrase))()),), Phrases("Remind me: {0}", 'Add "{0}" to my list', "Put '{0}' on the to-do list.", "Don't let me forget: {0}", 'Note down "{0}"', "New task: {0}"), "reminder"),
    Intent(("read_file", "open_file", "cat", "load_file", "file_reader"), ("Read a file.", "Returns the content of a file."), (Slot(("path", "file", "filename", "file_path"), "string", Words.file),), Phrases("Read {0}", "Read the file {0}.", "Show me the content of {0}", "Open {0}", "What is in {0}?", "What does {0} contain?", "Print {0}", "Look into {0} please"), "content of {0}"),
    Intent(("write_file", "save_file", "store_text"), ("Write content to a file.",), (Slot(("path", "file", "filename"), "string", Words.file), Slot(("content", "text", "data"), "string", Words.sentence)), Phrases("Write '{1}' to {0}", 'Save "{1}" in {0}', "Write to {0}: {1}", 'Create the file {0} with the text "{1}"', 'Put "{1}" into {0}', "Store '{1}' as {0}"), "file"),
    Intent(("bash", "run_command", "shell", "execute", "terminal"), ("Run a shell command.", "Execute a bash command."), (Slot(("command", "cmd", "script"), "string", _command),), Phrases("Run {0}", "Execute the command {0}", "Run the command `{0}`", "Please run: {0}", "In the shell: {0}", "Type `{0}` into the terminal"), "output"),
    Intent(("get_user", "find_user", "user_lookup", "get_profile"), ("Get a user profile.", "Look up a user by id."), (Slot(("user_id", "id", "uid"), "integer", lambda w: w.between(1, 9999)),), Phrases("Get user {0}", "Look up the user with id {0}", "Show the profile of user {0}", "Who is user {0}?", "Find user number {0}", "What do we know about user {0}?"), "user {0}"),
    Intent(("get_order_status", "order_status", "track_order", "where_is_order"), ("Get the status of an order.", "Tracks an order."), (Slot(("order_id", "order", "id", "reference"), "string", Words.code),), Phrases("Where is my order {0}?", "What is the status of order {0}?", "Track order {0}", "Check order {0}", "Has order {0} been shipped?", "When will order {0} arrive?", "I'm waiting for order {0}, any news?"), "status of order {0}"),
    Intent(("population", "get_population", "city_population", "inhabitants"), ("Get the population of a city.",), (_CITY,), Phrases("What is the population of {0}?", "How many people live in {0}?", "population of {0}", "How big is {0}?", "Number of inhabitants of {0}"), "population of {0}"),
    Intent(("welcome", "say_hello", "hail", "salutation_maker", "card_writer", "toast_maker"), ("Welcome a person.", "Makes a salutation in a manner of speaking.", "Writes a line for a card."), (Slot(("style", "tone", "manner", "reply_style", "mood", "voice", "wording", "answer_tone"), "string", _mood),), Phrases("Using the tool, make a {0} salutation.", "Use the tool to write a {0} welcome", "Make a {0} welcome with the tool.", "Create a {0} hello using the tool.", "With the tool, say hello in a {0} way", "I'd like a {0} salutation, use the tool"), "text"),
    Intent(("write_poem", "poem_writer", "story_generator", "song_maker", "slogan_generator", "limerick"), ("Generate a text in a particular style.", "Write a text in the given style."), (Slot(("style", "topic", "tone", "theme", "flavor", "kind_of_text", "reply_mood"), "string", _mood),), Phrases("Using the tool, write a {0} poem.", "Using the tool, generate a {0} story.", "Use the tool to write a {0} song", "Generate a {0} slogan with the tool.", "Write a {0} text using the tool", "Make me a {0} poem, with the tool", "Let the tool produce a {0} story"), "text"),
    Intent(("play_song", "play_music", "music", "player"), ("Play a song.",), (Slot(("song", "title", "track"), "string", Words.title), Slot(("artist", "by", "band", "singer"), "string", Words.person)), Phrases("Play {0} by {1}", "Play the song {0} by {1}.", "Put on {0} by {1}", 'Play "{0}" from {1}', "I want to hear {0} by {1}", "Can you play {1}'s {0}?"), "song"),
    Intent(("book_flight", "flight_booking", "find_flights", "search_flights"), ("Book a flight.", "Find flights between two cities."), (Slot(("origin", "from", "from_city", "departure"), "string", Words.city), Slot(("destination", "to", "to_city", "arrival"), "string", Words.city), Slot(("date", "departure_date", "day"), "string", Words.date)), Phrases("Book a flight from {0} to {1} on {2}", "Find flights from {0} to {1} for {2}", "I need to fly from {0} to {1} on {2}.", "Flight {0} to {1}, {2}", "Get me from {0} to {1} on {2} by plane", "On {2} I fly to {1} from {0}, book it"), "flight from {0} to {1}"),
    Intent(("book_table", "reserve_table", "restaurant_booking"), ("Reserve a table at a restaurant.",), (Slot(("restaurant", "name", "place"), "string", lambda w: w.last_name() + "'s" if w.chance(0.3) else w.title()), Slot(("people", "guests", "party_size", "seats"), "integer", lambda w: w.between(1, 12)), Slot(("time", "at", "when"), "string", Words.time)), Phrases("Book a table at {0} for {1} people at {2}", "Reserve a table for {1} at {0} at {2}.", "I want a table at {0} for {1} guests at {2}", "A table for {1} at {2} in the {0}, please", "{1} of us want to eat at {0} at {2}, book it"), "reservation"),
    Intent(("set_light", "lights", "light_control", "dim"), ("Control the lights.", "Sets the brightness of the lights in a room."), (Slot(("room", "location", "where", "zone"), "string", room), Slot(("brightness", "level", "percent"), "integer", lambda w: w.between(1, 100))), Phrases("Set the {0} light to {1}", "Turn on the {0} light at {1} percent", "Set the brightness in the {0} to {1}", "Dim the lights in the {0} to {1} percent", "Make the {0} light {1} percent bright", "{0} lights to {1}"), "light in the {0}"),
    Intent(("set_thermostat", "thermostat", "heating", "climate_control", "set_temperature"), ("Sets the temperature of a room.", "Controls the heating."), (Slot(("room", "location", "area", "zone"), "string", room), Slot(("temperature", "degrees", "target", "celsius", "value"), "number", lambda w: w.between(5, 30) if w.chance(0.5) else w.between(10, 30) + 0.5)), Phrases("Set the thermostat in the {0} to {1} degrees.", "Turn the {0} thermostat to {1}", "Make it {1} degrees in the {0}", "Heat the {0} to {1}", "Set the heating in the {0} to {1}.", "I want {1} degrees in the {0}", "Change the temperature of the {0} to {1}", "The {0} should be at {1} degrees"), "temperature in the {0}"),
    Intent(("switch_device", "device_control", "toggle", "power"), ("Turns a device on or off.", "Switch a device."), (Slot(("device", "name", "what", "appliance"), "string", lambda w: w.pick(("lamp", "heater", "radio", "fan", "oven", "pump", "printer", w.noun()))), Slot(("on", "power", "enabled", "active"), "boolean", lambda w: w.chance(0.5))), Phrases("Turn the {0} {onoff1}", "Switch {onoff1} the {0}", "Please turn {onoff1} the {0}.", "The {0} should be {onoff1}", "{0} {onoff1} please", "Can you switch the {0} {onoff1}?"), "{0}"),
    Intent(("define", "dictionary", "get_definition", "word_lookup"), ("Get the definition of a word.",), (Slot(("word", "term", "entry"), "string", Words.word),), Phrases("Define {0}", "What does {0} mean?", "What is the definition of '{0}'?", "Look up the word {0}", "Explain the term {0}", "Meaning of {0}?"), "definition of {0}"),
    Intent(("distance", "get_distance", "route", "how_far"), ("Get the distance between two cities.",), (Slot(("a", "start", "from", "origin"), "string", Words.city), Slot(("b", "end", "to", "destination"), "string", Words.city)), Phrases("How far is it from {0} to {1}?", "What is the distance between {0} and {1}?", "Distance from {0} to {1}", "How long is the way from {0} to {1}?", "How many kilometers are there between {0} and {1}?"), "distance between {0} and {1}"),
    Intent(("get_secret", "secret", "get_password", "lookup_code"), ("Returns the secret code for a name.", ""), (Slot(("name", "key", "user", "who"), "string", lambda w: w.pick((w.person, w.syllables, w.salad))()),), Phrases("What is the secret of {0}?", "Give me the secret code for {0}", "secret for {0}", "Which code belongs to {0}?", "Look up {0}'s code"), "secret of {0}"),
    Intent(("query_documents", "search_docs", "retriever", "knowledge_base", "query_engine_tool", "vector_search", "ask_docs", "retrieve_context", "rag_tool"), ("Search the documents.", "Useful for answering questions about the documents.", "Retrieve documents from the knowledge base.", "Retrieve information to help answer a query."), (Slot(("query", "input", "question"), "string", _question),), Phrases("{0}", "Use the documents to answer: {0}", "Search the docs for: {0}", "Check the knowledge base: {0}", "{0} Look into the documents.", "According to our documents: {0}"), "documents"),
    Intent(("order_food", "pizza_order", "order_meal", "buy"), ("Order food or other things.", "Places an order."), (Slot(("item", "product", "dish", "what"), "string", Words.product), Slot(("quantity", "count", "amount", "how_many"), "integer", lambda w: w.between(1, 20))), Phrases("Order {1} {0}", "I'd like {1} of the {0}", "Buy {1} x {0}", "Please get me {1} {0}", "Order the {0}, {1} times", "{1} {0}, please"), "order"),
    Intent(("roll_dice", "dice", "random_number", "draw"), ("Rolls dice.", "Returns random numbers."), (Slot(("sides", "max", "faces"), "integer", lambda w: w.between(2, 100)), Slot(("count", "n", "times"), "integer", lambda w: w.between(1, 9))), Phrases("Roll {1} dice with {0} sides", "Roll a {0}-sided die {1} times", "Throw {1} dice of {0} sides each", "{1} rolls with a {0} sided die", "Give me {1} random numbers up to {0}"), "dice"),
    Intent(("get_country", "country_info", "capital_of", "country_facts"), ("Facts about a country.", "Returns information on a country."), (Slot(("country", "name", "nation"), "string", Words.country),), Phrases("Tell me about {0}", "Look up facts on {0}", "Country info for {0}", "Get the data of {0}.", "What do you have on {0}?"), "facts about {0}"),
    Intent(("run_sql", "query_database", "sql", "db_query"), ("Run an SQL query.", "Queries the database."), (Slot(("query", "sql", "statement"), "string", lambda w: f"SELECT {w.pick(('*', w.noun(), 'COUNT(*)'))} FROM {w.noun()}s" + (f" WHERE {w.noun()} = {w.integer()}" if w.chance(0.5) else f" LIMIT {w.between(1, 99)}")),), Phrases("Run the query {0}", "Execute {0}", "Query the database: {0}", "What does {0} return?", "Run this SQL: {0}"), "rows"),
    Intent(("get_movie", "movie_info", "film_search", "book_info", "find_book"), ("Look up a film or book.", "Information on a title."), (Slot(("title", "name", "movie", "book"), "string", Words.title),), Phrases("Who made {0}?", 'Look up "{0}"', "When did {0} come out?", "Tell me about the film {0}", "Is {0} any good?", "Find the book {0}"), "{0}"),
    Intent(("transfer_money", "pay", "send_payment", "bank_transfer"), ("Transfers money.", "Pay somebody."), (Slot(("amount", "sum", "value"), "number", lambda w: w.pick((w.between(1, 5000), round(w.rng.uniform(1, 900), 2)))), Slot(("to", "recipient", "payee", "account"), "string", Words.person)), Phrases("Send {0} dollars to {1}", "Pay {1} {0} dollars", "Transfer {0} to {1}.", "I owe {1} {0}, please pay", "Give {1} {0} dollars from my account", "Wire {0} to {1}"), "payment"),
    Intent(("create_ticket", "open_issue", "report_bug", "new_ticket"), ("Opens a ticket.", "Report a problem."), (Slot(("title", "summary", "problem"), "string", Words.sentence), Slot(("priority", "severity", "level"), "string", lambda w: w.pick(("low", "medium", "high")), ("low", "medium", "high"))), Phrases('Open a {1} priority ticket: "{0}"', 'Report "{0}" with {1} priority', 'Create a ticket "{0}", priority {1}', 'There is a problem: "{0}". It is of {1} priority, open a ticket.', 'File an issue titled "{0}" ({1})'), "ticket"),
)  # fmt: skip
