from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inference.base import ChatRequest
from orchestrator.inference.scripted import ScriptedModel
from orchestrator.tools.base import ToolContext, ToolError
from orchestrator.tools.candidates import MAX_SPANS, SPAN_CHARS, Evidence, candidates, value_of
from orchestrator.tools.extraction import extract, extract_list
from orchestrator.tools.fields import Field, column_for, parse_fields
from orchestrator.tools.folder import GoalFolder
from orchestrator.tools.sums import sums

INVOICE = {
    "vendor": "text",
    "invoice_number": "text",
    "date": "date",
    "currency": "currency",
    "total": "number",
}
LETTER = b"""Ritter & Co. GmbH, Ulm         Rechnung RE-25/118
Kunde: Nordwind Office          11.06.2026

Tische        1.000,00
MwSt. 19 %      190,00
Gesamt        1.190,00 EUR
"""


def scripted(context: ToolContext, *answers: str | dict[str, str]) -> ScriptedModel:
    model = ScriptedModel([a if isinstance(a, str) else json.dumps(a) for a in answers])
    context.model = lambda purpose, request: model.complete(request)
    return model


def of(name: str, kind: str = "text") -> Field:
    return parse_fields({name: kind})[0]


def test_a_row_is_copied_read_and_named(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", LETTER)
    answer = {
        "vendor": "Ritter & Co. GmbH",
        "invoice_number": "RE-25/118",
        "date": "11.06.2026",
        "total": "1.190,00",
    }
    model = scripted(context, answer)
    assert extract(context, "a.txt", INVOICE) == [
        {
            "vendor": "Ritter & Co. GmbH",
            "invoice_number": "RE-25/118",
            "date": "2026-06-11",
            "currency": "EUR",
            "total": Decimal("1190.00"),
            "source": "a.txt",
        }
    ]
    assert context.notes == []
    (request,) = model.requests
    assert "currency" not in request.messages[1].content.partition("Document:")[0]


def test_the_grammar_admits_only_what_is_written(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", LETTER)
    model = scripted(context, {})
    extract(context, ["a.txt"], {"total": "number", "vendor": "text"})
    grammar = model.requests[0].grammar or ""
    assert "190,00" in grammar and "RE-25" not in grammar.partition("vendor")[0]
    assert "char" not in grammar  # no free text anywhere


def test_what_is_not_in_the_document_does_not_come_out(
    context: ToolContext, folder: GoalFolder
) -> None:
    folder.write("a.txt", LETTER)
    scripted(context, {"vendor": "", "invoice_number": "", "date": "12.06.2026", "total": "7,00"})
    (row,) = extract(context, ["a.txt"], INVOICE)
    assert [row[name] for name in INVOICE] == [None, None, None, "EUR", None]
    assert context.notes == [
        f"a.txt: {name} could not be read" for name in ("vendor", "invoice_number", "date", "total")
    ]


def test_a_part_taken_for_the_total_is_asked_about(
    context: ToolContext, folder: GoalFolder
) -> None:
    folder.write("a.txt", LETTER)
    model = scripted(context, {"total": "1.000,00"}, {"total": "1.190,00 EUR"})
    (row,) = extract(context, ["a.txt"], {"total": "number"})
    assert row["total"] == Decimal("1190.00")
    assert "1000.00 + 190.00 = 1190.00" in model.requests[1].messages[-1].content
    assert context.notes == []


def test_a_doubtful_total_that_is_kept_is_noted(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", LETTER)
    scripted(context, {"total": "1.000,00"}, {"total": "1.000,00"})
    (row,) = extract(context, ["a.txt"], {"total": "number"})
    assert row["total"] == Decimal("1000.00")
    assert context.notes == ["a.txt: total was read as 1.000,00, though 1000.00 + 190.00 = 1190.00"]


def test_a_credit_note_with_a_positive_total_is_noted(
    context: ToolContext, folder: GoalFolder
) -> None:
    folder.write("a.txt", b"CREDIT NOTE 17\nTotal 12.00 EUR")
    folder.write("b.txt", b"CREDIT NOTE 18\nTotal   -12.00 EUR")
    scripted(context, {"total": "12.00"}, {"total": "12.00"})
    rows = extract(context, ["a.txt", "b.txt"], {"total": "number"})
    assert [row["total"] for row in rows] == [12, -12]
    assert context.notes == ["a.txt: it seems to be a credit note, but total is 12.00"]


def test_a_date_that_may_be_two_is_flagged(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("uk.txt", b"Date 03/04/2026, to pay GBP 5.00")
    folder.write("us.txt", b"Date 03/04/2026, to pay $5.00")
    folder.write("sure.txt", b"Date 03/04/2026, due 04/17/2026, GBP 5.00")
    context.model = lambda purpose, request: ScriptedModel(['{"date": "03/04/2026"}']).complete(
        request
    )
    rows = extract(context, ["uk.txt", "us.txt", "sure.txt"], {"date": "date"})
    assert [row["date"] for row in rows] == ["2026-04-03", "2026-03-04", "2026-03-04"]
    assert context.notes == [
        "uk.txt: date 03/04/2026 was read day first: 2026-04-03",
        "us.txt: date 03/04/2026 was read month first: 2026-03-04",
    ]


def test_a_table_whose_header_names_the_fields_needs_no_model(
    context: ToolContext, folder: GoalFolder
) -> None:
    folder.write(
        "a.csv", b"Supplier;Invoice No;Amount;Date\nAcme;A-1;1.250,50;2026-03-01\nBolt;B-2;;\n"
    )
    rows = extract(context, ["a.csv"], INVOICE)
    assert rows[0] == {
        "vendor": "Acme",
        "invoice_number": "A-1",
        "date": "2026-03-01",
        "currency": None,
        "total": Decimal("1250.50"),
        "source": "a.csv",
    }
    assert rows[1]["total"] is None
    assert "a.csv: total could not be read" in context.notes


def test_the_lines_of_one_invoice_are_a_document(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.csv", b"item,qty,price\nDesk,2,100.00\nTotal,,200.00\n")
    model = scripted(context, {"vendor": "", "total": "200.00"})
    rows = extract(context, ["a.csv"], {"vendor": "text", "total": "number"})
    assert [row["total"] for row in rows] == [Decimal("200.00")]
    assert len(model.requests) == 1


def test_one_bad_file_does_not_stop_the_others(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", LETTER)
    folder.write("b.pdf", b"%PDF-1.7 nothing")
    scripted(context, {"total": "1.190,00 EUR"})
    rows = extract(context, ["b.pdf", "a.txt"], {"total": "number"})
    assert [row["source"] for row in rows] == ["a.txt"]
    assert [bad.name for bad in context.problems] == ["b.pdf"]


def test_an_answer_that_was_cut_reads_nothing(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", LETTER)
    scripted(context, '{"total": "1.190')
    assert extract(context, ["a.txt"], {"total": "number"})[0]["total"] is None


def test_a_long_document_is_cut_with_a_note(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", b"one line of it\n" * 1000 + b"Total 5.00")
    model = scripted(context, {"total": "5.00"})
    assert extract(context, ["a.txt"], {"total": "number"})[0]["total"] == 5
    assert context.notes == ["a.txt: it is long, so only its beginning and its end were read"]
    assert len(model.requests[0].messages[1].content) < 4000


@pytest.mark.parametrize("kind", ["str", "amount", "float", "a|b", "text: who sent it", "Date"])
def test_types_go_by_many_names(kind: str) -> None:
    assert parse_fields({"x": kind})[0].type in ("text", "number", "date", "choice")


def test_an_unknown_type_is_told_with_those_there_are() -> None:
    with pytest.raises(ToolError, match='total has the type "nummer"; use "text", "number"'):
        parse_fields({"total": "nummer"})
    with pytest.raises(ToolError, match="fields is empty"):
        parse_fields({})


def test_choices_are_the_only_values(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", LETTER)
    model = scripted(context, {"status": "open"})
    assert extract(context, ["a.txt"], {"status": "paid|open"})[0]["status"] == "open"
    assert "open" in (model.requests[0].grammar or "")


def test_columns_are_found_by_usual_names() -> None:
    assert column_for(of("vendor"), ["Lieferant", "Betrag"]) == "Lieferant"
    assert column_for(of("total", "number"), ["Lieferant", "Betrag"]) == "Betrag"
    assert column_for(of("invoice_number"), ["Invoice No."]) == "Invoice No."
    assert column_for(of("total", "number"), ["qty", "item"]) is None


def test_who_the_document_is_for_did_not_issue_it() -> None:
    evidence = Evidence("Rechnung\nNordwind Office     Ritter GmbH\nWeg 2       70173 Ulm")
    other = Evidence("Bill to: Nordwind Office")
    assert "Nordwind Office" in candidates(of("vendor"), evidence)
    assert candidates(of("vendor"), evidence, other.recipients) == ["Ritter GmbH"]


def test_names_keep_their_points_and_lose_their_taglines() -> None:
    spans = Evidence("Olio e Vino S.r.l.  -  Via Roma\nRitter GmbH - Büro\nAcme Inc.\n").spans
    assert {"Olio e Vino S.r.l.", "Ritter GmbH", "Acme Inc."} <= set(spans)
    assert "Ritter GmbH - Büro" not in spans


def test_codes_are_no_amounts_dates_or_times() -> None:
    text = "Invoice AP-2291 of 12.03.2026 14:32, 1.250,00 EUR, ref FV 12/06/2025"
    assert Evidence(text).codes == ["AP-2291", "FV 12/06/2025"]


def test_sums_that_a_document_shows() -> None:
    text = "Desk 2 220,00\nFees 150,00\nNet 2 370,00\nTax 237,00\nTotal 2 607,00 EUR"
    assert {str(each.total.value) for each in sums(Evidence(text))} >= {"2370.00", "2607.00"}
    assert sums(Evidence("5.00\n6.00\n7.00")) == []


@given(st.text(max_size=400), st.sampled_from(["vendor", "order_id", "total", "date", "currency"]))
def test_every_candidate_is_written_in_the_text_and_can_be_read(text: str, name: str) -> None:
    kinds = {"total": "number", "date": "date", "currency": "currency"}
    wanted, evidence = of(name, kinds.get(name, "text")), Evidence(text)
    found = candidates(wanted, evidence)
    assert len(found) <= MAX_SPANS and all(
        len(each) <= SPAN_CHARS or name != "vendor" for each in found
    )
    assert all(value_of(wanted, each, evidence) is not None for each in found)
    if name in ("vendor", "order_id", "currency"):
        flat = " ".join(text.split())
        assert all(" ".join(each.split()) in flat for each in found)


def test_an_amount_or_date_may_be_copied_in_plain_form() -> None:
    evidence = Evidence("Beratung 345.70\nTotal 3'400.50 CHF, 12.03.2026, bis 11.04.2026")
    amounts, dates = (
        candidates(of("total", "number"), evidence),
        candidates(of("day", "date"), evidence),
    )
    assert {"3'400.50", "3'400.50 CHF", "3400.50", "3,400.50"} <= set(amounts)
    assert value_of(of("total", "number"), "3400.50", evidence) == Decimal("3400.50")
    assert dates == ["12.03.2026", "2026-03-12", "11.04.2026", "2026-04-11"]
    assert value_of(of("day", "date"), "2026-04-11", evidence) == "2026-04-11"


NOTES = b"""Weekly, 12 March 2026
Priya, Tom (Marek is ill)

Tom will move the server by Friday. Priya asks two customers by 18 March.
"""
ACTIONS = {"owner": "text", "task": "text", "due": "date"}


def listing(*records: tuple[str, str, str]) -> str:
    return json.dumps([dict(zip(ACTIONS, record, strict=True)) for record in records])


def test_records_are_listed_and_their_days_reckoned(
    context: ToolContext, folder: GoalFolder
) -> None:
    folder.write("a.txt", NOTES)
    first = ("Tom", "move the server", "Friday")
    scripted(context, listing(first, ("Priya", "ask two customers", "18 March"), first))
    assert extract_list(context, "a.txt", ACTIONS) == [
        {"owner": "Tom", "task": "move the server", "due": "2026-03-13", "source": "a.txt"},
        {"owner": "Priya", "task": "ask two customers", "due": "2026-03-18", "source": "a.txt"},
    ]


def test_records_that_the_document_does_not_say_are_left_out(
    context: ToolContext, folder: GoalFolder
) -> None:
    folder.write("a.txt", NOTES)
    wrong = [("Priya", "move the server", "Friday"), ("Tom", "buy a yellow submarine", "")]
    scripted(context, listing(*wrong, ("Tom", "move 3 servers", "")))
    assert extract_list(context, "a.txt", ACTIONS) == []
    assert context.notes == [
        'a.txt: left out a record: "move the server" is not said of Priya',
        'a.txt: left out a record: the document does not say "buy a yellow submarine"',
        'a.txt: left out a record: the document does not say "move 3 servers"',
    ]


def test_a_label_is_nobody(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", b"Risk: address data. Marek to write by 10 April 2026.\nPriya: call Bob.")
    model = scripted(context, "[]")
    extract_list(context, "a.txt", {"owner": "text"})
    grammar = model.requests[0].grammar or ""
    assert all(f'{name}"' in grammar or name[1:] in grammar for name in ("Marek", "Bob"))
    assert "Risk" not in grammar and "April" not in grammar


def test_a_list_that_was_cut_keeps_its_whole_records(
    context: ToolContext, folder: GoalFolder
) -> None:
    folder.write("a.txt", NOTES)
    scripted(context, listing(("Tom", "move the server", ""))[:-1] + ', {"owner": "Pri')
    (row,) = extract_list(context, "a.txt", ACTIONS)
    assert (row["owner"], row["due"]) == ("Tom", None)


def test_owners_and_days_can_only_be_copied(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("a.txt", NOTES)
    model = scripted(context, "[]")
    extract_list(context, "a.txt", ACTIONS)
    owners, _, rest = (model.requests[0].grammar or "").partition("task")
    assert "Priya" in owners and "char" not in owners.partition("item")[2].partition("::=")[2]
    assert "Friday" in rest


def test_calls_run_side_by_side(context: ToolContext, folder: GoalFolder) -> None:
    def answer(request: ChatRequest) -> str:
        number = request.messages[1].content.rpartition(" ")[2]
        return json.dumps({"total": number})

    names = [f"{number}.txt" for number in range(9)]
    for name in names:
        folder.write(name, f"Total {name[0]}.50".encode())
    model: Callable[..., object] = ScriptedModel(answer).complete
    quiet = replace(context, model=lambda purpose, request: model(request))  # type: ignore[arg-type]
    rows = extract(quiet, names, {"total": "number"})
    assert [str(row["total"]) for row in rows] == [f"{number}.50" for number in range(9)]
