"""The values of "format" in JSON schemas, as regular expressions: what they let through is valid, in a common form."""

from __future__ import annotations

_DAY = (
    r"([1-9][0-9]{3}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    r"|([1-9][0-9](0[48]|[2468][048]|[13579][26])|(1[26]|[2468][048]|[3579][26])00)-02-29)"
)
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL}){{0,5}}"
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HEX = r"[0-9a-fA-F]{1,4}"
_ATEXT = r"[a-zA-Z0-9_+-]{1,40}"

FORMATS = {
    "date": _DAY,
    "time": _TIME,
    "date-time": rf"{_DAY}T{_TIME}",
    # Few enough digits that any of them is a duration for Python and its like, whose days have nine at most.
    "duration": r"P([0-9]{1,6}W|[0-9]{1,6}D(T([0-9]{1,6}H)?([0-9]{1,6}M)?[0-9]{1,6}S)?|T([0-9]{1,6}H)?([0-9]{1,6}M)?"
    r"[0-9]{1,6}S|[0-9]{1,4}Y([0-9]{1,6}M([0-9]{1,6}D)?)?)",
    "email": rf"{_ATEXT}(\.{_ATEXT}){{0,3}}@{_LABEL}(\.{_LABEL}){{1,4}}",
    "hostname": _HOST,
    "ipv4": rf"{_BYTE}(\.{_BYTE}){{3}}",
    "ipv6": "|".join(
        [rf"({_HEX}:){{7}}{_HEX}", r"::"]
        + [rf"({_HEX}:){{{n}}}:{_HEX}(:{_HEX}){{0,{6 - n}}}" for n in range(1, 7)]
        + [rf":(:{_HEX}){{1,7}}"]
    ),
    "uuid": r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    # pydantic's names for one version
    **{
        f"uuid{n}": rf"[0-9a-fA-F]{{8}}-[0-9a-fA-F]{{4}}-{n}[0-9a-fA-F]{{3}}-[89abAB][0-9a-fA-F]{{3}}-[0-9a-fA-F]{{12}}"
        for n in range(1, 9)
    },
    "uri": rf"[a-zA-Z][a-zA-Z0-9+-]{{0,15}}://{_HOST}(:[0-9]{{1,4}})?(/[a-zA-Z0-9._~+-]*)*(\?[a-zA-Z0-9._~&=+-]*)?"
    r"(#[a-zA-Z0-9._~+-]*)?",
}

#: Those that say what a text is for and let every text through: pydantic's and OpenAPI's.
DESCRIBING_FORMATS = ("password", "binary", "path", "file-path", "directory-path")
