"""Connections to upstreams: whom they trust, where names lead, and how many requests share one."""

import concurrent.futures
import contextlib
import threading
import time

import pytest
from devfleet.certificates import DevelopmentAuthority
from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import wait_until
from edge_beside import REGION, await_configuration, edge_beside, metric
from hostile import frames
from http_clients import Http2Client, chat_body
from own_names import NameServer, OwnNames, why_not
from raw_upstream import GOOD, H2Upstream, RawUpstream, answer, h2_head, read_request, serve_well
from survival.configurations import MODEL, Configurations
from survival.contract import present
from survival.fake_centre import FakeCentre
from upstream_models import add_models
from world import chat_request

CHAT = "/chat/completions"
LIMITS = {"upstream_connect_seconds": 3, "upstream_address_seconds": 1}
BURST = 24


class Place:
    """An edge, and the names that it sees."""

    def __init__(self, world, folder):
        self._names = OwnNames(folder)
        self.say = self._names.say
        self.edge = Edge(
            REGION, folder / "edge", folder / "logs", Ports(folder), world.fleet.control_plane, world.fleet.authority,
            {"workers": 1, "limits": LIMITS},
        )
        self.edge.prefix = self._names.prefix


@pytest.fixture(scope="module")
def hosts(world, tmp_path_factory):
    if why := why_not():
        pytest.skip(why)
    place = Place(world, tmp_path_factory.mktemp("connections"))
    try:
        place.edge.start()
        await_configuration(world, place.edge)
        yield place
    finally:
        if place.edge.child:
            place.edge.child.stop()


@pytest.fixture(scope="module")
def certificates(world, tmp_path_factory):
    """By what is wrong with them."""
    ours, strange = world.fleet.authority, DevelopmentAuthority(tmp_path_factory.mktemp("strangers"))
    return {
        "right": ours.issue("upstream-right", "DNS:upstream.test,IP:127.0.0.1,IP:::1"),
        "name": ours.issue("upstream-other-name", "DNS:other.test"),
        "authority": strange.issue("upstream-strange", "DNS:upstream.test,IP:127.0.0.1"),
    }


def until_closed(connection) -> None:
    while connection.recv(4096):
        pass


def ask(world, edge, model: str, **more):
    with world.http(edge) as client:
        return client.post(CHAT, json=chat_request(model, **more))


def test_an_upstream_is_what_its_certificate_says_or_gets_nothing(world, hosts, certificates):
    ca, heads = world.fleet.ca_file, []

    def serve(connection):
        while head := read_request(connection):
            heads.append(head)
            answer(connection)

    hosts.say("127.0.0.1 upstream.test")
    with contextlib.ExitStack() as stack:
        raw = {
            name: stack.enter_context(RawUpstream(serve, certificate=pair)) for name, pair in certificates.items()
        }
        urls = {
            "right-address": raw["right"].url(),
            "right-name": raw["right"].url("upstream.test"),
            "other-name": raw["name"].url("upstream.test"),
            "other-address": raw["name"].url(),
            "other-authority": raw["authority"].url("upstream.test"),
            # The resolver takes it for 127.0.0.1, which the certificate is for, but it is no name that one is for.
            "digits": raw["right"].url("127.1"),
        }
        models = add_models(world, {name: {"url": url, "ca_file": ca} for name, url in urls.items()}, [hosts.edge])
        got = {name: ask(world, hosts.edge, model) for name, model in models.items()}
    assert {name for name, one in got.items() if one.status_code == 200} == {"right-address", "right-name"}
    assert {one.json()["error"]["code"] for one in got.values() if one.status_code != 200} == {"upstream_unreachable"}
    assert {world.record(one.headers["x-request-id"])["outcome"] for one in got.values()} == {
        "completed",
        "upstream_unreachable",
    }
    assert len(heads) == 2


def test_an_upstream_at_an_ipv6_address(world, hosts, certificates):
    try:
        upstream = RawUpstream(serve_well, address="::1", certificate=certificates["right"])
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with upstream:
        options = {"url": upstream.url("[::1]"), "ca_file": world.fleet.ca_file}
        model = add_models(world, {"six": options}, [hosts.edge])["six"]
        assert ask(world, hosts.edge, model).content == GOOD


def test_a_dead_address_costs_one_connection_and_not_each(world, hosts, certificates):
    """A resolver gives 127.0.0.1 before 127.0.0.2: it is nearer to where the edge calls from (RFC 6724, rule 9)."""
    hosts.say("127.0.0.1 pair.test", "127.0.0.2 pair.test")

    def once(connection):
        if read_request(connection):
            answer(connection, fields="connection: close\r\n")

    pair = world.fleet.authority.issue("upstream-pair", "DNS:pair.test")
    with (
        RawUpstream(once, address="127.0.0.2", certificate=pair) as alive,
        # It takes a connection and says nothing, until the edge's patience ends.
        RawUpstream(until_closed, port=alive.port) as dead,
    ):
        options = {"url": alive.url("pair.test"), "ca_file": world.fleet.ca_file}
        model = add_models(world, {"pair": options}, [hosts.edge])["pair"]
        got = [ask(world, hosts.edge, model) for _ in range(5)]
    assert [one.content for one in got] == [GOOD] * 5
    assert (dead.connections, alive.connections) == (1, 5)
    # The first waited for the dead one; the others' addresses were looked up anew meanwhile, and still they did not.
    assert got[0].elapsed.total_seconds() >= LIMITS["upstream_connect_seconds"] - 1


def test_a_name_that_comes_to_lead_elsewhere_is_followed(world, hosts):
    hosts.say("127.0.0.3 moving.test")
    served = {"127.0.0.3": 0, "127.0.0.4": 0}

    def serve_once(address):
        def serve(connection):
            if read_request(connection):
                served[address] += 1
                answer(connection, fields="connection: close\r\n")

        return serve

    with (
        RawUpstream(serve_once("127.0.0.3"), address="127.0.0.3") as before,
        RawUpstream(serve_once("127.0.0.4"), address="127.0.0.4", port=before.port),
    ):
        model = add_models(world, {"moving": {"url": before.url("moving.test")}}, [hosts.edge])["moving"]
        assert ask(world, hosts.edge, model).content == GOOD
        assert served == {"127.0.0.3": 1, "127.0.0.4": 0}
        hosts.say("127.0.0.4 moving.test")
        wait_until(
            lambda: ask(world, hosts.edge, model).content == GOOD and served["127.0.0.4"], "it is followed", every=0.2
        )
        # And to nowhere it may not lead.
        hosts.say("169.254.169.254 moving.test")
        wait_until(lambda: ask(world, hosts.edge, model).status_code == 502, "it is refused", every=0.2)
        hosts.say("127.0.0.3 moving.test")
        wait_until(lambda: ask(world, hosts.edge, model).content == GOOD, "it is back", every=0.2)


def test_a_name_that_comes_to_lead_nowhere_leaves_what_runs_alone(world, hosts):
    """One client's requests fill connections, and the next one finds no address to connect to."""
    # As many as the edge asks of a peer that has not said yet how many it takes.
    most, asked, come = 8, threading.Semaphore(0), threading.Event()

    def hold(connection, encoder, stream, _):
        asked.release()
        whole = h2_head(encoder, stream) + frames.data(stream, GOOD)
        threads.submit(lambda: come.wait(60) and connection.sendall(whole))

    hosts.say("127.0.0.3 leaving.test")
    upstream = RawUpstream(H2Upstream(hold, (frames.MAX_CONCURRENT_STREAMS, most)), address="127.0.0.3")
    with concurrent.futures.ThreadPoolExecutor(1) as threads, upstream:
        options = {"url": upstream.url("leaving.test"), "http_version": "http2"}
        model = add_models(world, {"leaving": options}, [hosts.edge])["leaving"]
        with Http2Client(world, hosts.edge) as client:
            held, refused = [client.ask(chat_body(model)) for _ in range(2 * most)], []
            try:
                assert all(asked.acquire(timeout=20) for _ in held)
                hosts.say("169.254.169.254 leaving.test")
                # What is known of the name is good for a second, and then until it has been looked up again.
                time.sleep(2 * LIMITS["upstream_address_seconds"])
                while len(refused) < 3:
                    stream = client.ask(chat_body(model))
                    if asked.acquire(timeout=3):
                        held.append(stream)
                        assert len(held) < 10 * most, "the name is never looked up again"
                    else:
                        refused.append(client.answer(stream).status)
            finally:
                come.set()
            assert refused == [502] * 3
            assert [client.answer(stream).status for stream in held] == [200] * len(held)


@pytest.mark.parametrize("version", ["http1", "http2"])
def test_a_large_request_gets_its_turn_on_the_only_connection(world, tmp_path, version):
    """It cannot be sent twice, so it may not go where an idle connection may be about to close."""
    asked, come = threading.Semaphore(0), threading.Event()

    def over_http1(connection):
        while read_request(connection):
            asked.release()
            come.wait(60)
            answer(connection)

    def over_http2(connection, encoder, stream, _):
        asked.release()
        come.wait(60)
        connection.sendall(h2_head(encoder, stream) + frames.data(stream, GOOD))

    settings = ((frames.MAX_CONCURRENT_STREAMS, 1), (frames.INITIAL_WINDOW_SIZE, 1 << 23))
    serve = over_http1 if version == "http1" else H2Upstream(over_http2, *settings)
    with (
        RawUpstream(serve) as upstream,
        edge_beside(world, tmp_path, {"upstream_connections": 1}, workers=1) as edge,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        options = {"url": upstream.url(), "http_version": version}
        model = add_models(world, {f"one-at-a-time-{version}": options}, [edge])[f"one-at-a-time-{version}"]
        first = pool.submit(ask, world, edge, model)
        assert asked.acquire(timeout=20)
        large = pool.submit(ask, world, edge, model, user="x" * (3 << 20))
        wait_until(lambda: metric(edge, "strait_edge_exchanges_active") == 2, "the edge has both")
        come.set()
        while not large.done():
            assert ask(world, edge, model).content == GOOD
        assert (first.result().content, large.result().content) == (GOOD, GOOD)


def test_a_name_whose_servers_are_silent_holds_no_other_up(world, hosts):
    with RawUpstream(serve_well) as upstream, NameServer({"quick.test": "127.0.0.1"}, {"silent.test"}) as names:
        urls = {name: {"url": upstream.url(f"{name}.test")} for name in ("silent", "quick")}
        models = add_models(world, urls, [hosts.edge])
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            silent = pool.submit(ask, world, hosts.edge, models["silent"])
            assert names.asked["silent.test"].wait(10)
            quick = ask(world, hosts.edge, models["quick"])
            assert not silent.done()
            names.release("silent.test")
            assert (quick.content, silent.result().status_code) == (GOOD, 502)
    assert quick.elapsed.total_seconds() < 5


def test_addresses_go_to_those_who_asked_for_them(world, tmp_path):
    """The upstream gets another origin while the name of its first one is looked up."""
    if why := why_not():
        pytest.skip(why)

    def say(word: bytes):
        def serve(connection):
            if read_request(connection):
                answer(connection, word, fields="connection: close\r\n")

        return serve

    contract = present()
    with (
        RawUpstream(say(b'{"at":"first"}'), address="127.0.0.11") as first,
        RawUpstream(say(b'{"at":"second"}'), address="127.0.0.12", port=first.port),
        NameServer({"first.test": "127.0.0.11", "second.test": "127.0.0.12"}, {"first.test"}) as names,
        FakeCentre(contract, tmp_path, REGION) as centre,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        words = Configurations(contract, first.url("first.test"), world.key)
        centre.greeting = [words.snapshot(1)]
        edge = Edge(
            REGION, tmp_path / "edge", tmp_path / "logs", Ports(tmp_path), centre, world.fleet.authority, {"workers": 1}
        )
        edge.prefix = OwnNames(tmp_path).prefix
        edge.launch()
        try:
            edge.wait_ready()
            early = pool.submit(ask, world, edge, MODEL)
            assert names.asked["first.test"].wait(10)
            centre.say(words.update(1, 2, upserts=[words.upstream(origin=first.url("second.test"))]))
            wait_until(lambda: edge.metrics()["strait_edge_configuration_version"] == 2, "the edge has the change")
            assert ask(world, edge, MODEL).json() == {"at": "second"}
            names.release("first.test")
            assert early.result().json() == {"at": "first"}
            assert [ask(world, edge, MODEL).json() for _ in range(3)] == [{"at": "second"}] * 3
        finally:
            edge.child.stop()


def all_at_once(world, edge, model: str):
    with concurrent.futures.ThreadPoolExecutor(BURST) as pool:
        return list(pool.map(lambda _: ask(world, edge, model), range(BURST)))


def test_a_burst_at_an_upstream_that_chooses_http1_goes_out_side_by_side(world, hosts, certificates):
    together = threading.Barrier(BURST)

    def serve(connection):
        while read_request(connection):
            # Whoever serves them one after the other never gets past this.
            together.wait(20)
            answer(connection)

    with RawUpstream(serve, certificate=certificates["right"], protocols=("http/1.1",)) as upstream:
        options = {"url": upstream.url(), "ca_file": world.fleet.ca_file, "http_version": "negotiated"}
        model = add_models(world, {"chooses-http1": options}, [hosts.edge])["chooses-http1"]
        got = all_at_once(world, hosts.edge, model)
    assert [one.content for one in got] == [GOOD] * BURST
    assert upstream.connections >= BURST


def test_what_an_upstream_takes_no_more_of_on_one_connection_goes_to_others(world, hosts):
    most, asked, come = 10, threading.Semaphore(0), threading.Event()

    def hold(connection, encoder, stream, _):
        asked.release()

        def later():
            come.wait(30)
            connection.sendall(h2_head(encoder, stream) + frames.data(stream, GOOD))

        threads.submit(later)

    upstream = RawUpstream(H2Upstream(hold, (frames.MAX_CONCURRENT_STREAMS, most)))
    with concurrent.futures.ThreadPoolExecutor(1) as threads, upstream:
        options = {"url": upstream.url(), "http_version": "http2"}
        model = add_models(world, {"takes-ten": options}, [hosts.edge])["takes-ten"]
        with concurrent.futures.ThreadPoolExecutor(1) as waiting:
            got = waiting.submit(all_at_once, world, hosts.edge, model)
            try:
                arrived = [asked.acquire(timeout=20) for _ in range(BURST)]
            finally:
                come.set()
            got = got.result()
    assert all(arrived), f"only {sum(arrived)} of {BURST} requests reached the upstream while none was answered"
    assert [one.content for one in got] == [GOOD] * BURST
    assert upstream.connections >= -(-BURST // most)
