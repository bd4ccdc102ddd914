"""How the programs in Python are asked: through the files of their state folder, as fixtures are
(test/fixtures/fixture.h)."""

import os
import sys
import time

STATE = sys.argv[1]


def path(name):
    return os.path.join(STATE, name)


def publish(name, text):
    """Writes a file so that a reader sees all of it or none."""
    with open(path(name + ".draft"), "w") as draft:
        draft.write(text)
    os.rename(path(name + ".draft"), path(name))


def serve(check, beat=lambda: None):
    """Answers checks for ever; `check` returns the faults that it finds."""
    publish("ready", "ready\n")
    beats, answered = 0, 0
    while True:
        beat()
        beats += 1
        if os.path.exists(path(f"check.{answered + 1}")):
            faults = check()
            answered += 1
            text = "FAIL\n" + "\n".join(faults) if faults else f"ok {beats}\n"
            publish(f"result.{answered}", text)
        time.sleep(0.005)
