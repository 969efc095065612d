"""Who takes part in the benchmark: our engine, llama-cpp-python's own class behind a lock, and
llama.cpp's own server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from orchestrator.inference import threads
from orchestrator.inference.base import ChatRequest, InferenceError, Message
from orchestrator.inference.bench.workloads import AGENTS, Asked
from orchestrator.inference.llamacpp import LlamaCppEngine

ROOM = 2048  # tokens of one conversation
START_S = 120


class Ours:
    name = "ours"

    def __init__(self, engine: LlamaCppEngine):
        self.engine = engine

    def answer(self, messages: tuple[Message, ...], max_tokens: int) -> Asked:
        request = ChatRequest(messages, max_tokens=max_tokens, min_tokens=max_tokens)
        done = self.engine.complete(request)
        return Asked(messages, max_tokens, done.text, done.first_token_s)


class Locked:
    """`llama_cpp.Llama` with its defaults, as most programs use it; one caller at a time."""

    name = "locked"

    def __init__(self, path: Path, ends: list[int], gpu_layers: int = 0):
        import llama_cpp  # not before our own module has told OpenMP how to wait

        self._llama: Any = llama_cpp.Llama(
            str(path),
            n_ctx=ROOM,
            n_threads=threads.usable_cores(),
            n_threads_batch=threads.usable_cores(),
            n_gpu_layers=gpu_layers,
            verbose=False,
        )
        self._never = dict.fromkeys(ends, -1000.0)
        self._lock = threading.Lock()

    def answer(self, messages: tuple[Message, ...], max_tokens: int) -> Asked:
        asked_at = time.perf_counter()
        first_s, text = 0.0, ""
        with self._lock:
            for chunk in self._llama.create_chat_completion(
                [{"role": m.role, "content": m.content} for m in messages],
                max_tokens=max_tokens,
                temperature=0.0,
                repeat_penalty=1.0,
                logit_bias=self._never,
                stream=True,
            ):
                piece = chunk["choices"][0]["delta"].get("content", "")
                if piece:
                    first_s = first_s or time.perf_counter() - asked_at
                    text += piece
        return Asked(messages, max_tokens, text, first_s or time.perf_counter() - asked_at)

    def close(self) -> None:
        self._llama.close()


class Server:
    """A running llama-server."""

    name = "llama_server"

    def __init__(self, url: str):
        self._url = url
        self._http = httpx.Client(
            timeout=600, limits=httpx.Limits(max_keepalive_connections=0), trust_env=False
        )

    def answer(self, messages: tuple[Message, ...], max_tokens: int) -> Asked:
        asked_at = time.perf_counter()
        first_s, text = 0.0, ""
        body = {
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "max_tokens": max_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": True,
            "stream": True,
        }
        try:
            for piece in self._pieces(body):
                first_s = first_s or time.perf_counter() - asked_at
                text += piece
        except httpx.HTTPError as reason:
            raise InferenceError(f"llama-server broke off: {reason}") from reason
        return Asked(messages, max_tokens, text, first_s or time.perf_counter() - asked_at)

    def _pieces(self, body: dict[str, Any]) -> Iterator[str]:
        with self._http.stream("POST", f"{self._url}/v1/chat/completions", json=body) as reply:
            if reply.status_code != 200:
                raise InferenceError(f"llama-server answers {reply.status_code}: {reply.read()!r}")
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line[6:]).get("choices") or [{"delta": {}}]
                    if piece := choices[0]["delta"].get("content"):
                        yield piece


@contextmanager
def llama_server(binary: Path, model: Path, gpu_layers: int = 0) -> Iterator[Server]:
    """Start it for eight conversations, with its prompt cache; stop it at the end.

    Raises InferenceError if it cannot be started.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command: list[Any] = [binary, "-m", model, "-np", AGENTS, "-c", AGENTS * ROOM]
    command += ["--host", "127.0.0.1", "--port", port, "-ngl", gpu_layers]
    command += ["-t", threads.usable_cores(), "-tb", threads.usable_cores()]
    try:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"LD_LIBRARY_PATH": str(binary.parent)},
        )
    except OSError as reason:
        raise InferenceError(f"{binary} cannot be started: {reason}") from reason
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url)
        yield Server(url)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise InferenceError(f"llama-server ended at once with code {process.returncode}.")
        try:
            if httpx.get(f"{url}/health", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise InferenceError(f"llama-server did not answer within {START_S} s.")
