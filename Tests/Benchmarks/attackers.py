"""Attacks an edge from connections of its own until standard input ends. The attackers are those of the end-to-end
tests. All come from one address, as from one machine, and each begins again when it was cut. What has become of them is told
on standard output, a line of JSON now and then.

usage: attackers.py HOST PORT CA_FILE KEY GROUP NUMBER ATTACKERS SOURCE

NUMBER: of the attack in the group, or `all`. SOURCE: the address that they come from
"""

import dataclasses
import json
import os
import pathlib
import select
import ssl
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "EndToEnd"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "infra"))

from hostile import blocks, floods, handshakes, hoards, malformed, readers  # noqa: E402
from hostile.connection import Target  # noqa: E402
from hostile.siege import Outcome  # noqa: E402

PAUSE_SECONDS = 0.02
"""Between two attacks of one attacker: an address may open so many connections a second and no more."""
TELLING_SECONDS = 0.2
HOLDING_SECONDS = 1


@dataclasses.dataclass(frozen=True)
class Kept:
    """A hoard that is given up after a while."""

    hoard: object

    @property
    def name(self) -> str:
        return self.hoard.name

    def __call__(self, target: Target, source: str) -> Outcome:
        return self.hoard(target, source, lambda: time.sleep(HOLDING_SECONDS))


# How large the answers are is the upstream's affair: megabytes here.
ANSWER_HOARDS = [
    hoards.AnswerHoard("large answers without a window", answer_bytes=0),
    hoards.AnswerHoard("large answers that nobody reads", answer_bytes=0, reads=False),
]
ATTACKS = {
    "rapid resets": floods.RAPID_RESETS,
    "provoked resets": floods.PROVOKED_RESETS,
    "empty frames": floods.EMPTY_FRAMES,
    "continuation floods": blocks.CONTINUATION_FLOODS,
    "header drips": blocks.HEADER_DRIPS,
    "header bombs": blocks.HEADER_BOMBS,
    "peers that never read": readers.NEVER_READS,
    "drip readers": readers.DRIP_READERS,
    "half-open handshakes": handshakes.HALF_OPEN,
    "no handshakes": handshakes.GARBAGE,
    "malformed": malformed.MALFORMED,
    "hoards": [Kept(hoard) for hoard in (*hoards.HEADER_HOARDS, *hoards.BODY_HOARDS, *ANSWER_HOARDS)],
    "requests after a GOAWAY": [malformed.AFTER_OWN_GOAWAY, malformed.AFTER_EDGES_GOAWAY],
}
IN_TURN = {"no handshakes", "malformed"}
"""Groups of many that end at once: one attack, in which each connection is the next of them."""


class Attack:
    def __init__(self, target: Target, kinds: list, source: str):
        self._target, self._kinds, self._source = target, kinds, source
        self._counting = threading.Lock()
        self.begun = self.cut = self.refused = 0

    def go_on(self, number: int) -> None:
        while True:
            kind = self._kinds[number % len(self._kinds)]
            number += 1
            with self._counting:
                self.begun += 1
            try:
                cut, refused = kind(self._target, self._source).cut, False
            except Exception:  # noqa: BLE001  what an attacker meets is its own affair
                cut, refused = False, True
            with self._counting:
                self.cut += cut
                self.refused += refused
            time.sleep(PAUSE_SECONDS)


def main() -> None:
    host, port, authority, key, group, number, attackers, source = sys.argv[1:]
    trust = ssl.create_default_context(cafile=authority)
    trust.set_alpn_protocols(["h2"])
    kinds = ATTACKS[group] if number == "all" else [ATTACKS[group][int(number)]]
    attack = Attack(Target(host, int(port), trust, key), kinds, source)
    # Only where nothing else wants to run: the victims and their upstream share the core.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    for index in range(int(attackers)):
        threading.Thread(target=attack.go_on, args=(index,), daemon=True).start()
    while not select.select([sys.stdin], [], [], TELLING_SECONDS)[0]:
        print(json.dumps({"begun": attack.begun, "cut": attack.cut, "refused": attack.refused}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
