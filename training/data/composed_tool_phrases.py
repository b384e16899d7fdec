"""Ways to describe a composed tool, and to ask for it.

{v} is the verb, {t} its third person, {i} its -ing form, {d} its participle, {e} the name of the deed, {o} the thing with an
article, {n} without, {m} several of them, {be} "is" or "are", {has} "has" or "have", {it} and {they} its pronouns, {s} the values.
A capital letter begins with a capital.
"""

from __future__ import annotations

from training.data.words import Phrases

DOES = Phrases(
    "{V} {o}.", "{V} {o}", "{T} {o}.", "{T} {o}", "{I} {o}.", "Use this to {v} {o}.", "Tool to {v} {o}.", "For {i} {o}.",
    "{T} {m}.", "{V} {m}", "Simple way to {v} {o}.", "With this tool you {v} {o}.", "Its job: {i} {o}.", "API for {i} {m}", "{T} {m} on request.",
    "Run it when {o} {has} to be {d}.", "Whoever wants to {v} {o} needs this.", "Good for {i} {m}.", "Can {v} {o}.", "{O}, {d} at once.",
    "Provides a way of {i} {m}.", "Given the details, {t} {o}.", "Tries to {v} {o}.", "Does one thing: {t} {o}.", "Lets you {v} {m}.", "Useful when {o} must be {d}.", "Call this whenever {o} {has} to be {d}.",
    "Used for {i} {m}.", "This function {t} {o}.", "Here {m} are {d}.", "{N}: {v}.", "Helps to {v} {o}.", "{O} {be} {d}.",
    "Makes it possible to {v} {m}", "A tool for {i} {m}.", "{M} can be {d} with this.", "Endpoint that {t} {o}.", "{v} {n}",
    "{O} can be {d} here.", "Call it to {v} {o}", "The user wants to {v} {o}.", "If somebody wants to {v} {o}.", "{v} {m}",
    "When {o} should be {d}, use this.", "Allows {i} {m}.", "Service: {v} {m}.", "{T} {o} for the user.", "{I} {m}",
    "Responsible for {i} {m}.", "Will {v} {o}.", "{V} {o} in the system.", "{V} an entry of the kind {n}.", "{M}: {v}",
)  # fmt: skip
DOES_DEED = Phrases(
    "{E} of {m}.", "The {e} of {o}.", "Does the {e} of {m}.", "{E} for {m}", "Takes care of the {e} of {o}.", "{E}: {n}",
    "Use it for the {e} of {m}.", "Handles {e} of {m}.",
)  # fmt: skip
MORE = Phrases(
    "Returns the result.", "Returns a message.", "It needs the rights of an admin.", "Fails if something is missing.", "Fast.",
    "Use it with care.", "The result is JSON.", "Only for registered users.", "Returns nothing.", "Version 2.", "No caching.",
    "May take a few seconds.", "Ask the user if a value is unknown.", "Works at any time.", "Returns true on success.",
)  # fmt: skip
HALF_THING = Phrases("About {m}.", "{M}.", "{N} tool", "Works with {m}.", "For {m}", "All around {o}.", "{N}")
HALF_DEED = Phrases("{T} it.", "{V}.", "For {i}.", "{I}", "Use it to {v} things.", "{V} one of them.", "{T}")

#: Sentences around the bare verb.
ACTIVE = Phrases(
    "{V} {o}{s}.", "{V} {o}{s}.", "{V} {o}{s}.", "{V} {o}{s}.", "{V} {o}{s}.", "{V} {o}{s}.", "{V} {o}{s}", "{V} {o}{s}", "{v} {o}{s}",
    "Please {v} {o}{s}.", "Please {v} {o}{s}", "Can you {v} {o}{s}?", "Can you {v} {o}{s}?", "Could you {v} {o}{s}?", "{V} {o}{s}!", "{v} {o}{s}",
    "{V} {o}{s}.", "{V} {o}{s}", "{v} {o}{s}", "{V} {o}{s}!", "Please {v} {o}{s}.", "{V} {o}{s}, please.", "Can you {v} {o}{s}?",
    "Could you {v} {o}{s}?", "Would you {v} {o}{s} for me?", "I want to {v} {o}{s}.", "I need to {v} {o}{s}", "I'd like to {v} {o}{s}.",
    "I have to {v} {o}{s}.", "We must {v} {o}{s}.", "Help me {v} {o}{s}.", "Go ahead and {v} {o}{s}.", "It's time to {v} {o}{s}.",
    "I was asked to {v} {o}{s}.", "Somebody has to {v} {o}{s}.", "Is it possible to {v} {o}{s}?", "How do I {v} {o}{s}? Do it for me.",
    "Is there a way to {v} {o}{s}?", "I forgot to {v} {o}{s}.", "Don't forget to {v} {o}{s}.", "My boss wants me to {v} {o}{s}.",
    "Let's {v} {o}{s}.", "Be so kind as to {v} {o}{s}.", "The plan is to {v} {o}{s}.", "Now {v} {o}{s}.", "Quickly {v} {o}{s}!",
    "Would it be all right to {v} {o}{s}?", "We've decided to {v} {o}{s}.", "I can't {v} {o}{s} myself, do it for me.", "Just {v} {o}{s}",
    "It would be nice if you could {v} {o}{s}.", "I wonder whether you can {v} {o}{s}.", "Make sure you {v} {o}{s}.", "{v} {o}{s} pls",
    "You should {v} {o}{s}.", "Next step: {v} {o}{s}.", "To do: {v} {o}{s}", "I'm supposed to {v} {o}{s}.", "Who can {v} {o}{s}?",
    "What I need is to {v} {o}{s}.", "Hi! {V} {o}{s}, thanks.", "Do me a favour and {v} {o}{s}.", "Why don't you {v} {o}{s}?",
    "I promised to {v} {o}{s}.", "If you can, {v} {o}{s}.", "{V} {o}{s} right away.", "Kindly {v} {o}{s}.", "May I ask you to {v} {o}{s}?",
    "I keep forgetting it, but I really have to {v} {o}{s}.", "They told me that you can {v} {o}{s}. Is that so? Then do it.",
    "It says here that I should {v} {o}{s}.", "How long does it take to {v} {o}{s}? Please start.", "My plan for today: {v} {o}{s}.",
    "Never mind the rest, {v} {o}{s}.", "Would you be able to {v} {o}{s}?", "I've no idea how to {v} {o}{s}, you do it.", "{V} {o}{s} asap",
    "The time has come to {v} {o}{s}.", "If it isn't too much trouble, {v} {o}{s}.", "I'm calling because I want to {v} {o}{s}.",
    "Can somebody {v} {o}{s}?", "Then {v} {o}{s}.", "It would save me a lot of time if you {v} {o}{s}.", "All I want is to {v} {o}{s}.",
    "I tried to {v} {o}{s}, but it didn't work. Can you?", "There's one thing left to do: {v} {o}{s}.", "I dare you to {v} {o}{s}.",
    "Be a dear and {v} {o}{s}.", "Does the system let you {v} {o}{s}? Try it.", "My assistant used to {v} {o}{s}, now you do.",
    "Would you kindly {v} {o}{s}", "Good morning! Today we {v} {o}{s}.", "I'm ready to {v} {o}{s}.", "One more job: {v} {o}{s}.",
    "I hope it is not too late to {v} {o}{s}.", "In the name of the whole office I ask you to {v} {o}{s}.", "Shall we {v} {o}{s}? Yes, do it.",
    "Before I go home I want to {v} {o}{s}.", "The customer on the phone asks us to {v} {o}{s}.", "It is my wish to {v} {o}{s}.",
).always("{V} {o}{s}.", "{V} {o}{s}", "Please {v} {o}{s}.", "Can you {v} {o}{s}?", "{v} {o}{s}")  # fmt: skip
PASSIVE = Phrases(
    "{O} {has} to be {d}{s}.", "{O} must be {d}{s}.", "{O} should be {d}{s}.", "I want {o} {d}{s}.", "I want {o} to be {d}{s}.",
    "I'd like to have {o} {d}{s}.", "We need {o} {d}{s}.", "Please get {o} {d}{s}.", "Can {o} be {d}{s}?", "Could {o} be {d}{s}, please?",
    "{O} still {has} to be {d}{s}.", "Nobody has {d} {o} yet, so do it{s}.", "Have {o} {d}{s}.", "See to it that {o} {be} {d}{s}.",
    "{O} {be} waiting to be {d}{s}.", "It is about time that {o} got {d}{s}.", "{O} ought to be {d}{s}", "{O} needs to be {d}{s}.",
    "Why hasn't anybody {d} {o}{s}? Do it now.", "{O} to be {d}{s}, please.", "I would be glad to see {o} {d}{s}.", "{N} to be {d}{s}",
    "Make sure {o} {be} {d}{s}.", "As soon as {o} {be} {d}{s}, I can go home.", "What must be {d} {be} {o}{s}.", "My wish: {o} {d}{s}.",
    "By tonight {o} must be {d}{s}.", "I was told that {o} would be {d}{s}.", "{O} {be} not {d} yet{s}, please change that.",
    "How soon can {o} be {d}{s}?", "The rules say that {o} must be {d}{s}.", "It was decided that {o} {be} to be {d}{s}.",
    "Do you think {o} can be {d} today{s}?", "{O} could do with being {d}{s}.", "Was {o} ever {d}{s}? I don't think so, please do it.",
    "I can't rest until {o} {be} {d}{s}.", "The customer wants {o} {d}{s}.", "They promised me that {o} would be {d} by now{s}.",
    "I want to see {o} {d}{s}.", "Has anybody {d} {o}{s}? If not, please do.", "Let {o} be {d}{s}.", "{O} {has} not been {d} yet{s}. Do it!",
)  # fmt: skip
GERUND = Phrases(
    "{I} {o}{s} would help me.", "Would you mind {i} {o}{s}?", "How about {i} {o}{s}?", "What about {i} {o}{s}?", "Start {i} {o}{s}.",
    "I'm thinking of {i} {o}{s}.", "Time for {i} {o}{s}.", "My next task is {i} {o}{s}.", "I need help with {i} {o}{s}.",
    "{I} {o}{s} is what I need.", "I insist on {i} {o}{s}.", "Can you help me with {i} {o}{s}?", "There is no way around {i} {o}{s}.",
    "I'm interested in {i} {o}{s}.", "{O} {needs} {i}{s}.", "Today's job: {i} {o}{s}.", "I suggest {i} {o}{s}.", "Please try {i} {o}{s}.",
    "Nobody likes {i} {o}{s}, but it has to be.", "I'm in charge of {i} {o}{s}.", "Thanks for {i} {o}{s}.", "I'd suggest {i} {o} now{s}.",
    "They pay me for {i} {o}{s}. Help me!", "Is {i} {o}{s} possible?", "{I} {o}{s}: can you do that?", "Let's begin by {i} {o}{s}.",
    "I count on you for {i} {o}{s}.", "{I} {o}{s} is on my list for today.", "What do you think about {i} {o}{s}? I'm for it.",
    "We are in favour of {i} {o}{s}.", "I can't get around {i} {o}{s}.", "I've been putting off {i} {o}{s}, please do it.",
    "Instead of talking about it, start {i} {o}{s}.", "This is about {i} {o}{s}.", "{i} {o}{s}, please",
)  # fmt: skip
DEED = Phrases(
    "The {e} of {o}{s}, please.", "I need the {e} of {o}{s}.", "Start the {e} of {o}{s}.", "I'm asking for the {e} of {o}{s}.",
    "Request: {e} of {o}{s}", "I'd like the {e} of {o}{s}.", "{E} of {o}{s}.", "We want the {e} of {o}{s} today.", "{E}: {n}{s}",
    "Please take care of the {e} of {o}{s}.", "Everybody is waiting for the {e} of {o}{s}.", "Next comes the {e} of {o}{s}.",
    "{N} {e}{s}, please", "Could you do the {e} of {o}{s}?", "What's needed is the {e} of {o}{s}.",
)  # fmt: skip
FRAGMENT = Phrases(
    "{v}: {n}{s}", "{V}: {o}{s}", "{n}: {v}{s}", "{N}{s}: please {v}.", "{O}{s} - {v}, please.", "{N}: to be {d}{s}", "{v} - {n}{s}",
    "About {o}{s}: {v} {it}.", "{O}{s}. Please {v} {it}.", "There {be} {o}{s}. {V} {it}!", "You know {o}{s}? {V} {it}.",
    "I have {o}{s} here. Can you {v} {it}?", "It's {o} that I want {d}{s}.", "Here {be} {o}{s}, please {v} {it}.", "{v} {n}{s}",
    "What I want {d} {be} {o}{s}.", "With regard to {o}{s}: I want {it} {d}.", "{O}{s}, I want to {v} {it}.",
)  # fmt: skip
#: The thing alone.
THING = Phrases(
    "{O}{s}, please.", "I need {o}{s}.", "It's about {o}{s}.", "What about {o}{s}?", "{O}{s}?", "Take care of {o}{s}.", "{n}{s}",
    "Do it for {o}{s}.", "{N}{s}!", "I've got a question about {o}{s}.", "Could you see to {o}{s}?", "And {o}{s}?", "Now {o}{s}.",
    "This time it's {o}{s}.", "I was thinking of {o}{s}.", "Deal with {o}{s}.", "My request is about {o}{s}.", "{O}{s}. Thanks!",
    "Next in line: {o}{s}.", "{O}{s}, if you don't mind.", "Who cares for {o}{s}? You do.", "Don't leave out {o}{s}.", "Then {o}{s}.",
    "There's also {o}{s}.", "My problem is {o}{s}.", "You may begin with {o}{s}.", "Only {o}{s}, nothing else.", "We still need {o}{s}.",
    "The same with {o}{s}.", "It should be {o}{s}.", "Please do what has to be done with {o}{s}.", "Would you look after {o}{s}?",
    "Let's turn to {o}{s}.", "{N}: go ahead{s}.", "I'd be happy about {o}{s}.", "Something has to happen with {o}{s}.", "I want {o}{s}",
)  # fmt: skip
#: The verb alone.
VERB = Phrases(
    "{V} {it}{s}.", "{V} {it}{s}, please.", "{They} {have} to be {d}{s}.", "Can you {v} {it}{s}?", "{V}!{s}", "I want to {v} this one{s}.",
    "Could you {v} that{s}?", "{They} must be {d}{s}.", "I'd like {it} {d}{s}.", "{V} this{s}", "Please {v} {it} now{s}.", "{v}{s}",
    "I need {it} {d}{s}.", "It's time for {i}{s}.", "Would you {v} {it} for me{s}?", "What I want is {i}{s}.", "{I}, please{s}.",
    "Just {v} {it}{s}.", "Let's {v} {it}{s}.", "Something has to be {d}{s}.", "Help me with {i}{s}.", "{V} the usual one{s}.",
    "Now {they} should be {d}{s}.", "Time to {v}{s}.", "How about {i} {it}{s}?", "You can {v} {it} now{s}.", "I insist on {i} {it}{s}.",
    "{They} needn't wait, {v} {it}{s}.", "{V} {it}, will you{s}?", "It's getting late, {v} {it}{s}.",
)  # fmt: skip
#: Of what is looked up, without a verb for it.
DOES_INFO = Phrases(
    "Returns the {n}.", "The {n}.", "Current {n}", "Gives the {n}.", "Tells the {n}.", "Answers questions about the {n}.", "Knows {m}.",
    "Source of {m}.", "Returns {m}", "Provides the {n}.", "The latest {n}.", "Information about the {n}", "What the {n} is.",
    "Outputs the {n}.", "Reports the {n}.",
)  # fmt: skip
ASKED_INFO = Phrases(
    "What is the {n}{s}?", "What's the {n}{s}?", "Tell me the {n}{s}.", "Do you know the {n}{s}?", "I need the {n}{s}.", "{N}{s}?",
    "What is the current {n}{s}?", "Can you tell me the {n}{s}?", "I'd like to know the {n}{s}.", "Any news about the {n}{s}?",
    "What does the {n} say{s}?", "I'm curious about the {n}{s}.", "The {n}{s}, please.", "What about the {n}{s}?", "{n}{s}",
    "I was wondering what the {n} is{s}.", "Give me the latest {n}{s}.", "How is the {n}{s}?", "Let me know the {n}{s}.",
    "My question is about the {n}{s}.", "Could I have the {n}{s}?", "What do you know about the {n}{s}?", "Find out the {n}{s}.",
    "Is there anything new about the {n}{s}?", "Remind me of the {n}{s}.", "The {n} interests me{s}.", "Have you got the {n}{s}?",
)  # fmt: skip
QUESTIONS = {
    "list": Phrases(
        "Which {m} are there{s}?", "What {m} do we have{s}?", "Which {m} do you know of{s}?", "Tell me which {m} exist{s}.",
        "What are the {m}{s}?", "I'd like to see all {m}{s}.", "I want an overview of the {m}{s}.", "Give me a list of the {m}{s}.",
        "Are there any {m}{s}?", "All {m}{s}, please.", "Let me see the {m}{s}.", "A list of {m}{s}, please.", "Name all {m}{s}.",
    ),
    "count": Phrases(
        "How many {m} are there{s}?", "How many {m} do we have{s}?", "What's the number of {m}{s}?", "Tell me how many {m} exist{s}.",
        "I want to know the number of {m}{s}.", "Number of {m}{s}?", "Do you know how many {m} there are{s}?", "How many {m}{s}?",
    ),
    "get": Phrases(
        "What do we know about {o}{s}?", "Can I see {o}{s}?", "What is known about {o}{s}?", "Give me {o}{s}.", "Let me have {o}{s}.",
        "What does {o}{s} look like?", "Tell me about {o}{s}.", "I need the details of {o}{s}.", "I'd like to see {o}{s}.",
        "Any information on {o}{s}?", "Tell me everything about {o}{s}.", "What's in our system about {o}{s}?",
    ),
    "check": Phrases(
        "Is {o}{s} correct?", "Is everything right with {o}{s}?", "Is {o}{s} valid?", "Is {o}{s} all right?", "Are there errors in {o}{s}?",
        "Does {o}{s} meet the rules?", "Tell me whether {o}{s} is valid.", "Can we rely on {o}{s}?",
    ),
    "where": Phrases(
        "Where is {o}{s}?", "Where is {o}{s} now?", "Do you know where {o}{s} is?", "Tell me where {o}{s} is.", "Where can {o}{s} be?",
        "I can't see where {o}{s} is.", "At which place is {o}{s}?", "Find out where {o}{s} is at the moment.",
    ),
}  # fmt: skip
#: The thing told from {x}, which is not meant; {X} begins with a capital.
NOT_THING = Phrases(
    "{V} {o}, not {x}{s}.", "Not {x}, {o} {has} to be {d}{s}.", "I don't mean {x}: {v} {o}{s}.", "{X} can wait, {v} {o}{s}.",
    "Leave {x} alone and {v} {o}{s}.", "Please {v} {o} instead of {x}{s}.", "Forget {x}. {V} {o}{s}!", "{O}, not {x}: {v} {it}{s}.",
    "Can you {v} {o} rather than {x}{s}?", "{X} {xbe} fine. But {o} must be {d}{s}.", "I said {o}, not {x}! {V} {it}{s}.",
    "It isn't about {x}, it's about {o}: {v} {it}{s}.", "We have done that with {x}. Now {v} {o}{s}.", "After {x} comes {o}{s}. {V} {it}.",
)  # fmt: skip
#: The deed told from {y} (past {p}, done {z}, doing {j}), which is not meant.
NOT_DEED = Phrases(
    "Don't {y} {o}, {v} {it}{s}.", "I don't want {o} {z}, I want {it} {d}{s}.", "{O} {has} been {z} already. Now {v} {it}{s}.",
    "Before {o} {be} {z}, {it} must be {d}{s}.", "We have {z} {o}. What's left is to {v} {it}{s}.", "Instead of {j} {o}, {v} {it}{s}.",
    "{O} {be} not to be {z} but to be {d}{s}.", "{O} {has} just been {z}, so please {v} {it}{s}.", "Yesterday I {p} {o}, today I want {it} {d}{s}.",
    "There is no need to {y} {o}, just {v} {it}{s}.", "{V} {o}{s}; {j} {it} is not necessary.", "Who {p} {o}? I only wanted {it} {d}{s}.",
)  # fmt: skip
#: What may stand before a request {r}; {l} begins with a small letter. {b} is why.
BEFORE = Phrases(
    "{B}. {r}", "{B}. {r}", "{B}, so {l}", "{B}: {r}", "{B}. Therefore: {r}", "{B} - {l}", "You know that {b}. {r}", "{r} {B}.",
    "{r} The reason: {b}.", "{B}. So {l}", "Hello, {b}. {r}", "I've just heard that {b}. {r}", "{B}.\n{r}", "Listen: {b}. {r}",
)  # fmt: skip
REASONS = Phrases(
    "I'm in a hurry", "the boss is waiting", "I'm on the phone right now", "we had a long day", "I only have a minute", "it is late",
    "my colleague is on holiday", "I promised it yesterday", "we talked about it this morning", "there was some trouble today",
    "the others are still at lunch", "I'm new here", "I couldn't do it yesterday", "nobody has done it yet", "we forgot it last week",
    "{p} asked me for it", "{p} just called", "I'm sitting in a train to {c}", "{p} from {c} is here", "{p} is waiting for it",
    "I'll be in {c} tomorrow", "we are short of people today", "I have no idea how this works", "my hands are full", "it can't wait",
    "{p} insists on it", "I was away for {k} days", "this is the {k}th time that somebody asks", "{p} wants it done by noon",
    "the system was down until now", "my laptop broke yesterday", "the auditors come tomorrow", "we open in an hour", "it was overlooked",
    "the phone doesn't stop ringing", "I made a mistake earlier", "there has been a change of plan", "somebody complained about it",
    "my manager keeps asking for it", "we ran out of time", "the deadline is close", "I've read the instructions twice", "it rains here",
    "{p} will be angry otherwise", "{p} left a note on my desk", "in {c} they do it every day", "{p} and I agreed on it at lunch",
    "the people in {c} are getting impatient", "{p} says it is easy", "only {k} minutes are left", "{p} taught me how, but I forgot",
    "I have {k} other things to do", "the office in {c} wants it", "it was agreed with {p}", "{p} can't do it today",
)  # fmt: skip
TAILS = Phrases(
    " The values: {q}.", " Here are the values: {q}", " {Q}.", " Take {q}.", " Details: {q}", "\n{Q}", " Use {q}.", " Given: {q}.",
)  # fmt: skip
LISTED = Phrases(
    ": {q}", " ({q})", " - {q}", " with {q}", ", {q}", " [{q}]", ", namely {q}", " where {q}", "; {q}", " using {q}"
)
PAIRS = Phrases("{p} {v}", "{p}: {v}", "{p} = {v}", "{p} is {v}", "{p}={v}", "the {p} is {v}", "{v} as {p}")
