"""Memory in a real browser: a document is dropped, read, found, opened, corrected, forgotten."""

from __future__ import annotations

import base64
import os

import pytest

from orchestrator.memory import library
from staff.models import Document, DocumentVersion, Memory
from tests.orchestrator.tools import papers
from tests.web.test_browser import page as page  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("FORESTAFF_SHOTS", "")
DROP = """([name, content]) => {
    const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
    const dropped = new DataTransfer();
    dropped.items.add(new File([bytes], name));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true }));
}"""


def shots(seen, name):
    """Pictures to look at, wide and narrow, light and dark, where they were asked for."""
    if not SHOTS:
        return
    for theme in ("light", "dark"):
        seen.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        for width in (1280, 360):
            seen.set_viewport_size({"width": width, "height": 900})
            seen.screenshot(path=f"{SHOTS}/{name}-{theme}-{width}.png", full_page=True)
    seen.set_viewport_size({"width": 1280, "height": 900})


def fits(seen):
    """Whether the page is no wider than a phone."""
    seen.set_viewport_size({"width": 360, "height": 800})
    wide = seen.evaluate("document.documentElement.scrollWidth")
    seen.set_viewport_size({"width": 1280, "height": 900})
    return wide <= 360


def test_a_document_from_the_drop_zone_to_forgetting(page, boss):
    page.goto("/memory")
    shots(page, "memory-empty")
    page.click("text=Add documents")
    page.wait_for_url("**/memory/documents")  # loaded, its script as well
    content = base64.b64encode(papers.pdf()).decode()
    page.evaluate(DROP, ["handbook.pdf", content])
    page.wait_for_selector("[data-file-list] li:has-text('handbook.pdf')")
    page.click("text=Add to memory")
    page.wait_for_selector("#documents .state:has-text('Waits to be read')")
    library.read(DocumentVersion.objects.get().pk)
    page.wait_for_selector("#documents .state:has-text('Remembered')")  # by itself
    assert fits(page)
    shots(page, "documents")
    page.goto("/memory")
    page.fill("#ask", "free days when somebody moves")
    page.press("#ask", "Enter")
    page.wait_for_selector(".said >> nth=0")
    assert "two free days" in page.locator(".remembered-row").first.inner_text()
    assert fits(page)
    shots(page, "memory-search")
    page.locator(".remembered-row .meta a").first.click()
    page.wait_for_selector("#p2:target")
    assert "page 2" in page.inner_text("#p2 header")
    assert fits(page)
    shots(page, "document")
    page.click("#p2 .more-link")
    page.click("summary:has-text('Correct it')")
    page.fill("#id_text", "Whoever moves house has three free days.")
    page.click("#edit button:has-text('Save')")
    page.wait_for_selector(".recalled:has-text('three free days')")
    page.click("button:has-text('Pin')")
    page.wait_for_selector(".tags .state:has-text('Pinned')")
    assert fits(page)
    shots(page, "memory")
    page.click("summary:has-text('Forget it')")
    page.wait_for_selector("text=The files that hold its words go as well")
    page.click("button:has-text('Forget it for good')")
    page.wait_for_selector(".toast:has-text('Forgotten')")
    assert not Memory.objects.filter(text__contains="three").exists()
    page.goto(f"/memory/documents/{Document.objects.get().pk}")
    page.wait_for_selector("text=This passage was forgotten")
    assert page.locator("text=Download").count() == 0
    assert page.refused == []


def test_remember_by_hand_and_settle(page, boss):
    page.goto("/memory/new")
    shots(page, "remember")
    page.click("summary:has-text('It is a fact')")
    for name, words in (("subject", "Ann"), ("attribute", "phone"), ("value", "555")):
        page.fill(f"#id_{name}", words)
    page.click("button:has-text('Remember')")
    page.wait_for_selector(".recalled:has-text('Ann phone: 555')")
    from staff.actions import memory

    scope = Memory.objects.get().scope
    draft = memory.Draft(kind="fact", subject="Ann", attribute="phone", value="666")
    memory.assert_fact(scope, draft)
    page.goto("/memory/settle")
    assert fits(page)
    shots(page, "settle")
    page.click("text=The new one is right")
    page.wait_for_selector("text=Nothing to settle")
    assert page.refused == []
