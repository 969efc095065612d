"""llama.cpp in this process: the one module that touches its C functions.

`LlamaWeights` is one model file with its KV cache, as `engine.py` wants it; `LlamaCppEngine` is
the ChatModel on top of both.
"""

from __future__ import annotations

import ctypes
import os
import platform
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.inference import threads as cores
from orchestrator.inference.base import (
    ChatRequest,
    Completion,
    GrammarInvalid,
    ModelUnavailable,
    PromptTooLong,
)
from orchestrator.inference.chat import ChatTemplate
from orchestrator.inference.engine import CHUNK, DecodeFailed, Engine
from orchestrator.inference.jobs import EngineStream, Entry
from orchestrator.inference.sampling import Ids, Logits
from orchestrator.inference.shelf import PrefixShelf

cores.wait_briefly()

import llama_cpp  # noqa: E402  OpenMP reads its settings when llama.cpp is loaded
from llama_cpp.llama_chat_format import Jinja2ChatFormatter  # noqa: E402

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
AUTO, EVERY_LAYER = -1, 999
_LEVEL_ERROR = 4  # ggml.h: GGML_LOG_LEVEL_ERROR
_last_error: list[str] = []


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _keep_errors(level: int, text: bytes, _data: object) -> None:
    """llama.cpp's log: silent, but its last error is kept for our own messages."""
    if level == _LEVEL_ERROR:
        _last_error[:] = [text.decode("utf-8", "replace").strip()]


llama_cpp.llama_log_set(_keep_errors, ctypes.c_void_p(0))


class LlamaCppEngine:
    """A ChatModel that runs a GGUF file on this machine. Safe to call from many threads.

    context_tokens: most tokens of one request; less if the model was trained on less. Each of
                    the sequences has so much room
    sequences:      answers that may run at once
    gpu_layers:     AUTO puts all on a GPU if there is one
    shelf:          keeps prefixes that prompts have in common over a restart
    threads:        None for what this process may really use
    Raises ModelUnavailable if the file cannot be loaded or has no chat template.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        context_tokens: int = 4096,
        sequences: int = 8,
        threads: int | None = None,
        gpu_layers: int = AUTO,
        shelf: PrefixShelf | None = None,
    ):
        self.name = name
        self._shelf = shelf
        self._weights = LlamaWeights(
            path,
            context_tokens=context_tokens,
            sequences=sequences,
            threads=threads or cores.usable_cores(),
            gpu_layers=gpu_layers,
        )
        self.context_tokens = self._weights.context_tokens
        self._template = self._weights.chat_template()
        self._engine = Engine(self._weights, name, shelf)

    def stream(self, request: ChatRequest) -> EngineStream:
        """Submit a request. Raises PromptTooLong, GrammarInvalid or Overloaded before anything
        runs."""
        prompt, dropped = self._fitted(request)
        grammar = None if request.grammar is None else self._weights.grammar(request.grammar)
        stream = self._engine.submit(request, prompt, grammar)
        stream.dropped_messages = dropped
        return stream

    @property
    def stats(self) -> dict[str, Any]:
        """What it has done so far, what waits and what runs."""
        engine = self._engine
        return engine.stats.snapshot() | {"queued": engine.queued, "running": engine.running}

    @property
    def ends(self) -> list[int]:
        """Ids of the tokens that end an answer."""
        return [int(token) for token in self._weights.ends]

    def complete(self, request: ChatRequest) -> Completion:
        return self.stream(request).completion

    def count_tokens(self, text: str) -> int:
        return len(self._weights.tokenize(text, control=False))

    def count_prompt(self, request: ChatRequest) -> int:
        return len(self.tokens(request))

    def tokens(self, request: ChatRequest) -> list[int]:
        """The prompt as the model will see it. Text of a message is never a control token."""
        parts = self._template.render(request.messages)
        tokens: list[int] = []
        for text, control in parts:
            tokens += self._weights.tokenize(text, control=control)
        return self._weights.with_start(tokens)

    def close(self) -> None:
        """Stop within one step and free the memory. Open streams raise InferenceError."""
        self._engine.close()
        if self._shelf is not None:
            self._shelf.close()

    def _fitted(self, request: ChatRequest) -> tuple[list[int], int]:
        """The prompt's tokens, and how many messages the request's policy left out to make it fit.

        Raises PromptTooLong.
        """
        messages = list(request.messages)
        kept = sum(message.role == "system" for message in messages[:1])  # what stays in any case
        while True:
            prompt = self.tokens(replace(request, messages=tuple(messages)))
            if len(prompt) + request.max_tokens <= self.context_tokens:
                return prompt, len(request.messages) - len(messages)
            if request.overflow == "refuse" or len(messages) - kept <= 1:
                raise PromptTooLong(
                    f"The prompt has {len(prompt):,} tokens and the answer may have "
                    f"{request.max_tokens:,}; {self.name} has room for {self.context_tokens:,} "
                    "together. Give it less text, or ask for a shorter answer."
                )
            del messages[kept]


class LlamaWeights:
    """A loaded model and its cache. Tokenizing and grammars are for any thread, the rest is for
    the owner thread alone."""

    def __init__(
        self, path: Path, *, context_tokens: int, sequences: int, threads: int, gpu_layers: int
    ):
        _last_error.clear()
        gpu_layers = usable_layers(gpu_layers)
        self._model = _load(path, gpu_layers)
        weakref.finalize(self, llama_cpp.llama_model_free, self._model)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._size = llama_cpp.llama_vocab_n_tokens(self._vocab)
        room = min(context_tokens, llama_cpp.llama_model_n_ctx_train(self._model))
        self._context = _context(self._model, path, room, sequences, threads, gpu_layers)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._most = CHUNK + sequences
        self._batch = llama_cpp.llama_batch_init(self._most, 0, 1)
        self._pieces: dict[int, bytes | None] = {}
        self.ends, self._forbidden = self._control_tokens()
        self.sequences = sequences
        self.context_tokens = room
        self.shares = not (
            llama_cpp.llama_model_is_recurrent(self._model)
            or llama_cpp.llama_model_is_hybrid(self._model)
        )

    # what any thread may call

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """control: whether "<|im_end|>" and the like are read as control tokens or as text."""
        data = text.encode()
        room = len(data) + 8
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, room, False, control)
        return list(tokens[:count])

    def with_start(self, tokens: list[int]) -> list[int]:
        """Put the start token in front if the model wants one and the template gave none."""
        start = llama_cpp.llama_vocab_bos(self._vocab)
        if not llama_cpp.llama_vocab_get_add_bos(self._vocab) or tokens[:1] == [start]:
            return tokens
        return [start, *tokens]

    def chat_template(self) -> ChatTemplate:
        """The file's own template, rendered in jinja2's immutable sandbox."""
        template = llama_cpp.llama_model_chat_template(self._model, None)
        if template is None:
            raise ModelUnavailable(
                "This model file has no chat template, so it is no chat model. "
                "Choose one whose name says 'instruct' or 'chat'."
            )
        return ChatTemplate(
            Jinja2ChatFormatter(
                template=template.decode(),
                eos_token=self._text(llama_cpp.llama_vocab_eos(self._vocab)),
                bos_token=self._text(llama_cpp.llama_vocab_bos(self._vocab)),
            )
        )

    def grammar(self, text: str) -> LlamaGrammar:
        """Raises GrammarInvalid with what llama.cpp says about it."""
        if not text.strip():
            raise GrammarInvalid("The grammar is empty; leave it out if any answer will do.")
        sampler = self._grammar_sampler(text)
        if not sampler:
            said = _stderr_of(lambda: self._grammar_sampler(text))
            reason = said.splitlines()[0] if said else (_last_error or ["it is not GBNF"])[0]
            raise GrammarInvalid(f"The grammar could not be parsed: {reason}")
        return LlamaGrammar(sampler)

    # what the owner thread may call

    def decode(self, batch: Sequence[Entry]) -> None:
        """Compute at most CHUNK + sequences entries. Raises DecodeFailed."""
        c = self._batch
        c.n_tokens = len(batch)
        for row, entry in enumerate(batch):
            c.token[row] = entry.token
            c.pos[row] = entry.position
            c.n_seq_id[row] = 1
            c.seq_id[row][0] = entry.sequence
            c.logits[row] = entry.wanted
        code = llama_cpp.llama_decode(self._context, c)
        if code != 0:
            reason = f" ({_last_error[0]})" if _last_error else ""
            raise DecodeFailed(f"llama.cpp could not compute a step: code {code}{reason}")

    def logits(self, row: int) -> Logits:
        """(V,) float32, a view that the next decode overwrites; control tokens are -inf."""
        pointer = llama_cpp.llama_get_logits_ith(self._context, row)
        logits: Logits = np.ctypeslib.as_array(pointer, shape=(self._size,))
        logits[self._forbidden] = -np.inf
        return logits

    def piece(self, token: int) -> bytes | None:
        if token not in self._pieces:
            ends = llama_cpp.llama_vocab_is_eog(self._vocab, token)
            self._pieces[token] = None if ends else self._bytes(token, special=False)
        return self._pieces[token]

    def copy(self, source: int, target: int, length: int) -> None:
        """By way of the state, which is copied at once; `llama_memory_seq_cp` between buffers
        only notes the copy, and would overwrite what is loaded meanwhile."""
        if not self._restore(target, self._state(source)):
            raise DecodeFailed(f"llama.cpp could not copy sequence {source} to {target}.")
        self.cut(target, length)

    def save(self, sequence: int) -> bytes:
        return bytes(self._state(sequence))

    def load(self, sequence: int, state: bytes) -> bool:
        return self._restore(sequence, (ctypes.c_uint8 * len(state)).from_buffer_copy(state))

    def _state(self, sequence: int) -> Any:
        """A buffer of exactly the state's size."""
        size = llama_cpp.llama_state_seq_get_size(self._context, sequence)
        buffer = (ctypes.c_uint8 * size)()
        if llama_cpp.llama_state_seq_get_data(self._context, buffer, size, sequence) != size:
            raise DecodeFailed(f"llama.cpp could not read the state of sequence {sequence}.")
        return buffer

    def _restore(self, sequence: int, buffer: Any) -> bool:
        size = len(buffer)
        done = llama_cpp.llama_state_seq_set_data(self._context, buffer, size, sequence)
        if not done:
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return bool(done)

    def cut(self, sequence: int, length: int) -> None:
        if not llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1):
            raise DecodeFailed(f"llama.cpp could not cut sequence {sequence} at {length}.")

    def close(self) -> None:
        """Free the cache now. The model itself goes with the last reference to this object,
        because other threads may be tokenizing."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)

    def _grammar_sampler(self, text: str) -> Any:
        return llama_cpp.llama_sampler_init_grammar(self._vocab, text.encode(), b"root")

    def _control_tokens(self) -> tuple[Ids, Ids]:
        """Ids of the tokens that end an answer, and of those that it must not contain."""
        ends, others = [], []
        for token in range(self._size):
            if llama_cpp.llama_vocab_is_eog(self._vocab, token):
                ends.append(token)
            elif llama_cpp.llama_vocab_is_control(self._vocab, token):
                others.append(token)
        return np.array(ends, np.int32), np.array(others, np.int32)

    def _text(self, token: int) -> str:
        return "" if token < 0 else self._bytes(token, special=True).decode("utf-8", "replace")

    def _bytes(self, token: int, *, special: bool) -> bytes:
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, room, 0, special)
            if length >= 0:
                return buffer.raw[:length]
            room = -length


class LlamaGrammar:
    """llama.cpp's own grammar sampler, asked about a few candidates at a time."""

    def __init__(self, sampler: Any):
        self._sampler = sampler

    def admits(self, ids: Ids) -> NDArray[np.bool_]:
        candidates = np.zeros(ids.size, dtype=_CANDIDATE)
        candidates["id"] = ids
        array = llama_cpp.llama_token_data_array(
            data=candidates.ctypes.data_as(llama_cpp.llama_token_data_p),
            size=ids.size,
            selected=-1,
            sorted=False,
        )
        llama_cpp.llama_sampler_apply(self._sampler, ctypes.byref(array))
        admitted: NDArray[np.bool_] = np.isfinite(candidates["logit"])
        return admitted

    def accept(self, token: int) -> None:
        llama_cpp.llama_sampler_accept(self._sampler, token)

    def close(self) -> None:
        llama_cpp.llama_sampler_free(self._sampler)


def usable_layers(wanted: int) -> int:
    """Layers to put on a GPU: as wanted, or if that is AUTO, all that fit where llama.cpp was
    built with a GPU back end and finds a device."""
    if wanted != AUTO:
        return wanted
    return EVERY_LAYER if llama_cpp.llama_supports_gpu_offload() else 0


def _load(path: Path, gpu_layers: int) -> Any:
    if not path.is_file():
        raise ModelUnavailable(f"There is no model file at {path}.")
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    # On x86 the repacked weights read prompts more slowly, and round otherwise in a batch than
    # alone, so that answers depend on their neighbours (docs/LOG.md).
    params.use_extra_bufts = platform.machine().lower() not in ("x86_64", "amd64")
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise ModelUnavailable(_unusable(path, "fetch it again, or choose another model"))
    return model


def _context(
    model: Any, path: Path, room: int, sequences: int, threads: int, gpu_layers: int
) -> Any:
    """A buffer for each sequence: in one that all share, each token's attention would go over the
    tokens of all (docs/LOG.md). swa_full, so that all can be cut."""
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = room * sequences
    params.n_batch = params.n_ubatch = CHUNK + sequences
    params.n_seq_max = sequences
    params.n_threads = params.n_threads_batch = threads
    params.kv_unified = False
    params.swa_full = True
    if not gpu_layers:
        # On a CPU its path for single tokens is several times slower here (docs/LOG.md).
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        raise ModelUnavailable(_unusable(path, "free memory, or choose a smaller model"))
    return context


def _unusable(path: Path, advice: str) -> str:
    reason = _last_error[0] if _last_error else "llama.cpp gives no reason"
    return f"{path.name} cannot be loaded ({reason}): {advice}."


def _stderr_of(call: Any) -> str:
    """What a C function prints on stderr: llama.cpp reports grammar errors nowhere else.

    For a moment this takes the whole process's stderr, so it is for failures only.
    """
    with tempfile.TemporaryFile() as said:
        saved = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            call()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        said.seek(0)
        return said.read().decode("utf-8", "replace").strip()
