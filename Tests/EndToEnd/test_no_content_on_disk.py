"""No byte of a request or an answer is in any file that the system wrote.

Canaries go in wherever a client or an upstream can put text, through good exchanges and bad ones; then every
file of the fleet is searched: spools, snapshots, logs (standard output and error), configuration, and
PostgreSQL's folder with its write-ahead log.
"""

import base64
import contextlib
import pathlib
import secrets

import httpx
import pytest
from scripted import scripts
from world import chat_request, message_request

SMALLEST_FRAGMENT = 8


class Canaries:
    """Random words, so that a hit is never chance; each is looked for whole, in pieces and in base64."""

    def __init__(self):
        self.words: dict[str, str] = {}

    def __getitem__(self, place: str) -> str:
        return self.words.setdefault(place, f"canary{secrets.token_hex(24)}")

    def needles(self) -> dict[bytes, str]:
        needles = {}
        for place, word in self.words.items():
            # Any sixteen bytes in a row give a leak away that was cut or torn.
            for start in range(0, len(word) - 16, SMALLEST_FRAGMENT):
                needles[word[start : start + 16].encode()] = place
            for shift in range(3):
                needles[base64.b64encode(word.encode()[shift : shift + 24])[:24]] = place
        return needles


def find(canaries: Canaries, folders: list[pathlib.Path]) -> list[str]:
    """Where a canary is, as `place in file`. Values are never printed."""
    needles = canaries.needles()
    found = []
    for file, content in contents(folders):
        if b"canary" not in content and not any(needle in content for needle in needles):
            continue
        found += [f"{place} in {file}" for needle, place in needles.items() if needle in content]
    return sorted(set(found))


def contents(folders: list[pathlib.Path]):
    """Every file and what is in it. One that goes meanwhile has become another, or nothing."""
    for folder in folders:
        for file in [file for file in folder.rglob("*") if file.is_file()]:
            with contextlib.suppress(FileNotFoundError):
                yield file, file.read_bytes()


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries()


def folders(world) -> list[pathlib.Path]:
    return [world.fleet.folder, world.fleet.postgres.folder]


def test_the_control_a_planted_leak_is_found(tmp_path):
    canaries = Canaries()
    word = canaries["prompt"]
    (tmp_path / "clean").write_text("nothing here")
    assert find(canaries, [tmp_path]) == []
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "leak").write_bytes(b"\x00" * 100 + word[3:30].encode() + b"\x00")
    (tmp_path / "encoded").write_bytes(base64.b64encode(f"xx{word}".encode()))
    assert [line.split(" in ")[0] for line in find(canaries, [tmp_path])] == ["prompt", "prompt"]


def test_the_control_a_leak_in_the_database_is_found(world):
    """What a careless statement would leave behind is found in the data folder or its write-ahead log."""
    canaries = Canaries()
    world.fleet.postgres.query(
        f"CREATE TABLE leak AS SELECT '{canaries['leak']}'::text AS word; DROP TABLE leak;"
    )
    assert find(canaries, [world.fleet.postgres.folder])


def test_the_control_a_leak_in_a_log_is_found(world):
    canaries = Canaries()
    log = world.fleet.logs / "planted.log"
    log.write_text(f"warning: could not parse {canaries['leak']}\n")
    try:
        assert find(canaries, folders(world)) == [f"leak in {log}"]
    finally:
        log.unlink()


@pytest.mark.parametrize(
    "way", ["scripted-http1", "scripted-http2", "scripted-http1-tls", "scripted-http2-tls"]
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_good_exchanges_are_made(world, scripted, canaries, way, stream, http2):
    request = full_request(canaries, way, stream)
    echo = scripts.chat_stream([canaries["answer"]]) if stream else scripts.chat(canaries["answer"])
    headers = {"x-custom": canaries["header"], "user-agent": canaries["user agent"]}
    with scripted.doing(echo), world.http(http2=http2) as client:
        answer = client.post(f"/chat/completions?{canaries['query']}=1", json=request, headers=headers)
    assert canaries["answer"] in answer.text
    world.record(answer.headers["x-request-id"])


def full_request(canaries, model, stream) -> dict:
    """A request with text in every place that the dialect has."""
    return chat_request(
        model,
        stream,
        canaries["prompt"],
        user=canaries["user"],
        metadata={canaries["key"]: canaries["metadata"]},
        tools=[
            {
                "type": "function",
                "function": {
                    "name": canaries["tool"],
                    "description": canaries["description"],
                    "parameters": {"type": "object"},
                },
            }
        ],
        tool_choice={
            "type": "function",
            "function": {"name": canaries["tool"], "arguments": canaries["arguments"]},
        },
        attachments=[{"filename": f"{canaries['file name']}.pdf", "data": canaries["file"]}],
    )


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_errors_that_echo_the_prompt_are_made(world, scripted, canaries, status, http2):
    body = {
        "error": {
            "message": f"cannot do {canaries['error message']}",
            "type": canaries["error type"],
            "param": canaries["error param"],
            "code": canaries["error code"],
        }
    }
    headers = {"x-upstream": canaries["upstream header"]}
    with scripted.doing(scripts.error(status, body, headers)), world.http(http2=http2) as client:
        answer = client.post("/chat/completions", json=chat_request(content=canaries["prompt"]))
    world.record(answer.headers["x-request-id"])


def test_broken_streams_are_made(world, scripted, canaries, http2):
    events = scripts.chat_events("m", [canaries["half answer"]], None, False)[:2]
    faults = [
        scripts.cut_after(events),
        scripts.end_after([*events, f"data: {{{canaries['malformed']}\n\n"]),
        scripts.error(200, canaries["not json"].encode()),
    ]
    for fault in faults:
        with scripted.doing(fault), world.http(http2=http2) as client:
            request = chat_request("scripted", True, canaries["prompt"])
            try:
                client.post("/chat/completions", json=request)
            except httpx.HTTPError:
                pass


def test_clients_mistakes_are_made(world, canaries, http2):
    json_type = {"content-type": "application/json"}
    with world.http(http2=http2) as client:
        client.post("/chat/completions", content=f'{{"model": "{canaries["bad json"]}', headers=json_type)
        client.post("/chat/completions", json=chat_request(f"{canaries['unknown model']}"))
        client.post(f"/{canaries['path']}", json={})
        client.post(
            "/chat/completions", content=canaries["body"], headers={"content-type": canaries["content type"]}
        )
        client.post("/chat/completions", json={}, headers={"authorization": f"Bearer {canaries['bad key']}"})
        client.request(canaries["method"][:20].upper(), "/chat/completions")


def test_other_endpoints_are_used(world, scripted, canaries):
    with world.http() as client:
        client.post(
            "/messages",
            json={**message_request(content=canaries["message prompt"]), "system": canaries["system"]},
        )
        client.post("/embeddings", json={"model": "scripted", "input": canaries["embedding input"]})
        client.post("/responses", json={"model": "scripted", "input": canaries["response input"]})
        client.post("/completions", json={"model": "scripted", "prompt": canaries["completion prompt"]})
        client.get(f"/models/{canaries['model path']}")


def test_an_edge_is_killed_in_the_middle_of_it(world, scripted, canaries):
    with scripted.doing(scripts.endless(canaries["endless answer"])), world.http("eu-west") as client:
        with client.stream(
            "POST", "/chat/completions", json=chat_request("scripted", True, canaries["killed prompt"])
        ) as answer:
            next(answer.iter_raw())
            world.edge("eu-west").child.kill()
    world.edge("eu-west").start()


def test_no_canary_is_in_any_file(world, canaries):
    assert len(canaries.words) > 20, "run the whole file: the exchanges above put the canaries in"
    # Stopped in good order, everything that was held back in memory is in a file.
    world.fleet.control_plane.child.stop()
    for edge in world.fleet.edges.values():
        edge.child.stop()
    try:
        assert find(canaries, folders(world)) == []
    finally:
        world.fleet.control_plane.start()
        world.fleet.start_edges()


def test_keys_and_credentials_are_only_where_they_belong(world):
    """Client keys nowhere but in the tests' own files; the provider's credential sealed in the database."""
    own = {"tests-key.txt", "curl-authorization", "scripted-credential", "provider-credential"}
    secrets_of_ours = [world.key.encode(), world.credential.encode()]
    assert all(
        any(secret in (world.fleet.folder / name).read_bytes() for secret in secrets_of_ours)
        for name in ("tests-key.txt", "scripted-credential")
    ), "the control: the search finds them there"
    places = [
        file
        for file, content in contents(folders(world))
        if file.name not in own and any(secret in content for secret in secrets_of_ours)
    ]
    assert places == []
