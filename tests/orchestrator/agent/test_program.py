"""Programs: what they can say, what comes back when they are wrong, what they may cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from orchestrator.agent.program import Cancelled, Limits, ProgramError, extract_source, run
from orchestrator.tools.base import ToolError

ROWS = [
    {"vendor": "Acme", "total": Decimal("10.50")},
    {"vendor": "Beta", "total": None},
    {"vendor": "Acme", "total": 3.25},
]


def read_table(name: str) -> list[dict[str, Any]]:
    if name != "records.csv":
        raise ToolError(f'there is no file "{name}"; the files are: records.csv')
    return ROWS


def sum_by(rows: list[dict[str, Any]], by: str, value: str) -> int:
    return len(rows)


FUNCTIONS = {"read_table": read_table, "sum_by": sum_by}


def result(source: str, **variables: Any) -> Any:
    return run(source, FUNCTIONS, variables=variables)["x"]


def error(source: str, limits: Limits = Limits()) -> ProgramError:  # noqa: B008
    with pytest.raises(ProgramError) as caught:
        run(source, FUNCTIONS, limits)
    return caught.value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1 + 2 * 3 - 4", 3),
        ("x = 7 / 2", Decimal("3.5")),
        ("x = 0.1 + 0.2", Decimal("0.3")),
        ("x = -7 // 2", -4),
        ("x = -7.5 % 2", Decimal("0.5")),
        ("x = 2 ** 10", 1024),
        ("x = round(2.675, 2)", Decimal("2.68")),
        ("x = round(2.5)", 3),
        ("x = f'{1234.5:,.2f} {7:02} {0.25:.0%}'", "1,234.50 07 25%"),
        ("x = f'{0.125:.2f}'", "0.13"),
        ("x = [a for a in range(5) if a % 2]", [1, 3]),
        ("x = {k: v for k, v in [('a', 1)]}", {"a": 1}),
        ("x = sorted(['b', 'A'], key=lambda t: t.lower(), reverse=True)", ["b", "A"]),
        ("x = min([3, 1, 2])", 1),
        ("x = max([], default=0)", 0),
        ("x = 'a' if 1 < 2 <= 2 else 'b'", "a"),
        ("x = [1, 2, 3, 4][1:-1]", [2, 3]),
        ("x = 'A, b'.lower().split(', ')", ["a", "b"]),
        ("x = ', '.join(str(n) for n in {3, 1, 2})", "1, 2, 3"),
        ("x = {'a': 1}.get('b', 0)", 0),
        ("x = str([None, 'a', 1.50])", "[None, 'a', 1.5]"),
        ("x = 0\nfor n in [1, 2, 3, 4]:\n    if n == 4:\n        break\n    x += n", 6),
        ("a, (b, c) = 1, (2, 3)\nx = [c, b, a]", [3, 2, 1]),
        ("rows = [{'n': 1}]\nrows[0]['n'] += 1\nx = rows", [{"n": 2}]),
        ("x = []\nx += [1]\nx.extend((2, 3))", [1, 2, 3]),
        ("x = list(zip([1, 2], 'ab'))", [(1, "a"), (2, "b")]),
        ("x = not None and (0 or 'last')", "last"),
        ("x = {1, 2} & {2, 3} | {4}", {2, 4}),
    ],
)
def test_evaluates(source, expected):
    assert result(source) == expected


def test_numbers_of_tools_mix_with_literals():
    source = (
        "rows = read_table('records.csv')\n"
        "known = [r for r in rows if r['total'] is not None]\n"
        "x = sum(r['total'] for r in known) * 1.2\n"
    )
    assert result(source) == Decimal("16.500")


def test_a_variable_may_have_the_name_of_a_function():
    assert result("sum_by = sum_by([1], by='a', value='b')\nsum = sum([1])\nx = sum_by + sum") == 2


def test_loop_variables_of_comprehensions_stay_inside():
    assert "there is no variable n" in error("x = [n for n in [1]]\ny = n").message


def test_given_variables_are_copied():
    given = [1]
    assert result("items.append(2)\nx = items", items=given) == [1, 2]
    assert given == [1]


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("a = 1\nx = read_tabel('records.csv')", 2, "did you mean read_table"),
        ("rows = read_table('records.csv')\nx = rows[0]['amount']", 2, "row has: vendor, total"),
        ("rows = read_table('records.csv')\nx = rows['total']", 2, "use for row in"),
        ("x = read_table('q.csv')", 1, "the files are: records.csv"),
        ("x = sum_by([], 'a')", 1, "missing a required argument: value. Use: sum_by(rows:"),
        ("x = sum_by([], by='a', column='b')", 1, "missing a required argument"),
        ("rows = 1\nx = row", 2, "the variables are: rows"),
        ("x = read_table", 1, "call it"),
        ("x = sum([1, None])", 1, "could not be read"),
        ("x = max([])", 1, "empty list"),
        ("x = [][0]", 1, "check len()"),
        ("x = 1 + 'a'", 1, "f-string"),
        ("x = 1 / 0", 1, "divided by zero"),
        ("for x in 3:\n    pass", 1, "range"),
        ("x = (\n  1 +\n  None)", 2, "could not be read"),
        ("x = row.total", 1, 'row["total"]'),
        ("x = 'a'.append(1)", 1, "it has: lower"),
        ("while True:\n    pass", 1, "for ... in"),
        ("import os", 1, "leave imports out"),
        ("a, b = [1]", 1, "2 names for 1 values"),
        ("x = {[1]: 2}", 1, "a key must be"),
        ("x = sorted([{'a': 1}, {'a': 2}])", 1, "key=lambda"),
        ("x = sorted([1, None])", 1, "leave them out"),
        ("x = 'a' < 1", 1, "cannot compare"),
        ("x = (1", 1, "not valid Python"),
        ("x = 1\nif x:\n    break", 3, "inside a for"),
    ],
)
def test_errors_tell_the_model_what_to_write(source, line, said):
    caught = error(source)
    assert caught.line == line
    assert said in caught.message
    assert source.splitlines()[line - 1].strip() in caught.message


def test_unknown_functions_are_refused_before_anything_runs():
    calls = []
    with pytest.raises(ProgramError):
        run("note(1)\nnote_all(2)", {"note": calls.append})
    assert calls == []


def test_a_bug_of_ours_is_not_the_programs():
    def broken() -> None:
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        run("broken()", {"broken": broken})
    with pytest.raises(TypeError, match="not plain data"):
        run("x = odd()", {"odd": object})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = [1 for a in range(9999) for b in range(9999)]", "steps"),
        ("for i in range(300):\n    read_table('records.csv')", "200 calls"),
        ("x = 'a' * 10 ** 9", "larger than"),
        ("x = [0] * 10 ** 9", "larger than"),
        ("x = 9 ** 9 ** 9", "exponent"),
        ("x = 10 ** 39 * 10", "digits"),
        ("x = 1e400", "not finite"),
        ("x = range(10 ** 12)", "bounded"),
        ("x = []\nfor i in range(99):\n    x = [x, x]\ny = x == x", "nested too deeply"),
        ("x = [1] * 1000\nx = [x] * 1000\nx = [x] * 1000\ny = str(x)", "larger than"),
        ("x = []\nx.append(x)", "nested too deeply"),
        ("x = ''\nfor i in range(99999):\n    x += 'abcdefghijklmnopqrstuvwxyz'", "join"),
        ("x = 'ab' * 1000000\ny = x.replace('a', x)", "larger than"),
        ("x = " + "(" * 100 + "1" + ")" * 100 + "+1" * 100, "deep"),
        ("x = " + "-" * 5000 + "1", "deep"),
        ("#" * 9000, "at most 8000"),
    ],
)
def test_limits(source, said):
    assert said in error(source).message


def test_cpu_time_is_bounded():
    source = "x = 'ab' * 2000000\ny = 'ab' * 2000000\nfor i in range(90000):\n    z = x == y"
    assert "longer than 0.2 seconds" in error(source, Limits(cpu_s=0.2)).message


def test_cancelled_stops_within_a_few_steps():
    asked = iter([False, False])
    with pytest.raises(Cancelled):
        run(
            "for i in range(99999):\n    pass",
            {},
            cancelled=lambda: next(asked, True),
        )


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("```python\nx = 1\n```", "x = 1"),
        ("Here it is:\n```py\nx = 1\ny = 2\n```\nIt sets x.", "x = 1\ny = 2"),
        ("```\nx = 1\n```\n```\ny = 1\n```", "x = 1"),
        ("```python\nx = 1\ny = (2", "x = 1\ny = (2"),
        ("x = 1", "x = 1"),
        ("Sure, this is it:\n\nfor a in [1]:\n    b = a\n", "for a in [1]:\n    b = a"),
        ("The program:\nx = 1\n\nThis sets x to one.", "x = 1"),
        ("rows = read_table('a.csv')\r\nx = 1\r\n", "rows = read_table('a.csv')\nx = 1"),
        ("I cannot do that", "I cannot do that"),
    ],
)
def test_extracts_the_program_from_an_answer(answer, program):
    assert extract_source(answer) == program
