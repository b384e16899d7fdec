"""What invented words, names of firms and texts in other scripts are made of."""

from __future__ import annotations

CONSONANTS = [*"bcdfghjklmnprstvwz", *"br ch cl dr fl gr kr ph pl qu sh sl st th tr vr zh".split()]

VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "io", "oo", "ou"]

ENDINGS = ["", "", "n", "r", "s", "l", "x", "m", "k", "nd", "rt", "th"]


def _block(first: int, last: int) -> list[str]:
    return [char for code in range(first, last + 1) if (char := chr(code)).isprintable()]


HAN_COMMON = list(
    "中国大学公司北京上海技术东方银行集团有限科技新华日本電機工業商店食品天地人山水火木金土春夏秋冬红白黑蓝龙虎花鸟月星海江河"
)

_LATIN = [*"àáâäãåçèéêëìíîïñòóôöõøùúûüýßąćęłńśźżčďěňřšťůžğışőű", *"bcdfghlmnprstaeiouaeiou"]

EMOJI = [
    *_block(0x1F300, 0x1F5FF),
    *_block(0x1F600, 0x1F64F),
    *_block(0x1F680, 0x1F6C5),
    *_block(0x1F900, 0x1F9FF),
    *"⭐⚡❄✅❤☀☂♫",
]

#: Letters of many scripts, whole blocks of them, so that every byte of them is practised.
SCRIPTS: tuple[tuple[float, list[str]], ...] = (
    (6, _block(0x4E00, 0x9FFF)),
    (5, HAN_COMMON),
    (5, _block(0x3041, 0x3096)),
    (4, _block(0x30A1, 0x30FA)),
    (4, _block(0xAC00, 0xD7A3)),
    (4, [*_block(0x430, 0x44F), *"іїєґўђћџљњ"]),
    (2, _block(0x3B1, 0x3C9)),
    (2, [*_block(0x621, 0x63A), *_block(0x641, 0x64A)]),
    (1, _block(0x5D0, 0x5EA)),
    (1, _block(0xE01, 0xE2E)),
    (1, _block(0x904, 0x939)),
    (4, _LATIN),
)

SUFFIXES_CJK = ("公司", "集团", "科技", "银行", "大学", "商店", "株式会社", "工業", "さん", "屋", "会社")

COMPANY_ENDS = (
    "Corp",
    "Inc",
    "Ltd",
    "Labs",
    "Group",
    "Systems",
    "Foods",
    "Bank",
    "Works",
    "Media",
    "Partners",
    "GmbH",
)

STATES = tuple(
    "AL AK AZ AR CA CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD"
    " TN TX TX UT VT VA WA WV WI WY AB BC ON QC NS MB UK UK US USA NSW QLD".split()
)

SNIPPETS = (
    *(
        "{a} < {k}",
        "<b>{a}</b>",
        "{a} & {b}",
        "{a} && {b}",
        '"{a}" and "{b}"',
        "{a}({k}, {j})",
        "{a} = [{k}, {j}]",
        "{k}% {a}",
    ),
    *(
        "#{a} @{p}",
        "{a}/{b}/{k}",
        "C:/{a}/{b}",
        "{a}: {b}; {c}",
        "({a}) [{b}]",
        "{a} -> {b}",
        "{a}+{b}*{k}",
        "if {a} > {k}: {b}",
    ),
    *(
        "{a}!{b}?",
        "`{a}` | {b}",
        "{a} ~ {b}",
        "{a}_{k}={j}",
        "$" + "{a}",
        "{a}, {b} & {p}",
        "'{a}'",
        "{c}.{a}()",
        "* {a}",
        "{a} <{b}@{c}>",
    ),
)
