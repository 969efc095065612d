"""From token bytes to text that may be shown: whole characters only, nothing past a stop string."""

from __future__ import annotations

import codecs


class Pieces:
    """Collects the bytes of an answer and gives out what is certain to belong to it.

    text: everything given out so far
    """

    def __init__(self, stop: tuple[str, ...] = ()):
        self.text = ""
        self.stopped = False
        self._stop = tuple(s for s in stop if s)
        self._held = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, data: bytes) -> str:
        """The text that these bytes complete. Sets `stopped` once a stop string is whole."""
        self._held += self._decoder.decode(data)
        found = [at for at in map(self._held.find, self._stop) if at >= 0]
        if found:
            self.stopped = True
            return self._give(min(found))
        return self._give(len(self._held) - self._suspect())

    def flush(self) -> str:
        """What was held back, at the end of an answer; a half character is dropped."""
        return "" if self.stopped else self._give(len(self._held))

    def _give(self, length: int) -> str:
        piece, self._held = self._held[:length], self._held[length:]
        self.text += piece
        return piece

    def _suspect(self) -> int:
        """Length of the longest end of the held text that may be the start of a stop string."""
        longest = max((len(s) - 1 for s in self._stop), default=0)
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(s.startswith(self._held[-length:]) for s in self._stop):
                return length
        return 0
