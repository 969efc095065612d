"""A `ModelCaller` that gives written answers, and files in memory."""

from collections.abc import Collection, Iterable

from orchestrator.inference.base import ChatRequest, Completion
from orchestrator.tools.base import FileEntry, FileProblem
from orchestrator.tools.folder import kind_of


class Answers:
    """Answers the calls in turn; keeps what was asked. The last answer is repeated."""

    def __init__(self, *texts: str):
        self.texts = list(texts)
        self.requests: list[ChatRequest] = []
        self.purposes: list[str] = []

    def __call__(self, purpose: str, request: ChatRequest) -> Completion:
        text = self.texts[min(len(self.requests), len(self.texts) - 1)]
        self.requests.append(request)
        self.purposes.append(purpose)
        return Completion(text, "stop", 10, 0, 5, 0.0, 0.0)


class MemoryFiles:
    def __init__(self, files: dict[str, str | bytes]):
        self.files = {
            name: text.encode() if isinstance(text, str) else text for name, text in files.items()
        }

    def names(self) -> list[str]:
        return sorted(self.files)

    def list(self, only: Collection[str] | None = None) -> Iterable[FileEntry]:
        return [
            FileEntry(n, len(c), kind_of(n, c))
            for n, c in sorted(self.files.items())
            if only is None or n in only
        ]

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise FileProblem(name, "there is no such file.")
        return self.files[name]

    def write(self, name: str, content: bytes) -> None:
        self.files[name] = content
