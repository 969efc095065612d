"""Documents in a running house: dropped in a browser, read by the office worker even if it is
killed at it, found, and forgotten without a trace."""

from __future__ import annotations

import base64

import pytest

from tests.journeys.conftest import until
from tests.orchestrator.tools import papers
from tests.web.test_memory_browser import DROP

pytestmark = [pytest.mark.model, pytest.mark.browser]
CANARY = "xylophone quagmire"


def long_text(sections: int) -> bytes:
    parts = [
        f"# Section {n}\n\nRule {n} of the house is kept. " + "It holds. " * 60
        for n in range(sections)
    ]
    return ("\n\n".join(parts) + f"\n\n# End\n\nThe password is {CANARY}.").encode()


@pytest.fixture
def api(house):
    with house.api() as client:
        yield client


def version_of(api, document_id):
    return api.get(f"/documents/{document_id}").json()["newest"]


def test_a_pdf_by_the_drop_zone(house, page, api):
    page.goto(house.sign_in_link())
    page.goto(f"{house.url}/memory/documents")
    page.evaluate(DROP, ["handbook.pdf", base64.b64encode(papers.pdf()).decode()])
    page.click("text=Add to memory")
    page.wait_for_selector("#documents .state:has-text('Remembered')", timeout=60_000)
    page.goto(f"{house.url}/memory")
    page.fill("#ask", "free days when somebody moves")
    page.press("#ask", "Enter")
    page.locator(".remembered-row .meta a").first.click()
    page.wait_for_selector("#p2:target:has-text('two free days')")


def test_a_reader_is_killed_and_the_next_one_goes_on(house, api):
    files = {"files": ("rules.md", long_text(800))}
    (given,) = api.post("/documents", files=files).json()["results"]
    document = given["document"]["id"]
    until(lambda: version_of(api, document)["passages_done"], every=0.02)
    house.worker("office").kill()
    read = until(lambda: (v := version_of(api, document))["state"] == "ready" and v)
    assert read["passages_done"] == read["passages_total"] == 801
    passages = api.get(f"/documents/{document}/passages", params={"offset": 601, "limit": 200})
    assert [each["position"] for each in passages.json()["results"]] == list(range(602, 802))
    best = api.get("/memories/recall", params={"q": "what is the password", "k": 1}).json()
    assert CANARY in best["results"][0]["memory"]["text"]
    assert api.delete(f"/documents/{document}").json()["forgotten"] == 801
    holding = [path for path in (house.data / "documents").rglob("*") if path.is_file()]
    assert not any(CANARY.encode() in path.read_bytes() for path in holding)
    again = api.get("/memories/recall", params={"q": "what is the password", "k": 5}).json()
    assert CANARY not in str(again)
