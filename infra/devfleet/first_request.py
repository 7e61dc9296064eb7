"""The transcript that shows the whole line at work: a streamed answer, its headers, and what the control
plane stored."""

import json
import os
import signal
import subprocess

from .fleet import Fleet
from .processes import wait_until
from .workplace import REPOSITORY, FleetError, python_of

PROMPT = "What is the capital of France, and what is it known for?"


def send(fleet: Fleet, key: str, model: str) -> str:
    """Sends the request through the first edge, prints what comes, and returns the exchange's id."""
    edge = next(iter(fleet.edges.values()))
    order = {
        "base_url": edge.base_url,
        "api_key": key,
        "ca_file": str(fleet.ca_file),
        "model": model,
        "prompt": PROMPT,
    }
    script = REPOSITORY / "infra" / "devfleet" / "transcript.py"
    print(f"\nPOST {edge.base_url}/chat/completions  (model {model}, edge {edge.region}, streamed)")
    print(f"prompt: {PROMPT}", flush=True)
    reader, writer = os.pipe()
    order["request_id_descriptor"] = writer
    process = subprocess.Popen(
        [str(python_of("clients")), str(script)], stdin=subprocess.PIPE, pass_fds=[writer], process_group=0
    )
    os.close(writer)
    try:
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        with os.fdopen(reader) as pipe:
            request_id = pipe.read().strip()
        status = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if status != 0 or not request_id:
        raise FleetError(f"the first request failed; next: see {edge.log}")
    return request_id


def show_usage(fleet: Fleet, request_id: str) -> None:
    """Waits until the record has come through and prints it with its cost."""
    wait_until(
        lambda: fleet.control_plane.usage(request_id),
        "the usage record is at the control plane",
        children=fleet.children,
    )
    record = fleet.control_plane.usage(request_id)[0]
    print("\nusage record, as the control plane stored it:")
    print(json.dumps(record, indent=2))
    print(
        f"cost: {record['cost_nano_usd'] / 1e9:.9f} USD = "
        f"{record['input_tokens']} input and {record['output_tokens']} output tokens at the offer's prices\n",
        flush=True,
    )
