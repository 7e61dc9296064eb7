"""Configurations for edges whose centre a test plays. They are of one lineage."""

import hashlib
import struct
import uuid

from .contract import Contract

LINEAGE = uuid.UUID(int=77).bytes
REGION, MODEL, UPSTREAM, TEAM = "us-west", "played", 1, 2


def identifier(number: int) -> bytes:
    return uuid.UUID(int=number).bytes


class Configurations:
    """A region, an upstream, offers, teams and a key that serves, in the words of one version of the contract."""

    def __init__(self, contract: Contract, origin: str, key: str):
        self.contract, self._origin, self._key = contract, origin, key

    def snapshot(self, version: int, *, teams=40, offers=20, keys=0):
        """With `keys` more of the team of the key that serves."""
        return self.update(
            0,
            version,
            **({"packed_keys": self.packed_keys(keys)} if keys else {}),
            upserts=[
                self.region(),
                self.upstream(),
                self.offer(100, MODEL),
                *(self.offer(101 + number, f"model-{number}") for number in range(offers - 1)),
                *(self.team(TEAM + number) for number in range(teams)),
                self.key(3, self._key),
            ],
        )

    def update(self, before: int, version: int, **more):
        return self.contract.ConfigurationUpdate(
            lineage=LINEAGE, from_version=before, version=version, last=True, **more
        )

    def region(self, name=REGION):
        return self._resource(region=self.contract.Region(name=name, jurisdiction="US", title="a test"))

    def upstream(self, number=UPSTREAM, name="played", **more):
        kept = {"region": REGION, "origin": self._origin, "protocol": 1, "credential_style": 1, **more}
        return self._resource(upstream=self.contract.Upstream(id=identifier(number), name=name, **kept))

    def offer(self, number: int, model: str, **more):
        kept = {"upstream_id": identifier(UPSTREAM), "upstream_model": model, "dialect": 1, "weight": 100, **more}
        return self._resource(offer=self.contract.Offer(id=identifier(number), model=model, **kept))

    def team(self, number: int, **more):
        name = f"team-{number}"
        kept = {"account_id": identifier(5), "name": name, **more}
        return self._resource(team=self.contract.Team(id=identifier(number), **kept))

    def key(self, number: int, key: str, team=TEAM):
        digest = hashlib.sha256(key.encode()).digest()
        return self._resource(
            key=self.contract.Key(id=identifier(number), team_id=identifier(team), digest=digest)
        )

    def packed_key(self, number: int, key: str, team=TEAM, expires_at=0) -> bytes:
        """As edges of the present take many."""
        digest = hashlib.sha256(key.encode()).digest()
        return identifier(number) + identifier(team) + digest + struct.pack("<q", expires_at)

    def packed_keys(self, count: int, *, secret="", expires_at=0) -> bytes:
        """The keys of a snapshot, or the same with another secret or another end."""
        numbers = range(1_000, 1_000 + count)
        return b"".join(self.packed_key(number, f"{secret}{number}", expires_at=expires_at) for number in numbers)

    def removal(self, **kind):
        return self.contract.ResourceReference(**kind)

    def _resource(self, **kind):
        return self.contract.Resource(**kind)
