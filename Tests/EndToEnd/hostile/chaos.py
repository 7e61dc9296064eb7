"""Attackers that send frames at random, right and wrong, and go away in the middle. What becomes of them does not matter;
that the edge lives and nobody else notices does."""

import dataclasses
import os
import random

from . import frames
from .connection import Connection, Target, Unanswered
from .siege import Outcome


@dataclasses.dataclass(frozen=True)
class Chaos:
    seed: int
    rounds: int = 6
    frames_each: int = 60

    name = "frames at random"

    def __call__(self, target: Target, source: str) -> Outcome:
        choice = random.Random(f"{self.seed} {source}")
        for _ in range(self.rounds):
            with Connection(target, source, receive_bytes=choice.choice([None, 4096])) as connection:
                try:
                    self._misbehave(connection, target, choice)
                except Unanswered:
                    pass
        return Outcome(cut=True)

    def _misbehave(self, connection: Connection, target: Target, choice: random.Random) -> None:
        streams = [1]
        for _ in range(self.frames_each):
            if not connection.send(_frame(target, choice, streams)):
                return
            if choice.random() < 0.1 and not connection.answers():
                return
            if choice.random() < 0.01:
                return


def _frame(target: Target, choice: random.Random, streams: list[int]) -> bytes:
    stream = choice.choice(streams)
    kind = choice.randrange(14)
    if kind < 5:
        streams.append(streams[-1] + 2)
        block = choice.choice([target.chat(), target.models(), target.chat((b"content-length", b"%d" % choice.randrange(300)))])
        opened = frames.headers(streams[-1], block, ends=choice.random() < 0.3)
        whole = choice.random() < 0.5
        return opened + (frames.data(streams[-1], target.body(stream=choice.random() < 0.5)) if whole else b"")
    if kind == 5:
        return frames.data(stream, os.urandom(choice.randrange(2000)), ends=choice.random() < 0.5)
    if kind == 6:
        return frames.reset(stream, choice.randrange(20))
    if kind == 7:
        return frames.priority(choice.choice([stream, stream + 8]), choice.choice([0, stream, 3]))
    if kind == 8:
        return frames.window_update(choice.choice([0, stream]), choice.choice([1, 1000, 1 << 20]))
    if kind == 9:
        name, value = choice.randrange(1, 8), choice.choice([0, 1, 100, 65_535, 1 << 20])
        return frames.settings((name, value))
    if kind == 10:
        trailers = frames.block((b"x-trailer", b"1"))
        return frames.headers(stream, trailers, ends=choice.random() < 0.8)
    if kind == 11:
        return frames.frame(choice.randrange(12), choice.randrange(256), stream, os.urandom(choice.randrange(40)))
    if kind == 12:
        return frames.ping()
    return frames.goaway(choice.randrange(9), choice.randrange(14)) if choice.random() < 0.2 else frames.ping()
