"""Amounts, currencies and dates as documents write them, read by rule.

`1.234,50`, `1,234.50`, `1 234,50`, `1'234.50`, `(12.00)` and `€ 1,310.00` are the same to a reader;
here they become Decimals. Dates in any usual form become ISO text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN", "Fr.": "CHF"}
CODES = (
    *("USD", "EUR", "GBP", "CHF", "JPY", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK"),
    *("HUF", "INR", "CNY", "BRL", "MXN", "ZAR", "SGD", "HKD"),
)
_MONTHS = (
    ("jan",), ("feb", "fév", "fev"), ("mar", "mär", "mae"), ("apr", "avr", "abr"), ("may", "mai"),
    ("jun", "juin"), ("jul", "juil"), ("aug", "aoû", "aou", "ago"), ("sep", "set"), ("oct", "okt"),
    ("nov",), ("dec", "dez", "déc", "dic"),
)  # fmt: skip
_GAP = "[ \u00a0\u202f]"
_NUMBER = rf"\d{{1,3}}(?:{_GAP}\d{{3}})+(?:[.,]\d{{1,2}})?(?!\d)|\d[\d.,'’]*\d|\d"
_CURRENCY = "|".join([*map(re.escape, SIGNS), *(rf"\b{code}\b" for code in CODES)])
_AMOUNT = re.compile(rf"(?<![\w.,/-])(?:-|−)?(?:{_NUMBER})(?![\w/]|[.,-]\d)")
_WORD_DATE = re.compile(
    r"\b(\d{1,2})(?:st|nd|rd|th|\.)?\s+(?:of\s+|de\s+)?([^\W\d_]{3,10})\.?,?\s+(\d{4})\b"
    r"|\b([^\W\d_]{3,10})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})\b"
)
_DIGIT_DATE = re.compile(
    r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b|\b(\d{1,2})([./-])(\d{1,2})\5(\d{2,4})\b"
)


def parse_amount(text: str) -> Decimal | None:
    """The amount that a text stands for, or None if it is none.

    The last of two different separators is the decimal one. A single one is decimal unless
    exactly three digits follow it.
    """
    found = re.search(_NUMBER, text)
    if found is None:
        return None
    digits = re.sub(rf"{_GAP}|['’]", "", found[0])
    last = max(digits.rfind("."), digits.rfind(","))
    if last >= 0:
        sign, after = digits[last], len(digits) - last - 1
        mixed = "." in digits and "," in digits
        thousands = digits.count(sign) > 1 or (after == 3 and not mixed and digits[0] != "0")
        whole = re.sub("[.,]", "", digits[: last if not thousands else None])
        digits = whole if thousands else f"{whole}.{digits[last + 1 :]}"
    negative = bool(re.search(r"[-−]\s*\D{0,3}$", text[: found.start()])) or (
        "(" in text[: found.start()] and ")" in text[found.end() :]
    )
    value = Decimal(digits)
    return -value if negative else value


def amounts_in(text: str) -> list[str]:
    """Amounts of money as they are written, in order, each once; any numbers if none is money.

    Money has cents or a currency beside it. Parts of dates and identifiers are no amounts.
    """
    masked = _WORD_DATE.sub(_blank, _DIGIT_DATE.sub(_blank, text))
    money, numbers = [], []
    for found in _AMOUNT.finditer(masked):
        written = text[found.start() : found.end()]
        around = text[max(0, found.start() - 5) : found.end() + 5]
        has_cents = re.search(r"[.,]\d{2}$", written) is not None
        numbers.append(written)
        if has_cents or re.search(_CURRENCY, around):
            money.append(written)
    return list(dict.fromkeys(money or numbers))


def currencies_in(text: str) -> list[str]:
    """ISO codes of the currencies that a text names by code or sign, the most frequent first."""
    found = [SIGNS.get(mark, mark) for mark in re.findall(_CURRENCY, text)]
    return sorted(dict.fromkeys(found), key=lambda code: -found.count(code))


def dates_in(text: str) -> list[str]:
    """Dates as they are written, in order, each once."""
    spans = sorted(
        (found.start(), found[0])
        for pattern in (_WORD_DATE, _DIGIT_DATE)
        for found in pattern.finditer(text)
        if parse_date(found[0]) is not None
    )
    return list(dict.fromkeys(written for _, written in spans))


def parse_date(text: str, day_first: bool = True) -> str | None:
    """The ISO date that a text stands for, or None. day_first settles 04/03/2026."""
    if found := _DIGIT_DATE.search(text):
        if found[1]:
            return _iso(int(found[1]), int(found[2]), int(found[3]))
        first, second, year = int(found[4]), int(found[6]), _year(found[7])
        if second > 12 or (first <= 12 and not day_first and found[5] != "."):
            first, second = second, first
        return _iso(year, second, first)
    if found := _WORD_DATE.search(text):
        day, word, year_text = (
            (found[1], found[2], found[3])
            if found[1]
            else (
                found[5],
                found[4],
                found[6],
            )
        )
        month = month_number(word)
        return _iso(int(year_text), month, int(day)) if month else None
    return None


def is_day_first(written: Sequence[str], text: str) -> tuple[bool, bool]:
    """Whether a document writes the day first, and whether that is certain.

    Evidence: another date that can only be read one way, else dollars (month first).
    """
    firsts = [(int(f[4]), int(f[6])) for w in written if (f := _DIGIT_DATE.search(w)) and f[4]]
    if any(first > 12 for first, _ in firsts):
        return True, True
    if any(second > 12 for _, second in firsts):
        return False, True
    return "USD" not in currencies_in(text), False


def is_ambiguous(written: str) -> bool:
    """A date such as 04/03/2026, which means two days."""
    found = _DIGIT_DATE.search(written)
    if found is None or not found[4] or found[5] == ".":
        return False
    return int(found[4]) <= 12 and int(found[6]) <= 12 and found[4] != found[6]


def month_number(word: str) -> int | None:
    """1 to 12 for a month's name in English, German, French or Spanish; else None."""
    start = word.casefold()
    matches = [
        (len(prefix), number)
        for number, prefixes in enumerate(_MONTHS, 1)
        for prefix in prefixes
        if start.startswith(prefix)
    ]
    return max(matches)[1] if matches else None


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


def _iso(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _blank(found: re.Match[str]) -> str:
    return "x" * len(found[0])
