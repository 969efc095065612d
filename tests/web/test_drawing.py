"""Pure parts of the pages: the drawn plan, previews, and numbers as people read them."""

from __future__ import annotations

import io
from types import SimpleNamespace

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.goals.graphs import HEIGHT, WIDTH, draw
from web.goals.previews import MAX_ROWS, markdown_html, preview
from web.templatetags.office import lasting, short, size


def step(key, *after):
    return SimpleNamespace(key=key, title=f"Step {key}", after=list(after))


@given(st.integers(0, 12).flatmap(lambda n: st.lists(st.integers(0, max(0, n)), max_size=30)))
def test_steps_never_overlap_and_edges_go_right(numbers):
    count = max(numbers, default=0) + 1
    after = {n: {m for m in numbers[n::count] if m < n} for n in range(count)}
    graph = draw([step(str(n), *map(str, sorted(after[n]))) for n in range(count)])
    places = {node.step.key: (node.x, node.y) for node in graph.nodes}
    assert len(set(places.values())) == count
    for node in graph.nodes:
        assert 0 <= node.x <= graph.width - WIDTH and 0 <= node.y <= graph.height - HEIGHT
        assert all(places[key][0] < node.x for key in node.step.after)
    assert len(graph.edges) == sum(map(len, after.values()))


def test_circles_and_unknown_steps_are_still_drawn():
    graph = draw([step("a", "b"), step("b", "a"), step("c", "nowhere")])
    assert len(graph.nodes) == 3


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](https://elsewhere.example/x.png)",
        '<a href="x" style="color:red" onclick="y()">z</a>',
        "[x](data:text/html;base64,AAAA)",
    ],
)
def test_markdown_holds_nothing_active(text):
    html = markdown_html(text)
    for bad in ("<script", "<img", 'href="javascript', '<a href="x"', 'href="data'):
        assert bad not in html


def test_what_an_answer_cites_can_be_looked_at():
    html = markdown_html("It is Friday [m12]. Not code: `x` and [m13](https://example.org).")
    assert '<a href="/memory/12" rel="noopener noreferrer">m12</a>' in html
    assert "/memory/13" not in html


def test_tables_are_cut_at_200_rows_and_numbers_stand_right():
    shown = preview("a.csv", b"name,sum\r\n" + b"x,1.5\r\n" * 300)
    assert shown.columns == ["name", "sum"] and len(shown.rows) == MAX_ROWS and shown.cut
    assert shown.numeric == {1}
    whole = preview("a.csv", "name;sum\nMüller;3\n".encode("utf-8-sig"))
    assert whole.rows == [["Müller", "3"]] and not whole.cut


def test_workbooks_json_and_text():
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append([1, None])
    out = io.BytesIO()
    book.save(out)
    assert preview("a.xlsx", out.getvalue()).rows == [["1", ""]]
    assert preview("a.json", b'{"a":1}').text == '{\n  "a": 1\n}'
    assert preview("a.json", b"{nope").text == "{nope"
    assert preview("notes.txt", b"one\xff").text == "one\ufffd"


@pytest.mark.parametrize("name", ["a.xlsx", "a.pdf", "a.docx", "a.bin"])
def test_damaged_files_say_so(name):
    assert preview(name, b"PK\x03\x04\0broken").problem


@given(st.text(max_size=60), st.sampled_from([".csv", ".tsv", ".json", ".md", ".txt", ".html"]))
def test_any_text_can_be_previewed(text, ending):
    preview("a" + ending, text.encode("utf-8", "replace"))


def test_numbers_as_people_read_them():
    assert [size(n) for n in (0, 999, 1500, 12_345_678)] == ["0 B", "999 B", "1.5 kB", "12 MB"]
    assert [short(n) for n in (999, 9_999, 18_450, 3_100_000)] == ["999", "9,999", "18.4k", "3.1M"]
    assert [lasting(s) for s in (None, 42, 185, 1260, 7_800)] == [
        "0 s",
        "42 s",
        "3 min 5 s",
        "21 min",
        "2 h 10 min",
    ]
