from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.tools.amounts import (
    currency_code,
    decimal_comma,
    find_amounts,
    find_currencies,
    parse_amount,
)

STYLES = {  # thousands and decimal signs
    "english": (",", "."),
    "german": (".", ","),
    "swiss": ("'", "."),
    "french": ("\u202f", ","),
    "swedish": (" ", ","),
    "plain": ("", "."),
}
cents = st.integers(0, 10**11)


def written(value: Decimal, style: str) -> str:
    group, point = STYLES[style]
    return f"{value:,.2f}".replace(",", "_").replace(".", point).replace("_", group)


@given(cents, st.sampled_from(sorted(STYLES)))
def test_an_amount_is_read_as_it_was_written(number: int, style: str) -> None:
    value = Decimal(number) / 100
    assert parse_amount(written(value, style)) == value


@given(cents.filter(bool), st.sampled_from(sorted(STYLES)), st.sampled_from(["EUR {}", "{} €"]))
def test_in_a_sentence_with_its_currency_and_sign(number: int, style: str, form: str) -> None:
    value = Decimal(number) / 100
    text = form.format(written(value, style))
    (plain, *_) = find_amounts(f"Bitte zahlen Sie {text} bis Montag.")
    assert (plain.value, plain.currency, plain.text) == (value, "EUR", text)
    (minus, *_) = find_amounts(f"Gutschrift  -{text} bis Montag.")
    assert minus.value == -value


@given(st.text(max_size=200))
def test_any_text_is_survived_and_spans_are_true(text: str) -> None:
    for amount in find_amounts(text):
        assert text[amount.start : amount.end].strip() == amount.text
        assert amount.number in amount.text
    find_currencies(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(12.00)", "-12.00"),
        ("12.00-", "-12.00"),
        ("−45,50 EUR", "-45.50"),
        ("£-12.50", "-12.50"),
        ("CHF 1'250.--", "1250"),
        ("12.–", "12"),
        ("1,23,456.00", "123456.00"),
        ("0,500", "0.500"),
        ("¥120,000", "120000"),
        ("1.234.567", "1234567"),
    ],
)
def test_forms(text: str, value: str) -> None:
    assert parse_amount(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "abc", "12/2024", "1.2.3", "AP-12", "12 monkeys"])
def test_what_is_no_amount(text: str) -> None:
    assert parse_amount(text) is None


def test_other_amounts_tell_what_a_lone_comma_means() -> None:
    assert [a.value for a in find_amounts("12,50 and 1,234")] == [
        Decimal("12.50"),
        Decimal("1.234"),
    ]
    assert [a.value for a in find_amounts("12.50 and 1,234")] == [Decimal("12.50"), Decimal(1234)]
    assert decimal_comma("1,234") is None
    assert parse_amount("1,234") == 1234
    assert parse_amount("1,234", comma=True) == Decimal("1.234")


def test_a_blank_may_group_or_part() -> None:
    values = [amount.value for amount in find_amounts("Desk 2 450.00")]
    assert values == [Decimal("2450.00"), Decimal("450.00")]


@pytest.mark.parametrize(
    "text",
    [
        "call +44 20 7946 0000",
        "IBAN DE89 3704 0044 0532 0130 00",
        "invoice INV-2024-001 of 2024-03-05",
        "at 10:30 on 03.04.2024",
    ],
)
def test_codes_dates_times_and_phones_are_no_amounts(text: str) -> None:
    assert find_amounts(text) == []


def test_dashes_and_brackets_mean_less_than_zero_only_in_a_cell() -> None:
    assert [a.value for a in find_amounts("- 5.00 for tea\nDesk - 120.00")] == [5, 120]
    assert [a.value for a in find_amounts("Discount     - 5.00")] == [-5]
    assert [a.value for a in find_amounts("Discount (5.00)")] == [-5]
    assert [a.value for a in find_amounts("that makes in the end five euros (EUR 5.00) net")] == [5]


def test_currencies() -> None:
    assert find_currencies("USD 5, €3 and € 4") == {"EUR": "€", "USD": "USD"}
    assert find_currencies("CAD 5 or $4") == {"CAD": "CAD"}
    assert [a.currency for a in find_amounts("$4, all in CAD")] == ["CAD"]
    assert currency_code("Fr.") == "CHF"
    assert currency_code("euros") == "EUR"
    assert currency_code("kr") is None
