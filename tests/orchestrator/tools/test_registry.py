"""Tools: declared from a typed function, checked when called, dry-run, committed."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.tools import registry
from orchestrator.tools.base import Effect, FileProblem, Files, Table, ToolContext, ToolError
from orchestrator.tools.registry import bind, intend, stubs, tool, tools_of
from orchestrator.tools.values import canonical, restore, shown


@tool(effect="reads")
def pick(
    context: ToolContext, rows: Table, columns: list[str], n: int = 1, where: str | None = None
) -> Table:
    """Some columns of the first rows.

    A second line that the model never sees.
    """
    return [{column: row[column] for column in columns} for row in rows[:n]]


@tool(effect="reads")
def either(context: ToolContext, by: list[str] | str) -> Any:
    """Takes one or several."""
    return by


@tool(effect="reads", name="open_all")
def damaged(context: ToolContext) -> str:
    """Always meets a bad file."""
    raise FileProblem("a.pdf", "it is damaged.")


def _keep(files: Files, arguments: dict[str, Any]) -> dict[str, Any]:
    files.write(arguments["name"], str(arguments["amount"]).encode())
    return {"kept": arguments["amount"]}


@tool(effect="writes", commit=_keep)
def keep(context: ToolContext, name: str, amount: Any) -> str:
    """Keep an amount in a file."""
    intend(context, "keep", {"name": name, "amount": amount}, f"keep {amount}")
    return name


TOOLS = tools_of(__name__)
ROWS = [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_a_tool_tells_the_model_its_signature_and_first_line():
    assert TOOLS["pick"].signature == (
        "pick(rows: Table, columns: list[str], n: int = 1, where: str = None) -> Table"
    )
    assert stubs([TOOLS["pick"], TOOLS["open_all"]]).splitlines() == [
        f"{TOOLS['pick'].signature}  # Some columns of the first rows",
        "open_all() -> str  # Always meets a bad file",
    ]


def test_the_schema_names_what_is_required():
    schema = TOOLS["pick"].parameters
    assert schema["required"] == ["rows", "columns"]
    assert schema["properties"]["columns"] == {"type": "array", "items": {"type": "string"}}
    assert schema["additionalProperties"] is False


def test_a_single_text_or_row_will_do_for_a_list(context):
    call = bind(TOOLS, context)
    assert call["pick"](ROWS, "a") == [{"a": 1}]
    assert call["pick"](ROWS[1], ["b"]) == [{"b": 4}]
    assert call["either"]("a") == "a"
    assert call["either"](["a", "b"]) == ["a", "b"]


def test_numbers_are_converted_where_nothing_is_lost(context):
    call = bind(TOOLS, context)
    assert call["pick"](ROWS, "a", n=Decimal("2.00")) == [{"a": 1}, {"a": 3}]
    assert call["either"](by=7) == "7"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rows": "records.csv", "columns": "a"}, 'read_table("records.csv")'),
        ({"rows": [1], "columns": "a"}, "item 1"),
        ({"rows": ROWS, "columns": None}, "columns must be list[str]; got None"),
        ({"rows": ROWS, "columns": "a", "n": "two"}, 'a whole number; got the text "two"'),
        ({"rows": ROWS, "columns": "a", "n": Decimal("1.5")}, "got the number 1.5"),
        ({"rows": ROWS}, "missing a required argument: 'columns'"),
        ({"rows": ROWS, "columns": "a", "order": 1}, "unexpected keyword argument 'order'"),
    ],
)
def test_wrong_arguments_come_back_in_plain_words(context, arguments, said):
    with pytest.raises(ToolError) as caught:
        bind(TOOLS, context)["pick"](**arguments)
    assert said in str(caught.value)
    assert TOOLS["pick"].signature in str(caught.value)


def test_a_dry_run_sees_its_own_writes_and_the_folder_does_not(context, folder):
    call = bind(TOOLS, context)
    call["keep"]("a.txt", Decimal("1.50"))
    assert list(folder.list()) == []
    assert [effect.tool for effect in context.effects] == ["keep"]
    again = bind(TOOLS, context)
    again["keep"]("b.txt", 1)
    assert context.files is folder, "each binding lays its own overlay over the folder"


def test_commit_performs_what_was_intended(context, folder):
    bind(TOOLS, context)["keep"]("a.txt", Decimal("1.50"))
    (effect,) = context.effects
    through_json = replace(effect, arguments=json.loads(json.dumps(effect.arguments)))
    assert registry._commit(TOOLS["keep"], through_json, folder) == {"kept": Decimal("1.50")}
    assert folder.read("a.txt") == b"1.50"


def test_commit_finds_the_tool_by_name(folder):
    assert registry.commit(Effect("finish", {"answer": "Done."}, ""), folder) == {"answer": "Done."}
    with pytest.raises(KeyError):
        registry.commit(Effect("no_such_tool", {}, ""), folder)
    with pytest.raises(ValueError, match="does not write"):
        registry.commit(Effect("today", {}, ""), folder)


def test_a_bad_file_is_shown_to_the_boss_once_and_told_to_the_program(context):
    call = bind(TOOLS, context)
    for _ in range(2):
        with pytest.raises(ToolError, match="it is damaged"):
            call["open_all"]()
    assert [problem.name for problem in context.problems] == ["a.pdf"]


def test_calls_are_told_with_named_arguments(context):
    told: list[Any] = []
    context.on_call = lambda *call: told.append(call)
    bind(TOOLS, context)["either"](["a"] * 9)
    ((name, arguments, result),) = told
    assert name == "either"
    assert arguments == {"by": ["a"] * 5 + ["… 4 more"]}
    assert result == arguments["by"]


def test_a_tool_commits_if_and_only_if_it_writes():
    with pytest.raises(ValueError, match="commit"):
        tool(effect="writes")
    with pytest.raises(ValueError, match="commit"):
        tool(effect="reads", commit=_keep)


def test_all_tools_have_one_line_each_and_a_schema():
    tools = registry.all_tools()
    assert {"read_table", "sum_by", "today", "write_csv", "finish"} <= tools.keys()
    for each in tools.values():
        assert each.description, each.name
        assert len(stubs([each])) < 180, each.name
        assert json.loads(json.dumps(each.parameters)) == each.parameters
        assert (each.commit is not None) == (each.effect != "reads")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
KEYS = st.sampled_from(["$number", "$", "$$a", "a", ""]) | st.text("ab$", max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)


@given(VALUES)
def test_values_come_back_from_json_as_they_were(value):
    stored = json.loads(json.dumps(canonical(value)))
    assert restore(stored) == value
    assert repr(restore(stored)) == repr(value), "1.50 stays 1.50"
    assert canonical(restore(stored)) == stored


@given(VALUES)
def test_shown_is_json(value):
    json.dumps(shown(value))


def test_what_cannot_be_stored_is_replaced_and_what_is_no_data_refused():
    assert canonical("a\0b\ud800") == "a\ufffdb\ufffd"
    assert canonical({"b", "a"}) == ["a", "b"]
    with pytest.raises(ToolError, match="plain data"):
        canonical(object())
