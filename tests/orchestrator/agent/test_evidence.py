import io

import openpyxl
import pytest

from orchestrator.agent import evidence
from tests.orchestrator.agent.scripted import MemoryFiles


def workbook() -> bytes:
    out = io.BytesIO()
    openpyxl.Workbook().save(out)
    return out.getvalue()


def test_outputs_that_are_what_their_names_say_pass():
    files = MemoryFiles(
        {
            "empty-but-headed.csv": "vendor,total\r\n",
            "page.md": "# Summary\n",
            "book.xlsx": workbook(),
            "data.json": "[]",
            "letter.txt": "Dear Ada",
        }
    )
    assert evidence.check([entry.name for entry in files.list()], files) == []


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", " \n", "is empty"),
        ("a.csv", " , \n1,2\n", "has no header"),
        ("a.csv", b"\xff\xfe\x00", "cannot be read back"),
        ("a.md", "# \n---\n", "has no text"),
        ("a.json", "{", "cannot be read back"),
        ("a.xlsx", "vendor,total\n", "cannot be read back"),
        ("a.xlsx", b"PK\x05\x06" + bytes(18), "cannot be read back"),
    ],
)
def test_an_output_that_is_not_what_its_name_says_is_told(name, content, problem):
    (told,) = evidence.check([name], MemoryFiles({name: content}))
    assert told.startswith(name) and problem in told


def test_a_missing_output_is_told():
    assert evidence.check(["totals.csv"], MemoryFiles({})) == ["totals.csv was not written"]
