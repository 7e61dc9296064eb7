"""The two things that answer requests in a development fleet: a real model and a mock of two providers."""

from .control_plane import answers
from .processes import Child
from .workplace import MODEL_FILE, REPOSITORY, python_of


class ModelServer:
    """llama.cpp with Gemma 3 270M: HTTP/1.1, OpenAI's and Anthropic's dialects, chat and embeddings."""

    def __init__(self, logs, ports):
        self.port = ports["model-server"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.child = None
        self._log = logs / "model-server.log"

    def start(self) -> None:
        script = REPOSITORY / "infra" / "devfleet" / "model_server.py"
        self.child = Child("model server", [python_of("model"), script, MODEL_FILE, self.port], self._log)

    def ready(self) -> bool:
        return answers(f"{self.url}/health") == 200


class MockProvider:
    """llmock: OpenAI's dialect at the root, Anthropic's below /anthropic; faults are ordered at /_llmock/."""

    def __init__(self, logs, ports):
        self.port = ports["llmock"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.child = None
        self._log = logs / "llmock.log"

    def start(self) -> None:
        command = [
            python_of("llmock"),
            "-m",
            "llmock.cli",
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            self.port,
            "--log-level",
            "warning",
        ]
        self.child = Child("llmock", command, self._log)

    def ready(self) -> bool:
        return answers(f"{self.url}/health") == 200
