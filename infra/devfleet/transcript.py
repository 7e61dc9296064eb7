"""Runs with the official SDK: one streamed chat completion through an edge, printed as it comes.

Standard input is a JSON object {base_url, api_key, ca_file, model, prompt, request_id_descriptor}; the
exchange's id is written to that descriptor, so that what people see stays free of it.
"""

import json
import ssl
import sys

import openai


def main() -> None:
    order = json.load(sys.stdin)
    context = ssl.create_default_context(cafile=order["ca_file"])
    client = openai.OpenAI(
        base_url=order["base_url"],
        api_key=order["api_key"],
        http_client=openai.DefaultHttpxClient(verify=context),
    )
    answer = client.chat.completions.with_raw_response.create(
        model=order["model"],
        stream=True,
        max_tokens=60,
        temperature=0,
        stop=["\n"],
        messages=[{"role": "user", "content": order["prompt"]}],
    )
    print("answer:", end="", flush=True)
    for chunk in answer.parse():
        for choice in chunk.choices:
            print(choice.delta.content or "", end="", flush=True)
    print("\n\nresponse headers:")
    for name, value in answer.headers.items():
        print(f"  {name}: {value}")
    with open(order["request_id_descriptor"], "w", encoding="ascii") as pipe:
        pipe.write(answer.headers["x-request-id"])


if __name__ == "__main__":
    main()
