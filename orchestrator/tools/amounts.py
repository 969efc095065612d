"""Amounts of money and numbers as people write them, read exactly and never as floats.

`1.234,50`, `1,234.50`, `1 234,50`, `1'234.50`, `(12.00)`, `12.00-`, `12.–`, with a currency sign
or code before or behind. Whether a lone `1,234` is a thousand or one and a bit is told from the
other amounts of the same text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

SIGNS = {
    "US$": "USD",
    "CA$": "CAD",
    "C$": "CAD",
    "A$": "AUD",
    "AU$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "R$": "BRL",
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "₺": "TRY",
    "₩": "KRW",
    "₪": "ILS",
    "₴": "UAH",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "Fr.": "CHF",
    "SFr.": "CHF",
}
_LISTED = (
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES "
    "KRW MAD MXN MYR NGN NOK NZD PHP PKR PLN RON RSD SAR SEK SGD THB TRY TWD UAH USD VND ZAR"
)
CODES = frozenset(_LISTED.split())
_WORDS = {
    "euro": "EUR",
    "euros": "EUR",
    "pounds": "GBP",
    "sterling": "GBP",
    "dollars": "USD",
    "yen": "JPY",
    "franken": "CHF",
    "francs": "CHF",
    "sfr": "CHF",
}
_DOLLARS = {"AUD", "CAD", "HKD", "NZD", "SGD", "USD"}
_ALL = sorted([*SIGNS, *CODES, *_WORDS], key=len, reverse=True)
_CURRENCY = rf"(?i:(?<![A-Za-z])(?:{'|'.join(map(re.escape, _ALL))})(?![A-Za-z]))"
_BLANK = "[ \u00a0\u202f\u2009]"
_GROUPED = rf"\d{{1,3}}(?:{_BLANK}\d{{3}})+|\d{{1,3}}(?:\.\d{{3}})+|\d{{1,3}}(?:['’]\d{{3}})+"
_INDIAN = r"\d{1,3}(?:,\d{2,3})*,\d{3}"  # 1,234 and 1,23,456
_CENTS = r"[.,](?:\d{1,4}|[-–—]{1,2})"
_NUMBER = rf"(?:(?:{_GROUPED}|{_INDIAN})(?!\d)|\d+)(?:{_CENTS})?"
_AMOUNT = re.compile(
    rf"(?<![\w.,/#])(?<!\w-)(?<![^\W\d][–−])(?<!\d:)(?P<open>\()?(?P<minus>[-−–]{_BLANK}?)?"
    rf"(?:(?P<before>{_CURRENCY}){_BLANK}?)?(?P<inner>[-−]{_BLANK}?)?"
    rf"(?P<number>{_NUMBER})(?![\w/]|[.,’'-]\d|:\d)"
    rf"(?:{_BLANK}?(?P<behind>{_CURRENCY}))?(?P<trail>-(?![\w-]))?(?P<close>\))?"
)
_CELL_ENDS = ("  ", "\t", "| ")
_RUN = re.compile(r"\+?\d+(?: \d+){2,}(?![.,]?\d)")


@dataclass(frozen=True)
class Amount:
    """A number found in a text.

    number:   as written, without sign and currency ("1.234,50")
    text:     as written, with what belongs to it ("- 1.234,50 EUR")
    currency: the ISO code written beside it, or None
    start, end: of `text`, in characters
    """

    value: Decimal
    number: str
    text: str
    currency: str | None
    start: int
    end: int


def find_amounts(text: str) -> list[Amount]:
    """Every number of a text that stands for itself: no dates, codes, times or phone numbers.

    "2 450.00" may be one number or two: then the second is given as well.
    """
    comma = decimal_comma(text)
    dollar = _dollar(text)
    found: list[Amount] = []
    for match in _amounts(text):
        found.append(_amount(match, comma, dollar))
        if " " in match["number"] and not match["before"]:
            cut = match.start("number") + match["number"].rindex(" ") + 1
            if tail := _AMOUNT.match(text, cut):
                found.append(_amount(tail, comma, dollar))
    return found


def parse_amount(text: str, comma: bool | None = None) -> Decimal | None:
    """The number that the whole text is, currency or not; None if it is none.

    comma: whether the decimal sign is a comma where the text does not tell; None takes groups
    """
    match = _AMOUNT.fullmatch(text.strip())
    return _amount(match, comma, "USD").value if match else None


def decimal_comma(text: str) -> bool | None:
    """Whether a comma marks decimals in this text, by its numbers that leave no doubt."""
    votes = Counter(
        sign == "," for match in _amounts(text) if (sign := _decimal_sign(match["number"]))
    )
    return None if votes[True] == votes[False] else votes[True] > votes[False]


def find_currencies(text: str) -> dict[str, str]:
    """ISO code -> the sign, code or word it is first written with, most frequent first."""
    dollar = _dollar(text)
    written: dict[str, str] = {}
    times: Counter[str] = Counter()
    for match in re.finditer(_CURRENCY, text):
        if code := _known_currency(match[0], dollar):
            written.setdefault(code, match[0])
            times[code] += 1
    return {code: written[code] for code, _ in times.most_common()}


def currency_code(text: str) -> str | None:
    """The ISO code that a sign, code or word stands for; None if it is no currency we know."""
    return _known_currency(text.strip(), "USD")


def variants(amount: Amount) -> list[str]:
    """The ways to copy an amount: as written, without sign and currency, and in plain digits.

    A model that starts to write "3400.50" for "3'400.50" must not end up at "345.70".
    """
    plain = abs(amount.value)
    return list(dict.fromkeys([amount.text, amount.number, f"{plain:f}", f"{plain:,f}"]))


def _amounts(text: str) -> Iterator[re.Match[str]]:
    """The matches that are no part of a phone or account number ("0532 0130 00")."""
    runs = [
        run.span()
        for run in _RUN.finditer(text)
        if any(len(group) != 3 for group in run[0].split(" ")[1:])
    ]
    for match in _AMOUNT.finditer(text):
        if not any(start <= match.start("number") < end for start, end in runs):
            yield match


def _amount(match: re.Match[str], comma: bool | None, dollar: str) -> Amount:
    written = match["before"] or match["behind"] or ""
    value = _value(match["number"], comma)
    bracketed = bool(match["open"] and match["close"])
    start, end = match.span()
    if match["open"] and not bracketed:
        start += 1
    if match["close"] and not bracketed:
        end -= 1
    dashed = bool(match["minus"]) and not _is_minus(match)
    if dashed:
        start = match.end("minus")
    signed = (match["minus"] and not dashed) or match["inner"] or match["trail"]
    if signed or (bracketed and _is_negative_bracket(match)):
        value = -value
    text = match.string[start:end].strip()
    return Amount(value, match["number"], text, _known_currency(written, dollar), start, end)


def _is_minus(match: re.Match[str]) -> bool:
    """Whether a dash with a blank behind it is a minus, not a bullet or a break in a sentence."""
    if match["minus"][-1] in "-−–":
        return True
    before = _line_before(match, "minus")
    if not before:
        return match.end() == len(match.string)
    return bool(before.strip()) and before.endswith(_CELL_ENDS)


def _is_negative_bracket(match: re.Match[str]) -> bool:
    """Whether brackets mean less than zero: around money in a cell, not "(3)" or in a sentence."""
    if not (match["before"] or match["behind"] or _decimal_sign(match["number"])):
        return False
    before = _line_before(match, "open")
    after = match.string[match.end() :].partition("\n")[0]
    alone = not before.strip() or before.endswith(_CELL_ENDS) or len(before.split()) <= 3
    return alone and (not after.strip() or after.startswith(("  ", "\t", " |")))


def _line_before(match: re.Match[str], group: str) -> str:
    return match.string[: match.start(group)].rpartition("\n")[2]


def _value(number: str, comma: bool | None) -> Decimal:
    bare = re.sub(rf"{_BLANK}|['’]", "", number)
    bare = re.sub(r"[.,][-–—]{1,2}$", "", bare)
    sign = _decimal_sign(number)
    if sign is None and comma is not None and len(re.findall("[.,]", bare)) == 1:
        sign = "," if comma else "."
        if sign not in bare:
            sign = None
    whole, _, cents = bare.rpartition(sign) if sign and sign in bare else (bare, "", "")
    digits = re.sub("[.,]", "", whole)
    return Decimal(f"{digits or 0}.{cents}") if cents else Decimal(digits or 0)


def _decimal_sign(number: str) -> str | None:
    """ "," or "." where the number itself tells; None for "1234", "1,234" and "1.234.567"."""
    signs = re.findall("[.,]", number)
    if not signs or not number[-1].isdigit():
        return None
    last = signs[-1]
    whole, _, cents = number.rpartition(last)
    if last in signs[:-1]:
        return None
    grouped = len(set(signs)) > 1 or re.search(rf"{_BLANK}|['’]", whole)
    lone = not grouped and len(cents) == 3 and 1 <= len(whole) <= 3 and whole != "0"
    return None if lone else last


def _known_currency(written: str, dollar: str) -> str | None:
    bare = written.strip(" \u00a0\u202f\u2009")
    if bare == "$":
        return dollar
    if bare in SIGNS:
        return SIGNS[bare]
    if bare.upper() in CODES and (bare.isupper() or bare.istitle() or bare.islower()):
        return bare.upper()
    folded = {sign.casefold(): code for sign, code in SIGNS.items()}
    return _WORDS.get(bare.casefold()) or folded.get(bare.casefold())


def _dollar(text: str) -> str:
    """Which dollar "$" means here: another one's code in the text tells."""
    codes = {code for code in _DOLLARS if re.search(rf"\b{code}\b", text)}
    return codes.pop() if len(codes) == 1 else "USD"
