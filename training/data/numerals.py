"""Numbers, days and months in other ways: words of five languages, Roman numerals, ordinals, clock times."""

from __future__ import annotations

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_GERMAN_ONES = "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".split()
_GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_FRENCH_ONES = "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf".split()
_FRENCH_TENS = "vingt trente quarante cinquante soixante".split()
_SPANISH_ONES = "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve".split()
_SPANISH_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
_ITALIAN_ONES = "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove".split()
_ITALIAN_TENS = "venti trenta quaranta cinquanta sessanta settanta ottanta novanta".split()


def english(n: int) -> str:
    """A number from 0 to 100 in English words."""
    if n == 100:
        return "one hundred"
    if n < 20:
        return _ONES[n]
    tens, ones = divmod(n, 10)
    return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")


def german(n: int) -> str:
    """A number from 0 to 100 in German words."""
    if n == 100:
        return "hundert"
    if n < 20:
        return _GERMAN_ONES[n]
    tens, ones = divmod(n, 10)
    word = _GERMAN_TENS[tens - 2]
    return f"{'ein' if ones == 1 else _GERMAN_ONES[ones]}und{word}" if ones else word


def french(n: int) -> str:
    """A number from 0 to 100 in French words."""
    if n == 100:
        return "cent"
    if n < 20:
        return _FRENCH_ONES[n]
    if n >= 80:
        return f"quatre-vingt-{_FRENCH_ONES[n - 80]}" if n > 80 else "quatre-vingts"
    tens, rest = (6, n - 60) if n >= 60 else divmod(n, 10)
    word = _FRENCH_TENS[tens - 2]
    if not rest:
        return word
    return f"{word} et {_FRENCH_ONES[rest]}" if rest in (1, 11) else f"{word}-{_FRENCH_ONES[rest]}"


def spanish(n: int) -> str:
    """A number from 0 to 100 in Spanish words."""
    if n == 100:
        return "cien"
    if n < 30:
        return _SPANISH_ONES[n]
    tens, ones = divmod(n, 10)
    return _SPANISH_TENS[tens - 3] + (f" y {_SPANISH_ONES[ones]}" if ones else "")


def italian(n: int) -> str:
    """A number from 0 to 100 in Italian words."""
    if n == 100:
        return "cento"
    if n < 20:
        return _ITALIAN_ONES[n]
    tens, ones = divmod(n, 10)
    word = _ITALIAN_TENS[tens - 2]
    if ones in (1, 8):
        word = word[:-1]
    return word + ("" if not ones else "tré" if ones == 3 else _ITALIAN_ONES[ones])


#: The words of 0 to 100, by language.
NUMBERS: dict[str, tuple[str, ...]] = {
    "German": tuple(german(n) for n in range(101)),
    "French": tuple(french(n) for n in range(101)),
    "Spanish": tuple(spanish(n) for n in range(101)),
    "Italian": tuple(italian(n) for n in range(101)),
}
#: Weekdays from Monday and months from January.
WEEKDAYS: dict[str, tuple[str, ...]] = {
    "German": tuple("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag".split()),
    "French": tuple("lundi mardi mercredi jeudi vendredi samedi dimanche".split()),
    "Spanish": tuple("lunes martes miércoles jueves viernes sábado domingo".split()),
    "Italian": tuple("lunedì martedì mercoledì giovedì venerdì sabato domenica".split()),
    "Dutch": tuple("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag".split()),
}
MONTHS: dict[str, tuple[str, ...]] = {
    "German": tuple("Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()),
    "French": tuple("janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()),
    "Spanish": tuple(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
    ),
    "Italian": tuple(
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre".split()
    ),
    "Dutch": tuple("januari februari maart april mei juni juli augustus september oktober november december".split()),
}


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    if n % 100 in (11, 12, 13):
        return f"{n}th"
    return f"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th') }"


_ROMAN = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def roman(n: int) -> str:
    """A number from 1 to 399 in Roman numerals."""
    out = ""
    for value, letters in _ROMAN:
        while n >= value:
            out += letters
            n -= value
    return out


def clock12(hour: int, minute: int, *, mark: str = "am pm") -> str:
    """A time with am or pm, like 2:30 pm; `mark` has the two marks."""
    am, pm = mark.split()
    return f"{(hour - 1) % 12 + 1}:{minute:02} {am if hour < 12 else pm}"
