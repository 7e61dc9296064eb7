"""What `make run` tells people: steps with their times, and how to use the fleet."""

import contextlib
import time

from .fleet import Fleet


@contextlib.contextmanager
def step(title: str):
    started = time.monotonic()
    print(f"· {title}", flush=True)
    yield
    seconds = time.monotonic() - started
    if seconds >= 1:
        print(f"  done in {seconds:.1f} s", flush=True)


def how_to_use(fleet: Fleet, key: str, models: list[str], facts_file) -> str:
    edges = "\n".join(f"  {edge.region:<14} {edge.base_url}" for edge in fleet.edges.values())
    base = next(iter(fleet.edges.values())).base_url
    return f"""\
The fleet is up.

Edges
{edges}
Control plane    {fleet.control_plane.admin_url}
Models           {", ".join(models)}
Key              {key}
Authority        {fleet.ca_file}
Facts as JSON    {facts_file}
Logs             {fleet.logs}

curl
  curl --cacert {fleet.ca_file} {base}/chat/completions \\
    -H 'authorization: Bearer {key}' -H 'content-type: application/json' \\
    -d '{{"model": "{models[0]}", "messages": [{{"role": "user", "content": "Where is Paris?"}}]}}'

OpenAI SDK (Python)
  import openai, ssl
  trust = ssl.create_default_context(cafile="{fleet.ca_file}")
  client = openai.OpenAI(base_url="{base}", api_key="{key}",
                         http_client=openai.DefaultHttpxClient(verify=trust))
  print(client.chat.completions.create(model="{models[0]}",
                                       messages=[{{"role": "user", "content": "Hello"}}]))

Anthropic SDK (Python)
  import anthropic, ssl
  trust = ssl.create_default_context(cafile="{fleet.ca_file}")
  client = anthropic.Anthropic(base_url="{base}", api_key="{key}",
                               http_client=anthropic.DefaultHttpxClient(verify=trust))
  print(client.messages.create(model="claude-sonnet-5", max_tokens=50,
                               messages=[{{"role": "user", "content": "Hello"}}]))

Operator's command
  export STRAIT_ADMIN_URL={fleet.control_plane.admin_url}
  export STRAIT_ADMIN_TOKEN_FILE={fleet.control_plane.operator_token_file}
  export STRAIT_CA_FILE={fleet.ca_file}
  .build/release/strait doctor

Ctrl-C ends everything."""
