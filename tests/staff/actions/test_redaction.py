"""Forgetting reaches what was made of a memory, and leaves alone what stands as an order."""

from django.apps import apps
from django.db import models, transaction

from staff.actions import budgets, memory, redaction, streams
from staff.actions.memory import Draft, scope_of
from staff.domain.redaction import MARK
from staff.models import Event, Goal, MemoryEvent, ModelCall, Outbox
from tests.steps import step

SAID = "The salary of Ann will rise to 98765 in the spring"
# Names, credentials, states; their own writers purge memories and documents, orders stay.
OTHERS = {"workspace", "user", "membership", "apitoken", "signinlink", "agent", "node", "budget"}
OTHERS |= {"outbox", "routine", "sighting", "scope", "tombstone", "goalsearch", "eventarchive"}
OTHERS |= {"memory", "memoryvector", "posting", "document", "documentversion", "passage"}
OTHERS |= {"modelusage"}


def test_no_table_is_missing():
    tables = {model._meta.model_name for model in apps.get_app_config("staff").get_models()}
    assert tables - OTHERS == set(redaction.WORKSPACE)


def test_every_text_of_them_is_looked_at():
    for name in redaction.WORKSPACE:
        columns = apps.get_model("staff", name)._meta.concrete_fields
        texts = [c for c in columns if isinstance(c, models.TextField | models.JSONField)]
        looked_at = {field.name for field in redaction.texts_of(apps.get_model("staff", name))}
        kept = redaction.KEPT.get(name, set())
        assert {column.name for column in texts} <= looked_at | kept


def test_what_was_said_of_it_goes_too(give, office, boss, outsider):
    kept = memory.remember(scope_of(office), [Draft(SAID)])[0].memory
    goal = give(step("a"))
    elsewhere = Goal.objects.create(
        workspace=outsider.workspaces.get(), boss=outsider, text=SAID, budget=_budget()
    )
    streams_of(goal, answer=f"So: {SAID}.", other=f"About 100000, they say [m{kept.pk}]. It rains.")
    memory.forget([kept], by="boss")
    event = Event.objects.filter(goal=goal).order_by("seq").last()
    assert event.data == {"answer": f"So: {MARK}.", "other": f"{MARK} It rains."}
    elsewhere.refresh_from_db()
    assert elsewhere.text == SAID, "another workspace is not touched"
    told = MemoryEvent.objects.get(memory=kept, kind="forgotten").data
    assert told == {"redacted": {"event": 1}}
    assert Outbox.objects.filter(job="scrub").count() == 1


def test_the_text_of_an_open_goal_is_an_order_and_stays(give, office, boss):
    goal = give(step("a"))
    Goal.objects.filter(pk=goal.pk).update(text=SAID)
    kept = memory.remember(scope_of(office), [Draft(SAID), Draft(f"{SAID}, I heard.")])
    memory.forget([kept[0].memory], by="boss")
    goal.refresh_from_db()
    kept[1].memory.refresh_from_db()
    assert goal.text == SAID and kept[1].memory.state == "forgotten"


def test_a_streamed_answer_is_taken_out_whole(give, office, boss):
    kept = memory.remember(scope_of(office), [Draft(SAID)])[0].memory
    goal = give(step("a"))
    digest = "d" * 64
    ModelCall.objects.create(
        goal=goal, scope="task 1.0", digest=digest, purpose="p", model="m", text=f"{SAID}. Bye."
    )
    with transaction.atomic():
        for piece in ("The salary of", " Ann will rise", " to 98765 in", " the spring. Bye."):
            streams.append(goal.pk, "model.text", call=digest[:12], text=piece)
    memory.forget([kept], by="boss")
    pieces = Event.objects.filter(goal=goal, kind="model.text").order_by("seq")
    assert [each.data["text"] for each in pieces] == [f"{MARK}. Bye.", "", "", ""]


def streams_of(goal, **data):
    with transaction.atomic():
        streams.append(goal.pk, "told", **data)


def _budget():
    return budgets.open_budget()
