"""LiteLLM's proxy with its own OpenAI route to the upstream: no database, one worker, a master key."""

import re
import ssl
import urllib.request

from devfleet.workplace import REPOSITORY, WORK, FleetError

from .peers import Peer

PROGRAM = WORK / "venv-litellm" / "bin" / "litellm"
ENVIRONMENT = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}


class LiteLLM(Peer):
    name = "LiteLLM"
    environment = ENVIRONMENT
    start_seconds = 180

    def ready(self) -> bool:
        """It listens before it answers."""
        context = ssl._create_unverified_context()
        try:
            with urllib.request.urlopen(
                f"https://127.0.0.1:{self._port}/health/liveliness", context=context, timeout=5
            ) as answer:
                return answer.status == 200
        except OSError:
            return False

    def command(self) -> list:
        if not PROGRAM.exists():
            raise FleetError("LiteLLM is not installed; next: infra/setup bench")
        file = self._folder / "litellm.yaml"
        file.touch(mode=0o600)
        file.write_text(
            "model_list:\n  - model_name: bench-http1\n    litellm_params:\n      model: openai/bench-http1\n"
            f"      api_base: http://127.0.0.1:{self._upstream_port}/v1\n      api_key: none\n"
            f"general_settings:\n  master_key: {self._api_key}\n"
        )
        return [
            *(PROGRAM, "--config", file, "--host", "127.0.0.1", "--port", self._port, "--num_workers", 1),
            *(
                "--telemetry",
                "False",
                "--ssl_keyfile_path",
                self._key,
                "--ssl_certfile_path",
                self._certificate,
            ),
        ]

    @classmethod
    def version(cls) -> str:
        pins = (REPOSITORY / "infra" / "requirements" / "litellm.txt").read_text()
        return f"{cls.name} {re.search(r'^litellm==(.*)$', pins, re.M)[1]}"
