"""A question ends the job; the worker dies; the answer resumes the work in the next one. And a part
of the work goes to a colleague."""

import pytest

from tests.journeys.conftest import until
from tests.journeys.test_goal_by_api import ended, events

pytestmark = pytest.mark.model

SALES = "region,units\n" + "".join(f"{'NS'[n % 2]},{n}\n" for n in range(1, 41))
PEOPLE = "region,people\nN,4\nS,7\n"


def give(api, text, **files):
    sent = [("files", (f"{name}.csv", content.encode())) for name, content in files.items()]
    sent += [("files", ("notes.txt", b"The shop in the south was closed in May."))]
    answer = api.post("/goals", data={"text": text, "autonomy": "act"}, files=sent)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_an_answer_resumes_the_work_in_another_worker(house):
    with house.api() as api:
        goal = give(api, "Show the sum per region in a table", sales=SALES, people=PEOPLE)
        asked = until(lambda: api.get(f"/goals/{goal}").json()["questions"], 300)
        assert asked[0]["options"] == ["people.csv", "sales.csv"]
        before = events(api, goal)
        worker = house.worker("staff")
        worker.kill()
        until(lambda: house.worker("staff").pid != worker.pid, 60)
        answer = {"question": asked[0]["id"], "answer": "people.csv"}
        assert api.post(f"/goals/{goal}/answer", json=answer).status_code == 200
        assert ended(api, goal)["state"] == "done"
        kinds = [event["kind"] for event in events(api, goal)]
        assert kinds[: len(before)] == [event["kind"] for event in before]
        assert kinds.count("question.asked") == kinds.count("question.answered") == 1
        made = api.get(f"/goals/{goal}/artifacts").json()["results"]
        table = next(a for a in made if a["origin"] == "made" and a["name"].endswith(".csv"))
        content = api.get(f"/goals/{goal}/artifacts/{table['id']}/content")
        assert content.text.splitlines() == ["region,people,count", "S,7,1", "N,4,1"]


def test_a_colleague_reckons_with_the_long_table(house):
    with house.api() as api:
        goal = give(api, "Summarise what these files say about the units per region", sales=SALES)
        done = ended(api, goal)
        assert done["state"] == "done", done
        (handed,) = [e for e in events(api, goal) if e["kind"] == "task.handed_on"]
        assert [hop["agent"] for hop in handed["data"]["chain"]] == ["Rosa", "Alan"]
        assert "highest first: N: 420; S: 400." in done["answer"]
