"""CPU per request of an edge and of nghttpx, on the same work, in turn.

The work: TLS 1.3 and HTTP/2 in, cleartext HTTP/2 out, 1 KB up and 1 KB down, the same
certificate and cipher. One proxy thread on core 0; the load and the upstream on core 1. The runs of the two
proxies alternate, so that a change of the machine's mood meets both. The edge does its whole job meanwhile:
it knows the caller, reads model and usage, and writes a usage record of every request to its disk.

usage: bench.py [--runs N] [--requests N] [--write]     --write puts the table into README.md beside this file
"""

import argparse
import pathlib
import shutil
import statistics
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "infra"))

import report  # noqa: E402
from devfleet.catalogue import Offer, Upstream  # noqa: E402
from devfleet.fleet import Fleet  # noqa: E402
from devfleet.workplace import FleetError  # noqa: E402
from load import LOADS, Load, Measurement, measure  # noqa: E402
from parts import Nghttpx, StaticUpstream, pin, request  # noqa: E402

PROXY_CORE, LOAD_CORE = 0, 1


def main() -> int:
    options = arguments()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="strait-bench-"))
    fleet = Fleet(folder, regions=("us-east",), edge_settings={"us-east": {"workers": 1}})
    upstream = StaticUpstream(folder / "upstream", fleet.ports["upstream"], LOAD_CORE)
    nghttpx = Nghttpx(folder, fleet.ports["nghttpx"], upstream.port, fleet.authority.issue("edge-us-east"))
    try:
        upstream.start()
        key = start_edge(fleet, upstream)
        nghttpx.start()
        pin(nghttpx.child.pid, PROXY_CORE)
        urls = {"edge-node": fleet.edges["us-east"].base_url, "nghttpx": nghttpx.base_url}
        processes = {"edge-node": fleet.edges["us-east"].child.pid, "nghttpx": nghttpx.child.pid}
        body = folder / "request.json"
        body.write_text(request())
        results = run_in_turn(urls, processes, key, options, body)
        check_every_request_was_recorded(fleet, options)
        for line in report.table(results):
            print(line)
        if options.write:
            report.write(HERE / "README.md", results, options.runs, options.requests)
        return 0
    finally:
        nghttpx.stop()
        fleet.stop()
        upstream.stop()
        fleet.postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each proxy and load")
    parser.add_argument("--requests", type=int, default=100_000, help="requests of one run")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    return parser.parse_args()


def start_edge(fleet: Fleet, upstream: StaticUpstream) -> str:
    """An edge with its configuration; what gave it that is stopped, so that it takes no part in the runs."""
    fleet.start_database()
    fleet.control_plane.start()
    fleet.catalogue.apply_regions()
    fleet.catalogue.add_upstreams([Upstream("bench", "us-east", upstream.url, "http2")])
    fleet.catalogue.add_offers([Offer("bench", "bench", "openai", "0.15", "0.60")])
    fleet.catalogue.ensure_team("bench")
    key = fleet.catalogue.ensure_key("bench", fleet.folder / "bench-key.txt")
    fleet.start_edges()
    fleet.wait_for_configuration(key, {"bench"})
    fleet.control_plane.child.stop()
    fleet.postgres.child.stop()
    pin(fleet.edges["us-east"].child.pid, PROXY_CORE)
    return key


def check_every_request_was_recorded(fleet: Fleet, options) -> None:
    """The edge's figure counts only when it did all of its work: a usage record of each request in its spool."""
    with urllib.request.urlopen(f"{fleet.edges['us-east'].admin_url}/metrics", timeout=10) as answer:
        values = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[:1] != "#")
    recorded = int(float(values["strait_edge_spooled_records"]))
    expected = len(LOADS) * (options.runs + 1) * options.requests
    if recorded < expected:
        raise FleetError(f"the edge kept {recorded} usage records of {expected} requests")


def run_in_turn(urls, processes, key, options, body) -> dict[Load, dict[str, list[Measurement]]]:
    results = {load: {name: [] for name in urls} for load in LOADS}
    for load in LOADS:
        for run in range(-1, options.runs):
            # The order alternates too; the run before the first warms both up and is not counted.
            for name in sorted(urls, reverse=run % 2 == 0):
                measurement = measure(
                    load, urls[name], processes[name], key, options.requests, body, LOAD_CORE
                )
                if run >= 0:
                    results[load][name].append(measurement)
                print(f"  {load.name:<10} run {run + 1} {name:<10} {measurement}", flush=True)
        for name, measurements in results[load].items():
            median = statistics.median(one.microseconds for one in measurements)
            print(f"{load.name}: {name} {median:.1f} µs of CPU a request", flush=True)
    return results


if __name__ == "__main__":
    sys.exit(main())
