"""The fields that a program asks a document for, and what usual ones are called in the wild."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from orchestrator.tools.base import ToolError

TYPES = {
    "text": ("text", "str", "string", "name", "id"),
    "number": ("number", "amount", "money", "decimal", "float", "int", "integer", "price"),
    "date": ("date", "datetime", "day"),
    "currency": ("currency",),
}
_TYPE_OF = {synonym: type_ for type_, synonyms in TYPES.items() for synonym in synonyms}

# name: (what it means, other names for it). The first match by name wins.
_USUAL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "vendor": (
        "company or person that issued the document and wants to be paid, not its recipient",
        ("supplier", "seller", "issuer", "payee", "lieferant", "fournisseur", "proveedor"),
    ),
    "customer": (
        "who the document is sent to and who has to pay",
        ("client", "buyer", "bill to", "kunde", "klant", "cliente"),
    ),
    "invoice_number": (
        "number or code that names this document",
        (
            *("invoice", "invoice no", "invoice id", "invoice nr", "invoice #", "document number"),
            *("number", "rechnungsnummer", "rechnungsnr", "facture", "numéro", "factuurnummer"),
        ),
    ),
    "due_date": (
        "last day to pay",
        ("due by", "payable by", "fällig", "zahlbar bis", "échéance"),
    ),
    "date": (
        "day the document was issued, not when it is due",
        ("invoice date", "issued", "issue date", "datum", "rechnungsdatum", "fecha", "dated"),
    ),
    "subtotal": ("amount before tax", ("net", "net amount", "netto", "montant ht")),
    "tax": ("amount of tax", ("vat", "vat amount", "mwst", "ust", "tva", "iva", "btw")),
    "total": (
        "final amount to pay, tax included",
        (
            *("amount", "amount due", "total due", "grand total", "gross", "invoice total", "sum"),
            *("betrag", "gesamtbetrag", "montant", "montant ttc", "importe", "bedrag", "brutto"),
        ),
    ),
    "owner": ("the person who is to do it", ("assignee", "responsible", "who", "person")),
    "task": ("what that person is to do", ("action", "action item", "todo", "to do")),
    "due": ("the day by which it is to be done", ("deadline", "until")),
    "currency": ("", ("ccy", "cur", "währung", "devise", "moneda", "valuta")),
}
_IDENTIFIER = re.compile(r"(?:^|_)(number|no|nr|num|id|ref|reference|code|sku|iban|account)s?$")
_TOTAL = re.compile(r"total|due|gross|to_pay|payable|balance|brutto|ttc")
_PHRASE = re.compile(
    r"task|action|item|description|decision|topic|what|note|subject|summary|risk|question|reason"
)
_MONEY = re.compile(r"amount|price|cost|fee|tax|vat|net|paid|sum|discount|betrag|montant|tva|mwst")
_PART = re.compile(r"sub|net|tax|vat|before|paid|discount|date|line|item|unit")


@dataclass(frozen=True)
class Field:
    """One field to read.

    type:    "text", "number", "date", "currency" or "choice"
    hint:    what it means, for the model
    choices: the values that a "choice" may have
    """

    name: str
    type: str
    hint: str = ""
    choices: tuple[str, ...] = ()

    @property
    def is_identifier(self) -> bool:
        """A number or code by its name ("invoice_number", "order_id"): it holds a digit."""
        return self.type == "text" and bool(_IDENTIFIER.search(_snake(self.name)))

    @property
    def is_issuer(self) -> bool:
        """Who made the document: never the one that it is addressed to."""
        return _snake(self.name) in map(_snake, ("vendor", *_USUAL["vendor"][1]))

    @property
    def is_person(self) -> bool:
        """Somebody by name ("owner", "assignee")."""
        return self.type == "text" and _snake(self.name) in map(
            _snake, ("owner", *_USUAL["owner"][1])
        )

    @property
    def is_phrase(self) -> bool:
        """Words that say something ("task", "decision"), rather than a name to copy."""
        return self.type == "text" and bool(_PHRASE.search(_snake(self.name)))

    @property
    def is_money(self) -> bool:
        name = _snake(self.name)
        return self.type == "number" and bool(_MONEY.search(name) or _TOTAL.search(name))

    @property
    def is_total(self) -> bool:
        """An amount that should be the sum of others in the document."""
        name = _snake(self.name)
        return self.type == "number" and bool(_TOTAL.search(name)) and not _PART.search(name)


def parse_fields(fields: Mapping[str, str]) -> list[Field]:
    """{"total": "number", "status": "paid|open", "vendor": "text: who sent it"} as Fields.

    Raises ToolError that names the types for one that there is not.
    """
    if not fields:
        raise ToolError('fields is empty; give {"name": "type"}, such as {"total": "number"}')
    return [_field(str(name), str(spec)) for name, spec in fields.items()]


def column_for(field: Field, columns: Iterable[str]) -> str | None:
    """The column of a table that holds a field: by its own name, a usual one, or nearly so."""
    plain = {_snake(column): column for column in columns}
    wished = [_snake(field.name)]
    for usual, (_, others) in _USUAL.items():
        names = [_snake(name) for name in (usual, *others)]
        if _snake(field.name) in names:
            wished += names
    for name in wished:
        if name in plain:
            return plain[name]
    near = get_close_matches(_snake(field.name), plain, 1, 0.85)
    return plain[near[0]] if near else None


def _field(name: str, spec: str) -> Field:
    kind, _, described = (part.strip() for part in spec.partition(":"))
    hint = described or _usual_hint(name)
    if "|" in kind:
        choices = tuple(part.strip() for part in kind.split("|") if part.strip())
        return Field(name, "choice", hint, choices)
    known = _TYPE_OF.get(kind.casefold())
    if known is None:
        raise ToolError(
            f'the field {name} has the type "{kind}"; use "text", "number", "date", "currency" '
            'or choices such as "paid|open"'
        )
    return Field(name, known, hint)


def _usual_hint(name: str) -> str:
    wanted = _snake(name)
    for usual, (hint, others) in _USUAL.items():
        if wanted in (usual, *map(_snake, others)):
            return hint
    return ""


def _snake(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
