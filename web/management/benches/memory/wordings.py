"""Five facts in three wordings each become five rows, and what only looks alike stays apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator import memory as memories
from orchestrator import runtime
from orchestrator.inference.base import ChatModel, InferenceError
from orchestrator.memory import consolidation
from staff import queries
from staff.actions.memory import Draft, scope_of
from staff.actions.people import open_workspace
from staff.models import Memory, User

Row = tuple[str, str, str]  # subject, attribute, value

# On these the rules and the question to the model were tried; on the held-out ones nothing was.
DEV: list[list[Row]] = [
    [
        ("Ann Miller", "phone", "044 512 33 10"),
        ("Ann Miller", "phone number", "044-512-33-10"),
        ("Ann Miller", "telephone", "044 512 33 10"),
    ],
    [
        ("Birch Ltd", "payment term", "30 days"),
        ("Birch Ltd", "terms of payment", "30 days"),
        ("Birch Ltd", "days to pay", "30 days"),
    ],
    [
        ("the printer", "location", "room 12"),
        ("printer", "place", "Room 12"),
        ("Printer", "where it stands", "room 12"),
    ],
    [
        ("our lease", "end date", "31 March 2027"),
        ("our lease", "expiry", "2027-03-31"),
        ("our lease", "ends on", "31 March 2027"),
    ],
    [
        ("Tom", "birthday", "4 May"),
        ("Tom", "date of birth", "4 May"),
        ("Tom", "day of birth", "4 May"),
    ],
    [
        ("Cedar AG", "email", "office@cedar.example"),
        ("Cedar AG", "e-mail address", "office@cedar.example"),
        ("Cedar AG", "mail address", "office@cedar.example"),
    ],
    [
        ("the office rent", "amount", "CHF 4,500"),
        ("office rent", "monthly cost", "CHF 4500"),
        ("Office rent", "price", "4'500 CHF"),
    ],
    [
        ("Maria Rossi", "employer", "Larch and Sons"),
        ("Maria Rossi", "company", "Larch and Sons"),
        ("Maria Rossi", "works for", "Larch and Sons"),
    ],
    [
        ("the board", "meeting day", "first Monday of the month"),
        ("board", "meets on", "first Monday of the month"),
        ("Board", "day of meetings", "the first Monday of the month"),
    ],
    [
        ("contract 118", "signing date", "12 June 2026"),
        ("contract 118", "signed on", "12 June 2026"),
        ("contract 118", "date of signature", "2026-06-12"),
    ],
]
DEV_APART: list[tuple[Row, Row]] = [
    (("Ann Miller", "birthplace", "Bern"), ("Ann Miller", "place of work", "Bern")),
    (("Birch Ltd", "minimum order", "50"), ("Birch Ltd", "maximum order", "50")),
    (("Ann Miller", "phone", "044 512 33 10"), ("Ann Moser", "phone", "044 512 33 10")),
    (("Cedar AG", "discount", "5 percent"), ("Cedar AG", "discount", "15 percent")),
    (("Cedar AG", "buyer", "Larch"), ("Cedar AG", "seller", "Larch")),
    (("Maria Rossi", "home address", "Elm Road 3"), ("Maria Rossi", "work address", "Elm Road 3")),
    (("Maria Rossi", "mother", "Ada"), ("Maria Rossi", "daughter", "Ada")),
    (("the fair", "start date", "3 May 2026"), ("the fair", "end date", "3 May 2026")),
    (("the fair", "opening", "3 May 2026"), ("the fair", "opening day", "3 May 2027")),
    (("the alarm", "armed at night", "yes"), ("the alarm", "not armed at night", "yes")),
    (("Paul", "car", "a red van"), ("Paula", "car", "a red van")),
    (("shop north", "manager", "Ida"), ("shop south", "manager", "Ida")),
    (("Lime AG", "approved", "yes"), ("Lime AG", "paid", "yes")),
]
HELD_OUT: list[list[Row]] = [
    [
        ("Dr. Weiss", "mobile", "079 330 21 45"),
        ("Dr. Weiss", "mobile number", "079-330-21-45"),
        ("Dr. Weiss", "cell phone", "079 330 21 45"),
    ],
    [
        ("Poplar GmbH", "tax number", "DE 812 445 901"),
        ("Poplar GmbH", "VAT ID", "DE 812445901"),
        ("Poplar GmbH", "VAT identification", "DE812445901"),
    ],
    [
        ("the archive key", "storage", "the blue cabinet"),
        ("archive key", "kept in", "blue cabinet"),
        ("Archive key", "where it is kept", "the blue cabinet"),
    ],
    [
        ("Samira", "job", "head of logistics"),
        ("Samira", "position", "Head of Logistics"),
        ("Samira", "role", "head of logistics"),
    ],
    [
        ("the audit", "deadline", "30 September 2026"),
        ("the audit", "due date", "2026-09-30"),
        ("the audit", "due on", "30 September 2026"),
    ],
]
HELD_OUT_APART: list[tuple[Row, Row]] = [
    (("Poplar GmbH", "fax", "030 44 55 66"), ("Poplar GmbH", "phone", "030 44 55 67")),
    (("Poplar GmbH", "lender", "Aspen Bank"), ("Poplar GmbH", "borrower", "Aspen Bank")),
    (("Samira", "office door", "B 210"), ("Samira", "locker door", "B 210")),
    (("Samira", "deputy", "Jonas"), ("Samira", "supervisor", "Jonas")),
    (("the pool", "opens at", "9 am"), ("the pool", "closes at", "9 am")),
    (("the audit", "deadline", "30 September 2026"), ("the audit", "deadline", "30 June 2026")),
    (("Dr. Weiss", "is available", "on Fridays"), ("Dr. Weiss", "is not available", "on Fridays")),
    (("Anton", "bicycle", "green"), ("Antonia", "bicycle", "green")),
    (("flat 3", "tenant", "Ms Okoro"), ("flat 13", "tenant", "Ms Okoro")),
    (("Poplar GmbH", "insured", "yes"), ("Poplar GmbH", "certified", "yes")),
    (("Samira", "arrived from", "Lisbon"), ("Samira", "left for", "Lisbon")),
    (("the van", "price", "9,500 EUR"), ("the van", "price", "9,500 USD")),
]


def run(boss: User, say: Callable[[str], None], **_: Any) -> dict[str, Any]:
    model = _model(say)
    dev = _consolidated(boss, "dev wordings", DEV, DEV_APART, model, say)
    held = _consolidated(boss, "held-out wordings", HELD_OUT, HELD_OUT_APART, model, say)
    code = _consolidated(boss, "held-out, code alone", HELD_OUT, HELD_OUT_APART, None, say)
    return {
        "rows_after_consolidation": held[0],
        "wrong_merges": held[1] + dev[1] + code[1],
        "rows_after_consolidation_dev": dev[0],
        "rows_after_consolidation_without_model": code[0],
    }


def _consolidated(
    boss: User,
    name: str,
    facts: list[list[Row]],
    apart: list[tuple[Row, Row]],
    model: ChatModel | None,
    say: Callable[[str], None],
) -> tuple[int, int]:
    """(rows that are left of the wordings, wrong merges)"""
    scope = scope_of(open_workspace(boss, name))
    meant: dict[int, object] = {}
    for number, wordings in enumerate(facts):
        for row in wordings:
            meant[_keep(scope, row)] = number
    looking_alike = []
    for number, pair in enumerate(apart):
        place = scope_of(open_workspace(boss, f"{name} {number}"))
        looking_alike.append(place)
        for side, row in enumerate(pair):
            meant.setdefault(_keep(place, row), (number, side))
    merged = []
    asked = tokens = 0
    for each in [scope, *looking_alike]:
        report = consolidation.consolidate(each, model, 100_000)
        merged += report.merged
        asked, tokens = asked + report.asked, tokens + report.tokens
    wrong = [(kept, other) for kept, other in merged if meant[kept] != meant[other]]
    for pair in wrong:
        texts = Memory.objects.filter(pk__in=pair).values_list("text", flat=True)
        say(f"wrongly merged: {' / '.join(texts)}")
    left = queries.current_facts(scope)
    say(
        f"{name}: {sum(map(len, facts))} rows became {len(left)} ({len(facts)} is right); "
        f"{len(wrong)} of {len(apart)} pairs that look alike merged; "
        f"{asked} questions to a model, {tokens} tokens"
    )
    return len(left), len(wrong)


def _keep(scope: Any, row: Row) -> int:
    subject, attribute, value = row
    fact = Draft(kind="fact", subject=subject, attribute=attribute, value=value)
    kept = memories.remember(scope, [fact])[0].memory
    assert kept is not None
    return kept.pk


def _model(say: Callable[[str], None]) -> ChatModel | None:
    try:
        return runtime.chat_model()
    except InferenceError as reason:
        say(f"without a model: {reason}")
        return None
