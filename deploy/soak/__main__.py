"""`python -m deploy.soak NAME [--scale S] [--keep]`: one soak; the last line is one JSON object.

A soak is a module of this package with `house(scale)`, which makes the House that it needs, and
`run(house, scale, outcome)`, which uses it, notes figures and checks promises. Exit status 1: a
promise was broken, or nothing moved at all.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import time
import traceback
from types import FrameType

from deploy.soak.house import HouseFailed
from deploy.soak.outcome import Outcome, say

SOAKS = ("streams", "backlog", "crash", "runaway", "orchestration", "pages")


def main() -> int:
    parser = argparse.ArgumentParser(prog="manage.py soak", description=__doc__.splitlines()[2])
    parser.add_argument("name", choices=SOAKS)
    parser.add_argument("--scale", type=_scale, default=1.0, help="1.0 is the full figure")
    parser.add_argument("--keep", action="store_true", help="keep the folder with its logs")
    asked = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # also where one was ignored
        signal.signal(number, _interrupt)
    soak = importlib.import_module(f"deploy.soak.{asked.name}")
    outcome = Outcome(soak=asked.name, scale=asked.scale)
    started = time.monotonic()
    try:
        house = soak.house(asked.scale)
        house.keep |= asked.keep
        say(f"a house in {house.layout.data}")
        with house:
            try:
                soak.run(house, asked.scale, outcome)
            except HouseFailed as reason:
                outcome.check(False, str(reason))
            except Exception as reason:
                traceback.print_exc()
                outcome.check(False, f"the soak itself failed: {type(reason).__name__} {reason}")
            if outcome.broken:
                house.keep = True
                say(f"the ends of the logs, which stay in {house.layout.logs}:")
                print(house.last_lines(), flush=True)
    except HouseFailed as reason:
        outcome.check(False, str(reason))
    except KeyboardInterrupt:
        say("interrupted; everything is stopped and removed")
        return 130
    outcome.note(load_average=round(os.getloadavg()[0], 1))
    outcome.note(seconds=round(time.monotonic() - started, 1))
    for broken in outcome.broken:
        say(f"BROKEN: {broken}")
    print(json.dumps(outcome.as_json()), flush=True)
    return 1 if outcome.broken else 0


def _scale(text: str) -> float:
    scale = float(text)
    if not 0 < scale <= 10:
        raise argparse.ArgumentTypeError("a scale is a number above 0, at most 10")
    return scale


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
