import pytest

from staff.domain.merging import Statement, value_key, verdict


def fact(subject, attribute, value, text=""):
    return Statement(subject, attribute, value, text or f"{subject} {attribute}: {value}")


@pytest.mark.parametrize(
    "one, other, said",
    [
        (("Ann", "phone", "044 1"), ("Ann", "phone number", "044-1"), "same"),
        (("the office", "rent", "CHF 4,500"), ("Office", "rent", "4500 CHF"), "same"),
        (("audit", "due date", "30 June 2026"), ("the audit", "due on", "2026-06-30"), "same"),
        (("Ann", "phone", "044 1"), ("Ann", "telephone", "044 1"), "ask"),
        (("Ann", "phone", "044 1"), ("Ann Miller", "phone", "044 1"), "ask"),
        (("Ann", "phone", "044 1"), ("Tom", "phone", "044 1"), "apart"),
        (("Ann", "phone", "044 1"), ("Ann", "phone", "044 2"), "apart"),
        (("Ann", "temperature", "-5 degrees"), ("Ann", "temperature", "5 degrees"), "apart"),
        (("Ann", "price", "5 EUR"), ("Ann", "price", "5 USD"), "apart"),
        (("Ann", "home address", "Elm 3"), ("Ann", "work address", "Elm 3"), "apart"),
        (("Ann", "paid", "yes"), ("Ann", "approved", "yes"), "apart"),
        (("Ann", "age", "40"), ("Ann", "shoe size", "40"), "apart"),
        (("the alarm", "armed", "at night"), ("the alarm", "not armed", "at night"), "apart"),
        (("flat 3", "tenant", "Ida"), ("flat 13", "tenant", "Ida"), "apart"),
    ],
)
def test_what_is_one_and_what_only_looks_like_it(one, other, said):
    assert verdict(fact(*one), fact(*other)) == said
    assert verdict(fact(*other), fact(*one)) == said


def test_the_words_of_the_text_count_too():
    plain = ("Ann", "contract", "signed")
    one = fact(*plain, text="The contract of Ann with Birch is signed")
    assert verdict(one, fact(*plain, text="The contract of Ann with Cedar is signed")) == "apart"
    assert verdict(one, fact(*plain, text="The contract of Ann is signed")) == "ask"
    assert (
        verdict(one, fact(*plain, text="The contract of Ann with Birch is not signed")) == "apart"
    )


@pytest.mark.parametrize("value", ["", "?", "ja", "1.5", "C++", "日本", "x" * 1000, "4'500.50 CHF"])
def test_any_value_has_a_key(value):
    assert value_key(value) == value_key(f" {value} ")
    assert value_key("C++") != value_key("C") and value_key("1.5") != value_key("15")
