"""What an edge holds and what it comes to, by the contract's words alone: it shares no code with what it checks."""

import hashlib
import struct

KINDS = {"region": 1, "upstream": 2, "offer": 3, "team": 4}
KEY, KEY_BYTES = 5, 72
DAY = 86_400_000_000


class Held:
    """The resources of a configuration, as updates make it."""

    def __init__(self):
        self.version = 0
        self._hashed: dict[tuple, bytes] = {}

    def apply(self, parts) -> "Held":
        if parts[0].from_version == 0:
            self._hashed.clear()
        assert parts[0].from_version in (0, self.version)
        for part in parts:
            for resource in part.upserts:
                self._put(resource)
            for start in range(0, len(part.packed_keys), KEY_BYTES):
                key = part.packed_keys[start : start + KEY_BYTES]
                self._hashed[KEY, key[:16]] = bytes([KEY]) + key
            for removal in part.removals:
                kind = removal.WhichOneof("kind")
                self._hashed.pop((KINDS.get(kind, KEY), getattr(removal, kind)), None)
        self.version = parts[0].version
        return self

    def hash(self, from_day: int = 0) -> bytes:
        words = [0, 0, 0, 0]
        for hashed in self._hashed.values():
            if not _ended(hashed, from_day):
                digest = struct.unpack("<4Q", hashlib.sha256(hashed).digest())
                words = [(word + more) % 2**64 for word, more in zip(words, digest)]
        return struct.pack("<4Q", *words)

    def _put(self, resource) -> None:
        kind = resource.WhichOneof("kind")
        content = getattr(resource, kind)
        if kind == "key":
            packed = content.id + content.team_id + content.digest + struct.pack("<q", content.expires_at)
            self._hashed[KEY, content.id] = bytes([KEY]) + packed
        else:
            name = content.name if kind == "region" else content.id
            number = KINDS[kind]
            self._hashed[number, name] = bytes([number]) + content.SerializeToString(deterministic=True)


def _ended(hashed: bytes, from_day: int) -> bool:
    if hashed[0] != KEY:
        return False
    (expires_at,) = struct.unpack("<q", hashed[-8:])
    return expires_at != 0 and expires_at // DAY < from_day
