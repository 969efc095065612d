from __future__ import annotations

import json

import pytest

from orchestrator.inference.scripted import ScriptedModel
from orchestrator.tools import registry
from orchestrator.tools.base import ToolContext, ToolError
from orchestrator.tools.folder import GoalFolder
from orchestrator.tools.reviewing import accept_work, asks_of, review_document, send_back

GOAL = "Total these invoices per vendor, flag duplicates, and write me a one-page summary"
TOTALS = b"vendor,total\nAcme,10.50\nBolt,20.00\n"
PAGE = "# Summary\n\nAcme and Bolt sent us {} in all, for two weeks of work.\n"


def judged(context: ToolContext, *verdicts: str) -> ScriptedModel:
    answer = {f"ask_{number}": verdict for number, verdict in enumerate(verdicts, 1)}
    model = ScriptedModel([json.dumps(answer)])
    context.model = lambda purpose, request: model.complete(request)
    return model


def test_a_goal_has_its_asks() -> None:
    assert asks_of(GOAL) == [
        "Total these invoices per vendor",
        "flag duplicates",
        "write me a one-page summary",
    ]
    assert asks_of("Version 2.5 notes") == ["Version 2.5 notes"]
    assert asks_of("Hello") == ["Hello"]


def test_good_work_is_accepted(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("totals.csv", TOTALS)
    folder.write("summary.md", PAGE.format("30.50").encode())  # the sum of the column
    model = judged(context, "yes", "yes", "yes")
    assert review_document(context, "summary.md", GOAL) == {"ok": True, "reasons": []}
    assert "ask_2: flag duplicates" in model.requests[0].messages[1].content


def test_a_no_is_a_reason_with_its_ask(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("totals.csv", TOTALS)
    folder.write("summary.md", PAGE.format("30.50").encode())
    judged(context, "yes", "no", "yes")
    reasons = ["summary.md does not deal with: flag duplicates"]
    assert review_document(context, "summary.md", GOAL) == {"ok": False, "reasons": reasons}


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("", "summary.md: it is empty; attach a file with content."),
        ("Done.", "summary.md says next to nothing"),
        (PAGE.format("31.50"), "summary.md has figures without a source: 31.50"),
        (PAGE.format("TODO"), "summary.md still holds a placeholder: TODO"),
        (PAGE.format("[your name]"), "summary.md still holds a placeholder: [your name]"),
    ],
)
def test_what_code_finds_needs_no_model(
    context: ToolContext, folder: GoalFolder, page: str, reason: str
) -> None:
    folder.write("totals.csv", TOTALS)
    folder.write("summary.md", page.encode())
    assert review_document(context, "summary.md", GOAL) == {"ok": False, "reasons": [reason]}


def test_what_could_not_be_read_must_be_said(context: ToolContext, folder: GoalFolder) -> None:
    folder.write("records.csv", b"vendor,total,source\nAcme,10.50,a.pdf\nBolt,,b.pdf\n")
    folder.write("summary.md", PAGE.format("10.50").encode())
    reasons = ["summary.md does not say that total of b.pdf could not be read"]
    assert review_document(context, "summary.md", GOAL)["reasons"] == reasons
    folder.write("summary.md", PAGE.format("10.50 (b.pdf could not be read)").encode())
    judged(context, "yes", "yes", "yes")
    assert review_document(context, "summary.md", GOAL)["ok"]


def test_a_file_that_is_not_there_is_a_reason(context: ToolContext) -> None:
    reasons = ["summary.md: there is no such file."]
    assert review_document(context, "summary.md", GOAL) == {"ok": False, "reasons": reasons}


def test_a_verdict_is_an_effect(context: ToolContext, folder: GoalFolder) -> None:
    accept_work(context, "fine")
    send_back(context, ["no totals", " "])
    accepted, refused = context.effects
    assert registry.commit(accepted, folder) == {"review": {"accepted": True, "reasons": []}}
    assert registry.commit(refused, folder) == {
        "review": {"accepted": False, "reasons": ["no totals"]}
    }
    assert refused.summary == "send the work back: no totals"
    with pytest.raises(ToolError, match="reasons is empty"):
        send_back(context, [])
