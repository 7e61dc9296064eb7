"""Runs inside the model's Python environment: llama.cpp's server with Gemma 3 270M, chat and embeddings on
one port.

usage: model_server.py MODEL_FILE PORT
"""

import signal
import sys

import xllamacpp

# The model is a plain language model that was never taught to chat. Framed as a quiz, it answers questions.
TEMPLATE = """\
{% for message in messages %}{% if message['role'] == 'user' %}Question: {{ message['content'] }}
Answer:{% elif message['role'] == 'assistant' %} {{ message['content'] }}
{% else %}{{ message['content'] }}
{% endif %}{% endfor %}"""


def parameters(model_file: str, port: int):
    common = xllamacpp.CommonParams()
    common.model.path = model_file
    common.model_alias = {"gemma3-270m"}
    common.hostnames = ["127.0.0.1"]
    common.port = port
    common.n_parallel = 4
    common.n_ctx = 8192
    common.cache_ram_mib = 0
    common.ui = False
    common.chat_template = TEMPLATE
    common.embedding = True
    common.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return common


def main() -> None:
    ended = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ended)
    server = xllamacpp.Server(parameters(sys.argv[1], int(sys.argv[2])))
    signal.sigwait(ended)
    del server


if __name__ == "__main__":
    main()
