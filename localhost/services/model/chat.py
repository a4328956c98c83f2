"""Chat Completions on the wire: the parts of a request that matter here, and the answer whole or as a stream."""

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from localhost.services.model.planner import ToolCall

MODEL = "stand-in-planner"
_CHARACTERS_A_TOKEN = 4  # OpenAI's own rule of thumb for English

type Reply = str | Sequence[ToolCall]
"""Text, or the tools called."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Part(_Wire):
    """One part of a message; only text is read."""

    text: str = ""


class Function(_Wire):
    """A function by its name, and what it was called with."""

    name: str = ""
    arguments: str = ""


class Call(_Wire):
    """A call of a tool, or a tool that may be called, or the one that must be."""

    id: str = ""
    function: Function = Function()


class Message(_Wire):
    """One message of the conversation."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        """The text of all parts."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(_Wire):
    """What a stream is to hold besides the answer."""

    include_usage: bool = False


class Request(_Wire):
    """A request for a completion. Whatever else it asks for (temperature, seed) has nothing to act on here."""

    model: str = MODEL
    messages: list[Message] = Field(min_length=1)
    tools: list[Call] = Field(default_factory=list[Call])
    tool_choice: Literal["auto", "none", "required"] | Call | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None

    @property
    def system(self) -> str:
        """The instructions."""
        return "\n".join(message.text for message in self.messages if message.role in {"system", "developer"})

    @property
    def question(self) -> str:
        """What the user said first: this app sends one question at a time."""
        return next((message.text for message in self.messages if message.role == "user"), "")

    @property
    def offered(self) -> frozenset[str]:
        """The tools that may be called now."""
        if self.tool_choice == "none":
            return frozenset()
        if isinstance(self.tool_choice, Call):
            return frozenset({self.tool_choice.function.name})
        return frozenset(tool.function.name for tool in self.tools)

    @property
    def results(self) -> list[tuple[str, str]]:
        """Every tool message, with the arguments of the call that it answers."""
        calls = {call.id: call.function.arguments for message in self.messages for call in message.tool_calls or []}
        return [(calls.get(m.tool_call_id, ""), m.text) for m in self.messages if m.role == "tool"]


def completion(request: Request, reply: Reply, model: str) -> dict[str, Any]:
    """Return ``reply`` as a chat completion; its usage is an estimate."""
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if isinstance(reply, str):
        message["content"] = reply
    else:
        message["tool_calls"] = [_call(call) for call in reply]
    asked, said = _tokens(request.model_dump_json()), _tokens(json.dumps(message, ensure_ascii=False))
    reason = "stop" if isinstance(reply, str) else "tool_calls"
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
    return {
        "id": f"call_{uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _tokens(text: str) -> int:
    return max(1, len(text) // _CHARACTERS_A_TOKEN)


async def events(whole: Mapping[str, Any], *, usage: bool) -> AsyncIterator[str]:
    """Yield a completion as server-sent events: the role, the text by lines or each tool call, and how it ended."""
    head = {key: whole[key] for key in ("id", "created", "model", "system_fingerprint")}
    head["object"] = "chat.completion.chunk"
    [choice] = whole["choices"]
    message: Mapping[str, Any] = choice["message"]
    text: str | None = message["content"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if text is None else ""}]
    deltas += [{"content": line} for line in (text or "").splitlines(keepends=True)]
    deltas += [{"tool_calls": [{"index": i, **call}]} for i, call in enumerate(message.get("tool_calls", []))]
    for delta in deltas:
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]})
    end: dict[str, Any] = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": choice["finish_reason"]}
    yield _event({**head, "choices": [end]})
    if usage:
        yield _event({**head, "choices": [], "usage": whole["usage"]})
    yield "data: [DONE]\n\n"


def _event(content: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"
