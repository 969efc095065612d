"""What in a document could be the value of a field, found by code before any model is asked.

A grammar lets the model choose one of these and nothing else, so a value that is not in the
document cannot come out; reading what was chosen is code's work again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from orchestrator.tools.amounts import (
    Amount,
    currency_code,
    find_amounts,
    find_currencies,
    variants,
)
from orchestrator.tools.fields import Field
from staff.domain.dates import WrittenDate, day_comes_first, find_dates

MAX_SPANS = 160
SPAN_CHARS = 80
MAX_AMOUNTS = 120
HEAD_LINES = 5  # where a letterhead stands
FOOT_LINES = 4  # where a signature stands
_GAP = re.compile(r"\t|\||\s{2,}")
_CODE = re.compile(
    r"(?<![\w/.-])(?<!\d[:,])(?:[A-Z]{1,6}[ #-])?(?=[\w/.-]*\d)\w+(?:[-/.]\w+)*(?![\w/-]|[:,]\d)"
)
_NAME = r"[^\W\d_a-zß-öø-ÿ][\w.'’&-]*"
_NAMES = re.compile(
    rf"{_NAME}(?: (?:{_NAME}|&|and|und|et|y|e|of|de|du|del|der|van|von|la))* {_NAME}"
)
_COMPANY = re.compile(
    r"(.*\b(?:GmbH|UG|AG|KG|SE|e\.K\.|Ltd|Limited|LLP|LLC|Inc|Corp|PLC|B\.?V|N\.?V|S\.?A|SAS|SARL"
    r"|S\.?r\.?l|S\.?p\.?A|S\.?L|AB|A/S|Oy|K\.K|Pty)\.?)(?: [-–—/·(]|,|;).*"
)
_RECIPIENT = re.compile(
    r"(?:(?:bill(?:ed)?|sold|ship(?:ped)?|invoiced?|deliver(?:ed)?)[ -]to|to|for|customer|client"
    r"|buyer|attn|kunde|rechnung an|an|empfänger|destinataire|cliente|klant|aan|till|kund)"
    r"\s*[:|]\s*(?P<name>.*)|(?:bill to|sold to|spett\.?(?:le)?)\s+(?P<addressed>.+)",
    re.IGNORECASE,
)
_ABBREVIATED = re.compile(r"\.\w+$|\b(?:Inc|Ltd|Co|Corp|Bros)$")
_HEADING = re.compile(
    r"(?:invoice|rechnung|facture|factuur|fattura|factura|receipt|quittung|gutschrift|credit note)"
    r".*|(?:sub)?totals?|amount|dat(?:e|um)|page",
    re.IGNORECASE,
)
_DECORATION = " .,;:|*#_=<>\"'“”„()[]-–—"


@dataclass(frozen=True)
class Evidence:
    """A document's text with all that code can find in it."""

    text: str

    @cached_property
    def amounts(self) -> list[Amount]:
        dates = [(written.start, written.end) for written in self.dates]
        return [
            amount
            for amount in find_amounts(self.text)
            if not any(start < amount.end and amount.start < end for start, end in dates)
        ]

    @cached_property
    def dates(self) -> list[WrittenDate]:
        return find_dates(self.text)

    @cached_property
    def currencies(self) -> dict[str, str]:
        return find_currencies(self.text)

    @cached_property
    def spans(self) -> list[str]:
        """Pieces of text that could be a value, in order: cells, what follows a label, names.

        A company's name is given without what stands behind it ("Ritter GmbH, Ulm").
        """
        found: dict[str, None] = {}
        for line in self.text.splitlines():
            for piece in _pieces(line):
                clean = _clean(piece)
                if 1 < len(clean) <= SPAN_CHARS and any(map(str.isalnum, clean)):
                    found.setdefault(clean)
        return list(found)

    @cached_property
    def codes(self) -> list[str]:
        """Tokens with a digit that are no date, no money and no time: they may name something."""
        taken = [(each.start, each.end) for each in self.amounts if is_money(each)]
        dates = {(each.start, each.end) for each in self.dates}
        found = (
            code[0].strip(".")
            for code in _CODE.finditer(self.text)
            if code.span() not in dates
            and not any(start < code.end() and code.start() < end for start, end in taken)
        )
        return list(dict.fromkeys(found))

    @cached_property
    def recipients(self) -> set[frozenset[str]]:
        """Names, as sets of words, behind labels such as "Bill to:" or "Kunde |"."""
        found = set()
        lines = self.text.splitlines()
        for line, below in zip(lines, [*lines[1:], ""], strict=True):
            for cell in [line, *re.split(r"\t|\s{2,}", line)]:
                if label := _RECIPIENT.fullmatch(cell.strip()):
                    name = label["name"] or label["addressed"] or below
                    found.add(_words(_GAP.split(name.strip())[0].partition(",")[0]))
        return found - {frozenset()}

    def day_first(self) -> tuple[bool, bool]:
        """Whether dates are written day first, and whether the document itself tells."""
        told = day_comes_first(self.dates)
        if told is not None:
            return told, True
        return list(self.currencies) != ["USD"], False


def candidates(
    field: Field, evidence: Evidence, recipients: Collection[frozenset[str]] = ()
) -> list[str]:
    """What could be copied as the field's value, as it is written; at most MAX_SPANS.

    recipients: who documents of this kind are addressed to, so who did not issue them
    """
    match field.type:
        case "choice":
            return list(field.choices)
        case "currency":
            return list(evidence.currencies.values())
        case "date":
            return _date_texts(evidence)
        case "number":
            return _amount_texts(evidence, money=field.is_money)
    if field.is_identifier and evidence.codes:
        return evidence.codes[:MAX_SPANS]
    worded = [span for span in evidence.spans if _is_worded(span)]
    if field.is_issuer:
        worded = _issuers(worded, evidence, recipients) or worded
    return (worded or evidence.spans)[:MAX_SPANS]


def find_amount(written: str, evidence: Evidence) -> Amount | None:
    """The amount of the document that was copied, with its sign and currency."""
    ways = [(variants(amount), amount) for amount in evidence.amounts]
    for exactness in range(4):
        same = [amount for texts, amount in ways if written in texts[exactness : exactness + 1]]
        if same:
            return next((amount for amount in same if amount.currency), same[0])
    return None


def find_date(written: str, evidence: Evidence) -> WrittenDate | None:
    """The date of the document that was copied, as it is written there or in ISO form."""
    day_first = evidence.day_first()[0]
    return next((d for d in evidence.dates if d.text == written), None) or next(
        (d for d in evidence.dates if d.read(day_first).isoformat() == written), None
    )


def value_of(field: Field, written: object, evidence: Evidence) -> str | Decimal | None:
    """What a copied text stands for: a Decimal, an ISO date, an ISO currency code, or the text."""
    if not isinstance(written, str) or not written:
        return None
    if field.type == "number":
        amount = find_amount(written, evidence)
        return amount.value if amount else None
    if field.type == "date":
        found = find_date(written, evidence)
        return found.read(evidence.day_first()[0]).isoformat() if found else None
    if field.type == "currency":
        codes = {sign: code for code, sign in evidence.currencies.items()}
        return codes.get(written) or currency_code(written)
    return written


def is_ambiguous(written: object, evidence: Evidence) -> bool:
    """Whether a copied date could be two days and the document does not tell which."""
    found = find_date(written, evidence) if isinstance(written, str) else None
    return found is not None and found.is_ambiguous and not evidence.day_first()[1]


def is_money(amount: Amount) -> bool:
    """Whether a number looks like an amount of money: a currency, cents, or groups of thousands."""
    return bool(amount.currency or re.search(r"[.,](\d\d|[-–—]+)$|\D\d{3}$", amount.number))


def _date_texts(evidence: Evidence) -> list[str]:
    """Each as it is written and in ISO form, for a model that begins with the year."""
    day_first = evidence.day_first()[0]
    texts = [text for d in evidence.dates for text in (d.text, d.read(day_first).isoformat())]
    return list(dict.fromkeys(texts))[:MAX_SPANS]


def _amount_texts(evidence: Evidence, money: bool) -> list[str]:
    """Each in all the ways to copy it, so that the model can begin as it would.

    money: leave plain numbers out, unless there are no others
    """
    wanted = [each for each in evidence.amounts if is_money(each)] if money else []
    texts = [text for each in wanted or evidence.amounts for text in variants(each)]
    unique = list(dict.fromkeys(texts))
    half = MAX_AMOUNTS // 2
    return unique if len(unique) <= MAX_AMOUNTS else unique[:half] + unique[-half:]


def _pieces(line: str) -> Iterator[str]:
    for cell in _GAP.split(line):
        yield cell
        _, colon, value = cell.partition(":")
        if colon:
            yield value
        yield cell.partition("<")[0]
        yield from re.split(r", | [-–—/·•] |: ", value if colon else cell)
    yield from (name[0] for name in _NAMES.finditer(line))
    yield from (code[0].strip(".") for code in _CODE.finditer(line))


def _clean(piece: str) -> str:
    """The piece without what stands around it; the point of "S.r.l." or "Inc." stays."""
    text = _COMPANY.sub(r"\1", " ".join(piece.split()))
    clean = text.strip(_DECORATION)
    return clean + "." if _ABBREVIATED.search(clean) and f"{clean}." in text else clean


def _issuers(
    spans: Sequence[str], evidence: Evidence, recipients: Collection[frozenset[str]]
) -> list[str]:
    """Who may have made the document: no address, no heading, and not who it is for.

    Where companies are named, others count only at the document's head and foot.
    """
    companies = {span for span in spans if _COMPANY.fullmatch(f"{span} - ")}
    named = [
        span
        for span in spans
        if not any(recipient <= _words(span) for recipient in recipients)
        and not re.search(r"\d", span)
        and (span in companies or not _HEADING.fullmatch(span))
    ]
    if not companies & set(named):
        return named
    lines = [" ".join(line.split()) for line in evidence.text.splitlines()]
    edges = "\n".join(lines[:HEAD_LINES] + lines[-FOOT_LINES:])
    return [span for span in named if span in companies or span in edges]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))


def _is_worded(span: str) -> bool:
    """Letters make up at least half of it: no amount, date or code."""
    letters = sum(map(str.isalpha, span))
    return letters >= 2 and letters * 2 >= len(span.replace(" ", ""))
