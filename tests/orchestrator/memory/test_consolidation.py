"""Facts in several wordings become one; additive, reversible, and safe against bad answers."""

from __future__ import annotations

import pytest
from django.db import connections

from orchestrator import memory
from orchestrator.inference.scripted import ScriptedModel
from orchestrator.memory import consolidation
from staff import queries
from staff.actions.consolidation import split
from staff.actions.memory import Draft, forget, scope_of
from staff.models import Memory
from staff.recall import visible_to

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scope(office):
    return scope_of(office)


def keep(scope, attribute, value="044 123", subject="Ann", **options):
    draft = Draft(kind="fact", subject=subject, attribute=attribute, value=value, **options)
    return memory.remember(scope, [draft])[0].memory


def same_but_not_opposed(request):
    return "no" if request.messages[0].content == consolidation.OPPOSED else "yes"


def current(scope):
    return [fact.attribute for fact in queries.current_facts(scope)]


def test_code_merges_what_it_can_tell_and_asks_for_the_rest(scope):
    for attribute in ("phone", "phone number", "telephone"):
        keep(scope, attribute)
    report = consolidation.consolidate(scope, None)
    assert current(scope) == ["phone", "telephone"] and report.asked == 0
    keep(scope, "cell phone")
    model = ScriptedModel(same_but_not_opposed)
    scope.consolidated_version = 0
    scope.save(update_fields=["consolidated_version"])
    report = consolidation.consolidate(scope, model)
    assert current(scope) == ["phone"] and report.asked == len(model.requests) > 0
    assert all(request.grammar for request in model.requests)


def test_what_was_compared_is_not_compared_again(scope):
    model = ScriptedModel(lambda request: "no")
    for attribute in ("phone", "telephone"):
        keep(scope, attribute)
    consolidation.consolidate(scope, model)
    asked = len(model.requests)
    consolidation.consolidate(scope, model)
    assert asked == len(model.requests) == 1
    keep(scope, "mobile")
    consolidation.consolidate(scope, model)
    assert len(model.requests) == 3, "the new one with each of the others"


def test_an_invalid_answer_changes_nothing_and_fails_the_job(scope):
    keep(scope, "phone"), keep(scope, "telephone")
    with pytest.raises(consolidation.AnswerInvalid, match="maybe"):
        consolidation.consolidate(scope, ScriptedModel(["maybe"]))
    scope.refresh_from_db()
    assert current(scope) == ["phone", "telephone"] and scope.consolidated_version == 0


def test_a_run_keeps_to_its_tokens_and_goes_on_later(scope):
    for attribute in ("phone", "telephone", "mobile"):
        keep(scope, attribute)
    model = ScriptedModel(lambda request: "no")
    report = consolidation.consolidate(scope, model, most_tokens=10)
    scope.refresh_from_db()
    assert not report.is_complete and report.asked == 1 and scope.consolidated_version == 0


def test_only_one_process_consolidates_a_scope(scope):
    keep(scope, "phone"), keep(scope, "phone number")
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [consolidation.LOCK, scope.pk])
        report = consolidation.consolidate(scope, None)
        assert not report.is_complete and not report.merged
    finally:
        with other.cursor() as cursor:  # its session goes back to the pool
            cursor.execute("SELECT pg_advisory_unlock_all()")
        other.close()
    assert consolidation.consolidate(scope, None).merged


def test_a_merge_is_additive_and_can_be_undone(scope, boss, office):
    one, other = keep(scope, "phone"), keep(scope, "phone number", actor="Tom")
    consolidation.consolidate(scope, None)
    other.refresh_from_db()
    assert (other.state, other.superseded_by, other.text) == (
        "superseded",
        one,
        "Ann phone number: 044 123",
    )
    found = memory.recall(visible_to(boss, office), "phone number of Ann")
    assert [each.memory.pk for each in found][:1] == [one.pk]
    assert split(other, by="boss") and not split(other, by="boss")
    assert current(scope) == ["phone", "phone number"]


def test_a_new_value_under_the_old_name_supersedes_the_one(scope):
    keep(scope, "phone"), keep(scope, "phone number")
    consolidation.consolidate(scope, None)
    keep(scope, "phone number", "044 999")
    facts = [(fact.slot, fact.value) for fact in queries.current_facts(scope)]
    assert facts == [("ann|phone", "044 999")]


def test_forgetting_one_reaches_the_others(scope):
    one = keep(scope, "phone", "044 123 45 67")
    keep(scope, "phone number", "044 123 45 67")
    consolidation.consolidate(scope, None)
    forget([one], by="boss")
    assert set(Memory.objects.values_list("state", flat=True)) == {"forgotten"}
