"""Paragraphs of ordinary prose, written for this generator, with slots for names and things and questions about them.

Slots: {P} {Q} people, {C} {D} towns, {Y} {Z} years, {n} {m} {o} nouns, {a} {b} adjectives, {k} {j} numbers, {X} {V} invented
names, {F} a firm, {W} a weekday, {M} a month, {J} a job, {T} a time. An answer stands in the text word for word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.data.words import MONTHS, WEEKDAYS, Words


@dataclass(frozen=True)
class Story:
    """A paragraph and its questions: pairs of phrasings and the answer; what it does not tell."""

    text: str
    questions: tuple[tuple[tuple[str, ...], str], ...]
    untold: tuple[str, ...]


def _story(text: str, questions: Sequence[str], untold: Sequence[str]) -> Story:
    pairs = []
    for line in questions:
        asked, answer = line.split(" => ")
        pairs.append((tuple(part.strip() for part in asked.split("|")), answer))
    return Story(" ".join(text.split()), tuple(pairs), tuple(untold))


STORIES: tuple[Story, ...] = (
    _story(
        "Before school I spent most of my time outside, where I watched the {n}s and drew them. My aunt {P}, who lived in {C}, gave me my first {m} when I was {k}. I did not know how to use it, but I took it apart and put it together again until I understood. In {Y} I left home to work as a {J}. The pay was bad, yet I learned more in those {j} months than in all the years before.",
        [
            "What did the author do before school?|How did the author spend the time before school? => Before school I spent most of my time outside, where I watched the {n}s and drew them.",
            "Who gave the author the first {m}?|From whom did the author get the {m}?|Who gave it to the author, the first {m}? => {P}",
            "Where did the aunt live?|In which town did the aunt of the author live?|Where was the home of {P}? => {C}",
            "When did the author leave home?|In which year did the author leave home? => {Y}",
            "What did the author work as?|Which job did the author take? => a {J}",
        ],
        ["What was the name of the author's school?", "Who was the author's father?", "How much was the author paid?"],
    ),
    _story(
        "The {X} is a narrow railway that connects {C} with {D}. It was opened in {Y} to carry {n}s from the mines to the harbor, and it took {k} engineers to plan it. Passengers were allowed only from {Z} on. Today the line belongs to {F}, which runs {j} trains a day. Its steepest part is near the {a} bridge, where the drivers have to sound a bell.",
        [
            "What does the {X} connect?|Which towns does the railway connect? => {C} with {D}",
            "When was the {X} opened?|When did the railway open?|In which year was the line opened? => {Y}",
            "What did the railway carry?|What was transported from the mines? => {n}s",
            "Who owns the line today?|To whom does the railway belong?|Which company owns the {X}? => {F}",
            "How many trains run a day?|How many trains does {F} run each day? => {j}",
            "Since when were passengers allowed?|When could passengers use it first? => {Z}",
            "Where is the steepest part?|Near what is the steepest part of the line? => near the {a} bridge",
        ],
        ["How long is the railway?", "Who was the first driver?", "How much does a ticket cost?"],
    ),
    _story(
        "When {P} came back to {C}, nobody at the station recognized her. She had left as a girl of {k} and returned as a {J} with {a} hair and two {n}s under her arm. She rented a room above the bakery, for {j} dollars a week, and put an advertisement into the paper. Within a month she had more work than she could do, so she asked {Q} to help. The two of them stayed partners until {Y}.",
        [
            "Where did {P} come back to?|To which town did {P} return? => {C}",
            "What had {P} become?|As what did {P} return? => a {J}",
            "Where did she rent a room?|Where was the room that {P} rented? => above the bakery",
            "How much was the room?|What did {P} pay for the room? => {j} dollars a week",
            "Whom did {P} ask to help?|Who helped {P}?|Who became the partner of {P}? => {Q}",
            "Until when did they stay partners?|How long did they stay partners, until which year? => {Y}",
        ],
        ["Why had {P} left the town?", "What was the name of the bakery?", "Whom did {P} marry?"],
    ),
    _story(
        "{F} announced on {W} that it will close its plant in {C}. About {k} workers are affected. A spokesman, {P}, said that the demand for {n}s had fallen since {Y}. The machines will be moved to {D}, where wages are lower. The union called the decision {a} and plans a strike for {M}.",
        [
            "What will {F} do?|What did {F} announce? => close its plant in {C}",
            "Where is the plant?|In which town is the plant that will close? => {C}",
            "How many workers are affected?|How many people will lose their jobs? => {k}",
            "Who is the spokesman?|Who spoke for {F}? => {P}",
            "Where will the machines go?|To which place will the machines be moved? => {D}",
            "When is the strike planned?|For which month is a strike planned? => {M}",
            "What did the union call the decision?|How did the union call the decision? => {a}",
            "When was it announced?|On which day did {F} announce it? => {W}",
        ],
        ["Who is the head of the union?", "How much did the plant cost?", "When was the plant built?"],
    ),
    _story(
        "To make {X} you need {k} grams of flour, two eggs and a cup of {n} oil. Mix everything and let it rest for {j} minutes. Then put the dough into a {a} pan and bake it until it is brown. The dish comes from {C}, where people eat it with {m}s. {P} once called it the best supper in the world.",
        [
            "How much flour do you need?|How many grams of flour does {X} need? => {k} grams",
            "How long must it rest?|For how many minutes should everything rest? => {j} minutes",
            "Where does the dish come from?|From where is {X}?|What is the origin of {X}? => {C}",
            "What do people eat it with?|With what is {X} eaten? => {m}s",
            "Who called it the best supper in the world?|Who praised the dish? => {P}",
            "How many eggs do you need?|How many eggs does the recipe want? => two",
        ],
        ["How much does it cost?", "At what temperature is it baked?", "Who invented the recipe?"],
    ),
    _story(
        "The lighthouse of {X} has stood on its rock since {Y}. Its keeper, {P}, climbed the {k} steps every evening to light the lamp. During the storm of {Z} the lower windows broke and a boat full of {n}s was washed into the kitchen. Since then the door has been painted {a} red. The light was made automatic when {P} retired, and tourists may visit it on {W}s.",
        [
            "Since when has the lighthouse stood there?|How old is the lighthouse, since which year does it stand? => {Y}",
            "Who was the keeper?|Who was the keeper of the lighthouse?|Who lit the lamp? => {P}",
            "How many steps are there?|How many steps does the lighthouse have? => {k}",
            "When was the storm?|In which year was the storm?|In what year did the lower windows break? => {Z}",
            "What was in the boat?|What was the boat full of? => {n}s",
            "When can tourists visit it?|On which day may tourists visit the lighthouse? => {W}s",
            "When was the light made automatic?|At what moment was the light made automatic? => when {P} retired",
        ],
        ["How high is the lighthouse?", "Who built the lighthouse?", "What is the name of the boat?"],
    ),
    _story(
        "Meeting notes, {M} {k}. Present were {P}, {Q} and two guests from {F}. {P} reported that the new {n} is ready for tests; {Q} wants to wait until the {m} has been repaired. It was agreed to spend no more than {j} dollars. The next meeting will be in {C} at {T}. Somebody has to bring the {a} {o}.",
        [
            "Who was present?|Who came to the meeting? => {P}, {Q} and two guests from {F}",
            "What is ready for tests?|What did {P} report to be ready? => the new {n}",
            "Who wants to wait?|Who was for waiting? => {Q}",
            "How much may be spent?|What is the limit on spending? => {j} dollars",
            "Where will the next meeting be?|In which town is the next meeting? => {C}",
            "When will the next meeting be?|At what time is the next meeting? => {T}",
            "What has to be brought?|What does somebody have to bring? => the {a} {o}",
        ],
        ["Who paid for lunch?", "Who wrote the notes?", "Why did the {m} break?"],
    ),
    _story(
        "Scientists from {C} have found that the {a} {n} can sleep for {k} weeks. {P}, who led the study, followed {j} animals with small radio senders. They sleep mostly in {M}, when there is little food. The result surprised even {P}: nobody had thought that such a small animal could live so long without eating. The study was paid for by {F}.",
        [
            "How long can the {a} {n} sleep?|For how many weeks can the animal sleep? => {k} weeks",
            "Who led the study?|Who was the leader of the study? => {P}",
            "How many animals were followed?|How many animals did {P} follow? => {j}",
            "When do they sleep mostly?|In which month do they sleep? => {M}",
            "Who paid for the study?|Where did the money for the study come from? => {F}",
            "Where do the scientists come from?|From which town are the scientists? => {C}",
            "Why do they sleep then?|Why does the animal sleep in {M}? => there is little food",
        ],
        ["How heavy is the animal?", "What does the animal eat?", "In which journal was the study published?"],
    ),
    _story(
        "Dear {P}, thank you for your letter of {M}. The {n} you sent arrived in good order, but the {m} was broken. Could you send another one to our office in {C}? Please use the number {k} on the label, otherwise it goes to the wrong floor. My colleague {Q} will be there until {T}. By the way, the {a} chairs cost {j} euros each. Yours, {F}",
        [
            "What was broken?|What had broken on the way? => the {m}",
            "What arrived in good order?|Which thing arrived safely? => The {n}",
            "Where is the office?|Where should another one be sent?|In which town is the office? => {C}",
            "Which number should be on the label?|What is the number for the label? => {k}",
            "Who will be there?|Who will be at the office? => {Q}",
            "Until when will {Q} be there?|How late can {Q} be found there? => {T}",
            "How much do the chairs cost?|What is the price of the chairs? => {j} euros each",
        ],
        ["What is the phone number of the office?", "Who broke the {m}?", "How many chairs are there?"],
    ),
    _story(
        "The island of {X} was uninhabited until {Y}, when a ship with {k} sailors ran onto its reef. They built huts from {n} wood and lived on {m}s. Their captain, {P}, kept a diary, which is now in the museum of {C}. Only {j} of them were alive when help came. One sailor, {Q}, refused to leave and was never seen again.",
        [
            "Until when was the island uninhabited?|Until which year did nobody live on {X}? => {Y}",
            "How many sailors were on the ship?|How many sailors did the ship have? => {k}",
            "What did they live on?|What did the sailors eat? => {m}s",
            "Who was the captain?|Who kept a diary?|What is the name of the captain? => {P}",
            "Where is the diary now?|Where can the diary be found? => in the museum of {C}",
            "How many were alive when help came?|How many of them survived? => {j}",
            "Who refused to leave?|Which sailor stayed? => {Q}",
            "From what were the huts built?|What did they build huts from? => {n} wood",
        ],
        ["What was the name of the ship?", "How large is the island?", "Who found the sailors?"],
    ),
    _story(
        "{X} is a small program that sorts {n}s by their {m}. {P} wrote the first version in {Y}, in one night, because the old one was too {a}. It needs {k} megabytes of memory and runs on port {j}. To start it, type {V} in a terminal. The code is free, but {F} offers help for money.",
        [
            "What is {X}?|What kind of thing is {X}? => a small program that sorts {n}s by their {m}",
            "Who wrote the first version?|Who is the author of {X}?|Who wrote {X}? => {P}",
            "When was the first version written?|In which year was {X} written? => {Y}",
            "How much memory does it need?|How much memory does {X} need? => {k} megabytes",
            "On which port does it run?|Which port does {X} use? => {j}",
            "How is it started?|What must be typed to start it?|What do I type to start {X}? => {V}",
            "Why was it written?|Why did {P} write it? => the old one was too {a}",
            "Who offers help?|Which firm offers help for {X}? => {F}",
        ],
        ["In which language is {X} written?", "How many users does {X} have?", "Who pays {P}?"],
    ),
    _story(
        "I first met {P} on a train to {C}. He was reading a book about {n}s and offered me half of his {m}. We talked for {k} hours, mostly about {D}, where both of us had grown up. When we said goodbye he gave me a card with the name of his shop, {X}. I forgot about it until {Y}, when I found the card in an old coat.",
        [
            "Where did the author meet {P}?|Where did they meet?|Where did the author first meet {P}? => on a train to {C}",
            "What was {P} reading?|What was the book about?|Which topic did the book have? => {n}s",
            "How long did they talk?|For how many hours did they talk? => {k} hours",
            "Where had both grown up?|In which town had they grown up? => {D}",
            "What is the name of the shop?|How is the shop of {P} called? => {X}",
            "When did the author find the card?|In which year was the card found? => {Y}",
            "Where was the card found?|Where did the author find the card? => in an old coat",
            "What did {P} offer?|What did {P} offer the author? => half of his {m}",
        ],
        ["Who wrote the book?", "What was the job of the author?", "How much was the ticket?"],
    ),
    _story(
        "The match between {C} and {D} ended {k} to {j}. {P} scored first, after a {a} pass by {Q}. After the break the rain became so strong that the referee stopped the game for a quarter of an hour. Some {n}s had to be carried off the field. The next match is on {W} at {T}, and tickets are sold by {F}.",
        [
            "How did the match end?|What was the score of the match? => {k} to {j}",
            "Who scored first?|Who made the first goal? => {P}",
            "Who gave the pass?|By whom was the pass? => {Q}",
            "When is the next match?|On which day is the next match? => {W}",
            "At what time is the next match?|At which time does the next match start? => {T}",
            "Who sells the tickets?|Where can one buy tickets? => {F}",
            "What had to be carried off the field?|What was carried off? => {n}s",
            "Why was the game stopped?|Why did the referee stop the game? => the rain became so strong",
        ],
        ["Who was the referee?", "How many people watched the match?", "What does a ticket cost?"],
    ),
    _story(
        "Employees of {F} may take {k} days of leave a year. Requests are sent to {P}, at least {j} days before. Who is ill has to call by {T} and needs a note from a doctor after three days. In {M} the office in {C} is closed. Lost keys cost {Y} euros. Questions about the {n} are answered in room {X}.",
        [
            "How many days of leave are there?|How many days of leave may employees take? => {k} days",
            "To whom are requests sent?|Who gets the requests? => {P}",
            "By when must one call when ill?|Until what time does one call when one is ill? => {T}",
            "When is the office closed?|In which month is the office closed? => {M}",
            "How much do lost keys cost?|What does one pay for lost keys? => {Y} euros",
            "In which room are questions answered?|Where are questions about the {n} answered? => room {X}",
            "How long before must requests be sent?|How early do requests have to be sent? => at least {j} days before",
        ],
        ["What is the salary?", "Who is the boss of {P}?", "How long is the lunch break?"],
    ),
    _story(
        "Long ago, in a village near {C}, there lived a {J} who owned nothing but a {a} {n}. One night a stranger named {P} knocked and asked for bread. The {J} shared what there was. In the morning the stranger was gone, and under the table lay {k} gold coins and a letter. It said: whoever gives without asking will find the {m}. The coins were spent within {j} years, but the letter still hangs in the church.",
        [
            "What did the {J} own?|What was all that the {J} owned? => a {a} {n}",
            "Who knocked?|What was the name of the stranger?|Who asked for bread? => {P}",
            "What did the stranger ask for?|For what did the stranger ask? => bread",
            "How many coins were there?|How many gold coins lay under the table? => {k}",
            "Where is the letter?|Where does the letter hang? => in the church",
            "What did the letter say?|What stood in the letter? => whoever gives without asking will find the {m}",
            "Near which town was the village?|Where did the {J} live? => near {C}",
        ],
        ["What was the name of the {J}?", "In which year did it happen?", "Who built the church?"],
    ),
    _story(
        "The {X} Prize is given every {k} years to somebody who has improved the {n}. It was created by {P} in {Y} with money from the sale of {m}s. This year it goes to {Q} from {C}, whose work on {a} light is used in hospitals. The winner receives {j} dollars and a medal. The ceremony will be held in {D}.",
        [
            "How often is the {X} Prize given?|How often is it given? => every {k} years",
            "Who created the prize?|Who is the founder of the {X} Prize? => {P}",
            "When was the prize created?|In which year was the {X} Prize created? => {Y}",
            "Who gets it this year?|Who is the winner this year?|Who won the {X} Prize? => {Q}",
            "What does the winner receive?|What does one get with the prize? => {j} dollars and a medal",
            "Where will the ceremony be?|Where is the ceremony held? => {D}",
            "Where does the winner come from?|From which town is {Q}? => {C}",
            "Where is the work used?|Where is the work on {a} light used? => in hospitals",
        ],
        ["Who won the prize last year?", "How heavy is the medal?", "Who will hand over the medal?"],
    ),
    _story(
        "At first the town council of {C} did not want the statue. {P}, the mayor, called it {a}, and {k} citizens signed a letter against it. But the sculptor, {Q}, offered it for nothing, and so it was set up in {Y} behind the station. It shows a woman with a {n} in one hand and a {m} in the other. Today it is on every postcard.",
        [
            "Who was the mayor?|Who is the mayor of {C}? => {P}",
            "Who was the sculptor?|Who made the statue? => {Q}",
            "How many citizens signed the letter?|How many people were against it? => {k}",
            "When was it set up?|In which year was the statue set up? => {Y}",
            "Where was it set up?|Where does the statue stand? => behind the station",
            "What did the mayor call it?|How did {P} call the statue? => {a}",
            "What does it show?|What does the statue show? => a woman with a {n} in one hand and a {m} in the other",
        ],
        ["How tall is the statue?", "What is the statue made of?", "How old is {Q}?"],
    ),
    _story(
        "Customers ask us again and again how to clean the {n}. First switch it off and wait {k} minutes. Then take out the {a} filter, wash it with warm water, and dry it with a {m}. Never use soap. If the red lamp still blinks, press the button for {j} seconds or call {P} at our office in {C}. Filters should be replaced every {M}.",
        [
            "How long must one wait?|How many minutes should one wait? => {k} minutes",
            "With what is the filter washed?|What is used to wash the filter? => warm water",
            "With what is it dried?|What should one dry the filter with? => a {m}",
            "What must never be used?|What should one never use? => soap",
            "How long is the button pressed?|For how long must the button be pressed? => {j} seconds",
            "Whom can one call?|Who can be called when the lamp blinks? => {P}",
            "When should filters be replaced?|How often should filters be replaced? => every {M}",
            "Where is the office?|In which town is the office? => {C}",
        ],
        ["How much is a new filter?", "Who makes the filter?", "How long is the warranty?"],
    ),
    _story(
        "{P} had two brothers. The elder, {Q}, became a {J} and moved to {C}; the younger stayed on the farm and bred {n}s. In {Y} all three met for the last time, at the wedding of a cousin. They quarreled about a {m} that had belonged to their grandmother. It was worth only {k} dollars. After that they wrote to each other once a year, always in {M}.",
        [
            "What did {Q} become?|What was the job of {Q}? => a {J}",
            "Where did {Q} move?|To which town did the elder brother move? => {C}",
            "What did the younger brother breed?|What was bred on the farm? => {n}s",
            "When did all three meet for the last time?|In which year was their last meeting? => {Y}",
            "Where did they meet for the last time?|At which occasion did they meet? => at the wedding of a cousin",
            "What did they quarrel about?|About what did the three quarrel? => a {m} that had belonged to their grandmother",
            "How much was it worth?|What was the {m} worth? => {k} dollars",
            "In which month did they write?|When did they write to each other? => always in {M}",
        ],
        ["What was the name of the younger brother?", "Whom did the cousin marry?", "How large was the farm?"],
    ),
    _story(
        "Version {k} of {X} brings many changes. The {n} is now twice as fast, and the {a} mode can be switched off. Thanks to {P}, who found the mistake, files larger than {j} megabytes can be opened again. We no longer support {V}. Users of {F} have to install the {m} first. The update will be published on {W} at {T}.",
        [
            "What can be switched off?|Which mode can be switched off? => the {a} mode",
            "Who found the mistake?|By whom was the mistake found? => {P}",
            "What is no longer supported?|What has lost support? => {V}",
            "When will the update be published?|On which day will the update come? => {W}",
            "At what time will the update be published?|At which time does it come out? => {T}",
            "What has to be installed first?|What do users of {F} have to install? => the {m}",
            "What is twice as fast?|What has become faster? => The {n}",
        ],
        ["How much does the update cost?", "Who leads the team?", "When was version 1 published?"],
    ),
    _story(
        "We spent our holiday in {C}, in a house with {k} rooms and a view of the {n}. Every morning {P} went down to the beach and came back with fresh {m}s. On {W} we drove to {D}, which took {j} hours because of a {a} {o} on the road. My sister wants to go there again in {Y}. I would rather stay at home.",
        [
            "Where did they spend the holiday?|Where was the holiday? => {C}",
            "How many rooms did the house have?|How many rooms were there? => {k}",
            "What did {P} bring back?|With what did {P} come back? => fresh {m}s",
            "Where did {P} go every morning?|Where did {P} go? => down to the beach",
            "Where did they drive on {W}?|To which town did they drive? => {D}",
            "How long did the drive take?|How many hours did it take? => {j} hours",
            "Why did it take so long?|Why did the drive take {j} hours? => because of a {a} {o} on the road",
            "Who wants to go there again?|Who would like to go back? => My sister",
        ],
        ["How much was the house?", "What is the name of the sister?", "How was the weather?"],
    ),
    _story(
        "The {a} {n} is the smallest of its family. It builds its nest from {m} leaves, often in gardens, and lays {k} eggs in {M}. Both parents feed the young, which leave the nest after {j} days. It was first described by {P}, who saw one near {C} in {Y}. Cats are its worst enemy. In winter it flies to the coast.",
        [
            "What does it build its nest from?|Of what is the nest made? => {m} leaves",
            "How many eggs does it lay?|How many eggs are laid? => {k}",
            "When does it lay eggs?|In which month are the eggs laid? => {M}",
            "Who feeds the young?|By whom are the young fed? => Both parents",
            "After how many days do the young leave?|When do the young leave the nest? => after {j} days",
            "Who first described it?|By whom was it first described? => {P}",
            "What is its worst enemy?|Which animal is its enemy? => Cats",
            "Where does it fly in winter?|Where does it go in winter? => to the coast",
            "Where does it often build its nest?|Where is the nest often found? => in gardens",
        ],
        ["How long does it live?", "What does it eat?", "What color are the eggs?"],
    ),
    _story(
        "Nobody knows who built the tunnel under {C}. Workers of {F} found it by accident in {Y} when they looked for a leak. It is {k} meters long and so low that one has to crawl. At its end there was a chest with {j} {n}s and a map. {P}, a {J}, believes that smugglers used it to bring {m}s into the town. The entrance has been closed with a {a} door.",
        [
            "Who found the tunnel?|By whom was the tunnel found? => Workers of {F}",
            "When was the tunnel found?|In which year was it found? => {Y}",
            "How long is the tunnel?|What is the length of the tunnel? => {k} meters",
            "What was in the chest?|What did the chest hold? => {j} {n}s and a map",
            "Who believes that smugglers used it?|Who thinks of smugglers? => {P}",
            "What did smugglers bring into the town?|For what was the tunnel used, according to {P}? => {m}s",
            "With what was the entrance closed?|How was the entrance closed? => a {a} door",
            "What did the workers look for?|Why were the workers there, what did they look for? => a leak",
            "Under which town is the tunnel?|Where is the tunnel? => under {C}",
        ],
        ["Who built the chest?", "How deep is the tunnel?", "What does the map show?"],
    ),
    _story(
        'As a child {P} was often ill and read whatever was in the house: the Bible, a book on {n}s, and {k} years of an old newspaper. At fourteen he was sent to {C} to learn from a {J}. He hated the work and spent the nights writing. His first play, "{X}", was laughed at, but the second, "{V}", ran for {j} weeks. He died in {Y}, poor and {a}, in the house of his friend {Q}.',
        [
            'What was his first play?|What is the title of the first play by {P}? => "{X}"',
            'What was his second play?|Which play ran for {j} weeks? => "{V}"',
            "How long did the second play run?|For how many weeks did it run? => {j} weeks",
            "When did {P} die?|In which year did {P} die? => {Y}",
            "Where did {P} die?|In whose house did {P} die? => in the house of his friend {Q}",
            "Where was {P} sent at fourteen?|To which town was {P} sent? => {C}",
            "How did {P} spend the nights?|What did {P} do at night? => writing",
            "Who was the friend of {P}?|What was the name of his friend? => {Q}",
        ],
        ["When was {P} born?", "Whom did {P} marry?", "How many books did {P} write?"],
    ),
    _story(
        "The {n} bridge of {C}, which crosses the river {X}, was designed by {P} and opened on a rainy morning in {Y}. It is {j} meters long and rests on {k} pillars of {m} stone. When it was new, people had to pay two coins to cross it, and the money was used to build a school. A storm destroyed one of its arches in {Z}; the town repaired it within a year. Today only walkers and bicycles are allowed on it.",
        [
            "Which river does the bridge cross?|What river does the bridge cross?|What does the bridge cross? => the river {X}",
            "Who designed the bridge?|By whom was the bridge designed?|Who was the designer of the bridge? => {P}",
            "When was the bridge opened?|In which year was the bridge opened?|When did the bridge open? => {Y}",
            "How long is the bridge?|What is the length of the bridge? => {j} meters",
            "How many pillars does it rest on?|How many pillars does the bridge have? => {k}",
            "What are the pillars made of?|From what are the pillars? => {m} stone",
            "What was the money used for?|What was built with the money? => to build a school",
            "What destroyed one of its arches?|What happened to the bridge, what destroyed an arch? => A storm",
            "When was an arch destroyed?|In which year did a storm destroy an arch? => {Z}",
            "Who is allowed on the bridge today?|What is allowed on it today? => only walkers and bicycles",
        ],
        ["What did the bridge cost?", "How wide is the bridge?", "Who paid for the repair?"],
    ),
    _story(
        "{P}, a {J} from {C}, is best known for the invention of the {a} {n}. As the third of seven children, {P} left school early and earned money in a {m} factory. The idea for the invention came on a walk in {Y}, when a {o} rolled down a hill. {F} bought the patent for {j} dollars, of which {P} gave half to a hospital. Every year on {M} {k} the people of {C} remember the inventor with a parade.",
        [
            "What was {P}?|What was the profession of {P}?|What did {P} work as? => a {J}",
            "Where was {P} from?|From which town did {P} come? => {C}",
            "What is {P} best known for?|What did {P} invent?|For what is {P} known? => the invention of the {a} {n}",
            "Where did {P} earn money?|In what factory did {P} work? => in a {m} factory",
            "When did the idea come?|In which year did the idea for the invention come? => {Y}",
            "Who bought the patent?|Which company bought the patent? => {F}",
            "How much was paid for the patent?|For how much was the patent bought? => {j} dollars",
            "When do the people remember the inventor?|On what day is the parade? => {M} {k}",
            "What rolled down a hill?|What was it that rolled down the hill? => a {o}",
            "To whom did {P} give half of the money?|Who got half of the money? => to a hospital",
        ],
        ["When did {P} die?", "Whom did {P} marry?", "What was the name of the hospital?"],
    ),
    _story(
        "{X} is the second largest lake of the region and up to {k} meters deep. Its water is so clear that one can see the {n}s at the bottom, and it never freezes, because warm springs feed it from below. Fishermen from {C} catch {m}s here, mostly in {M}. Legend has it that a {o} lives in the lake; {P}, who searched for it in {Y}, found nothing but an old boat. Swimming is forbidden near the eastern shore.",
        [
            "What is {X}?|What kind of place is {X}? => the second largest lake of the region",
            "How deep is the lake?|How deep is {X}?|What is the depth of the lake? => up to {k} meters",
            "Why does the lake never freeze?|Why does it never freeze?|For what reason does the lake not freeze? => warm springs feed it from below",
            "What do fishermen catch?|What is caught in the lake?|What do the fishermen from {C} catch? => {m}s",
            "In which month do they fish?|When do fishermen catch most? => {M}",
            "What lives in the lake according to legend?|According to legend, what lives there? => a {o}",
            "Who searched for it?|Who looked for the creature? => {P}",
            "What did {P} find?|What was found in the lake? => an old boat",
            "When did {P} search?|In which year did {P} search for it? => {Y}",
            "Where is swimming forbidden?|Where must one not swim? => near the eastern shore",
        ],
        ["How long is the lake?", "Who owns the lake?", "How many people drowned in the lake?"],
    ),
    _story(
        "A {n} is a machine that turns {m}s into {o}s. Invented in {C} at the end of the last century, it spread quickly because it needs neither water nor oil. Modern ones weigh about {k} kilograms and are sold by {F} and others for {j} dollars. The heart of the machine is a {a} wheel, made of copper, which has to be cleaned twice a week. If it gets too hot, it stops by itself.",
        [
            "What is a {n}?|How would you define a {n}? => a machine that turns {m}s into {o}s",
            "Where was it invented?|Where was the machine invented?|In which town was it invented? => {C}",
            "When was it invented?|When was the machine invented? => at the end of the last century",
            "Why did it spread quickly?|What made it spread so fast?|Why did the machine spread quickly? => it needs neither water nor oil",
            "How much do modern ones weigh?|How heavy are modern ones? => about {k} kilograms",
            "What does it cost?|For how much is it sold?|How much does one cost? => {j} dollars",
            "What is the heart of the machine?|What is the most important part of it? => a {a} wheel",
            "What is the wheel made of?|From what is the wheel made? => copper",
            "How often does the wheel have to be cleaned?|How often must it be cleaned? => twice a week",
            "What happens if it gets too hot?|What does the machine do when it gets too hot? => it stops by itself",
            "Who sells them?|Which company sells them? => {F} and others",
        ],
        ["Who invented it?", "How fast does it run?", "How many of them have been sold?"],
    ),
    _story(
        "The {X} Library in {C} owns more than {j} thousand books, among them a {a} bible that {P} copied by hand. It was founded in {Y} by monks who had fled from {D}. Readers may borrow up to {k} books for four weeks; maps and {n}s have to stay in the building. On {W} it is closed. The new reading room, named after {Q}, has {m} lamps and room for ninety people.",
        [
            "Where is the {X} Library?|In which town is the library? => {C}",
            "How many books does the library own?|How many books are there? => more than {j} thousand",
            "Who copied the bible?|By whom was the bible copied? => {P}",
            "When was the library founded?|In which year was it founded? => {Y}",
            "Who founded the library?|By whom was it founded? => monks who had fled from {D}",
            "How many books may readers borrow?|How many books can one borrow? => up to {k}",
            "For how long may books be borrowed?|How long can one keep a book? => four weeks",
            "What has to stay in the building?|What can not be borrowed? => maps and {n}s",
            "When is the library closed?|On which day is it closed? => {W}",
            "After whom was the reading room named?|Whose name does the reading room have? => {Q}",
            "How many people fit into the reading room?|For how many people is there room? => ninety",
        ],
        ["Who leads the library?", "How much does a card cost?", "At what time does the library open?"],
    ),
    _story(
        "Our team took the night train to {C}, because the last flight had been cancelled. {P} carried the {n}, which was still warm, and {Q} the papers. At the border a {a} officer asked for {k} signatures. We arrived at {T}, two hours late, and found that {F} had moved its office to {D} in {M}. The man at the desk gave us tea and a map. In the end the contract was signed in a {m} shop.",
        [
            "Where did the team go?|To which town did the team travel? => {C}",
            "Why did they take the train?|Why did the team take the night train? => the last flight had been cancelled",
            "Who carried the {n}?|By whom was the {n} carried? => {P}",
            "What did {Q} carry?|What was {Q} carrying? => the papers",
            "How many signatures were asked for?|How many signatures did the officer want? => {k}",
            "When did they arrive?|At what time did the team arrive? => {T}",
            "Where had {F} moved its office?|Where is the office of {F} now? => {D}",
            "What did the man at the desk give them?|What did they get from the man at the desk? => tea and a map",
            "Where was the contract signed?|In what place was the contract signed? => in a {m} shop",
            "How late were they?|How late was the train? => two hours",
        ],
        ["What was the name of the officer?", "How much was the ticket?", "Who signed the contract?"],
    ),
)


def tell(w: Words) -> tuple[list[str], list[tuple[str, str, str]], list[str]]:
    """A story with its slots filled: its sentences; questions, answers and the sentence of each; what it does not tell."""
    number = w.between(0, len(STORIES) - 1)
    held = number % 6 == 5
    while held != w.heldout:
        number = w.between(0, len(STORIES) - 1)
        held = number % 6 == 5
    story = STORIES[number]
    people = [w.full_name(), w.full_name()]
    slots = {
        "P": people[0],
        "Q": people[1],
        "C": w.city(),
        "D": w.city(),
        "Y": w.between(1500, 2030),
        "Z": w.between(1500, 2030),
        "n": w.noun(),
        "m": w.noun(),
        "o": w.noun(),
        "a": w.adjective(),
        "b": w.adjective(),
        "k": w.between(2, 99),
        "j": w.between(100, 990),
        "X": w.syllables().capitalize(),
        "V": w.salad().capitalize(),
        "F": w.company(),
        "W": w.pick(WEEKDAYS),
        "M": w.pick(MONTHS),
        "J": w.job(),
        "T": w.time(),
    }
    sentences = split(story.text.format_map(slots))
    questions = []
    for phrasings, answer in story.questions:
        said = answer.format_map(slots)
        evidence = next((s for s in sentences if said in s), "")
        if evidence:
            questions.append((w.pick(phrasings).format_map(slots), said, evidence))
    return sentences, questions, [text.format_map(slots) for text in story.untold]


def split(text: str) -> list[str]:
    """A paragraph's sentences."""
    out, begin = [], 0
    for at, char in enumerate(text):
        if char in ".!?" and text[at + 1 : at + 2] == " " and text[at + 2 : at + 3].isupper():
            out.append(text[begin : at + 1])
            begin = at + 2
    return [*out, text[begin:]]
