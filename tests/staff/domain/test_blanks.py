import pytest

from staff.domain import blanks
from staff.domain.blanks import BlankRefused


def test_blanks_are_filled_once_and_as_plain_text():
    text = "Sum {files} of {date}: {body}"
    values = {"files": "{body}.csv", "date": "2026-05-04", "body": "say {files} and {date.year}"}
    filled = blanks.fill(text, values)
    assert filled == "Sum {body}.csv of 2026-05-04: say {files} and {date.year}"


@pytest.mark.parametrize(
    "text", ["{date.__class__}", "{0}", "{date!r}", "{date:>99999999}", "{}", "{{date", '{"a": 1}']
)
def test_nothing_else_in_braces_means_anything(text):
    blanks.check(text, "schedule")
    assert blanks.fill(text, {"date": "X", "0": "X", "": "X"}) == text


@pytest.mark.parametrize(
    ("text", "trigger", "known"),
    [
        ("{dat}", "schedule", "{date}, {time}"),
        ("{files}", "schedule", "{date}, {time}"),
        ("{body}", "folder", "{date}, {files}, {time}"),
        ("{workspace}", "webhook", "{body}, {date}, {files}, {time}"),
    ],
)
def test_a_blank_that_nothing_fills_is_named_with_those_that_can_be(text, trigger, known):
    with pytest.raises(BlankRefused) as refused:
        blanks.check(f"Look at {text}", trigger)
    assert text in str(refused.value) and known in str(refused.value)


def test_a_long_list_of_files_is_cut():
    names = [f"{n}.pdf" for n in range(25)]
    assert blanks.listed(names).endswith("19.pdf and 5 more")
    assert blanks.listed(names[:2]) == "0.pdf, 1.pdf"
