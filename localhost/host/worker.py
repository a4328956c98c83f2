"""The app, run by Microsoft's own worker library: the one that runs it in the cloud.

``azure_functions_runtime`` indexes ``function_app.py``, converts bindings and calls the functions, so an app that
would not load in Azure does not load here. It is a preview: everything of it that the host touches is in this file.

A call is made by the library in any case; only who runs it differs (``straight``). A step of an orchestrator and a
batch of an entity are made where the SDK makes them in the end, without the library's way there (``Worker.step`` and
``Worker.batch``).
"""

import contextvars
import itertools
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from localhost.host import app_packages, quick_steps
from localhost.host.functions import Function
from localhost.host.load_errors import AppLoadError, explain
from localhost.host.straight import straight
from localhost.host.threads import Threads

if TYPE_CHECKING:  # they import the SDK, which is loaded once the app's settings are there
    import durabletask.internal.orchestrator_service_pb2 as pb

    from localhost.host.tracing import Trace

DEFAULT_THREADS = 32
"""Blocking activities must not keep orchestrators from their next step."""

_COUNTED = 12
"""The last digits of an invocation's id count; the others are random."""

log = logging.getLogger(__name__)
_runtime_log = logging.getLogger("azure.functions")
_raised: contextvars.ContextVar[list[BaseException] | None] = contextvars.ContextVar("raised", default=None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: a value, or the error that was raised."""

    value: Any
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: BaseException | None = None
    seconds: float = 0.0


class Worker:
    """The functions of one app."""

    def __init__(self, script_root: Path) -> None:
        self._script_root = script_root
        self._running: dict[str, Function] = {}
        self._current: Any = None
        self._straight: set[str] = set()
        self._direct: dict[str, Callable[[Any], Any]] = {}
        self._invocations = itertools.count(1)
        self._life = str(uuid4())[:-_COUNTED]

    def load(self) -> Sequence[Function]:
        """Index the app and return its functions.

        Raises:
            AppLoadError: the app does not load.
        """
        script = os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
        if not (self._script_root / script).is_file():
            do = "Start the host in the folder of a Functions app, or name it with --script-root."
            if any(self._script_root.glob("*/function.json")):
                do = "It is an app of the v1 model, of folders with function.json; this host runs the v2 model."
            raise AppLoadError(f"There is no {script} in {self._script_root}.\n{do}")
        os.environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", str(DEFAULT_THREADS))
        os.chdir(self._script_root)  # as on the platform: relative paths in an app are below it
        sys.path.insert(0, str(self._script_root))
        app_packages.add(self._script_root)
        handle_event: Any = import_module("azure_functions_runtime.handle_event")
        handle_event.protos = SimpleNamespace(
            BindingInfo=_BindingInfo, RpcFunctionMetadata=SimpleNamespace, RpcRetryOptions=SimpleNamespace
        )
        _runtime_log.addFilter(_catch)
        _runtime_log.disabled = True  # it logs at length what the error says
        try:
            import_module("azure_functions_runtime.bindings.meta").load_binding_registry()
            self._threads = _start_threads()
            handle_event.load_function_metadata(str(self._script_root), caller_info="localhost")
        except (Exception, SystemExit) as error:  # what an app ends is itself, not the host
            raise AppLoadError(explain(error, self._script_root)) from error
        finally:
            _runtime_log.disabled = False
        functions = [_function(metadata) for metadata in handle_event._metadata_result or ()]  # noqa: SLF001 - its only door
        self._quick = quick_steps.QuickSteps()
        self._native: Any = import_module("azure_functions_runtime.native_invocation")
        known = handle_event._functions  # noqa: SLF001 - its only door
        self._current = import_module("azure_functions_runtime.utils.executor").invocation_id_cv
        for function in functions:
            info = known.get_function(function.function_id)
            if _goes_straight(info):
                self._straight.add(function.function_id)
                direct = _sdk_entry(info.func)
                if direct is not None and len(function.bindings) == 1:
                    self._direct[function.function_id] = direct
        if not functions:
            raise AppLoadError(f"{script} defines no functions. Add one to its app, for instance with @app.route(...).")
        return functions

    async def invoke(
        self,
        function: Function,
        inputs: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        *,
        trace: "Trace | None" = None,
    ) -> Outcome:
        """Call ``function`` as part of ``trace``; whatever it raises is in the outcome."""
        if function.function_id in self._straight:
            return await self._threads.run(lambda: straight(self._call(function, inputs, metadata or {}, trace)))
        return await self._call(function, inputs, metadata or {}, trace)

    def is_direct(self, function: Function) -> bool:
        """Whether ``step`` or ``batch`` can be asked for what ``function`` does; if not, it is to be invoked."""
        return function.function_id in self._direct

    async def step(self, function: Function, request: "pb.OrchestratorRequest") -> Outcome:
        """Have an orchestrator take new events into account, at once where it has proven quick; return the response.

        It comes to the same as to invoke its trigger with the encoded request, and is where that ends: an orchestrator
        with no binding beside its trigger sees nothing of what is done on the way.
        """
        events = len(request.pastEvents) + len(request.newEvents)
        if self._quick.trusts(function.function_id, events):
            outcome = self._quick.make(function.function_id, lambda: self._directly(function, request))
            if outcome is not None:
                return outcome
            log.warning(
                "A step did not end within %g s; it is made again in a thread, as all others are from now on."
                " An orchestrator must neither wait nor compute for long.",
                quick_steps.LONGEST,
                extra={"details": {"function": function.name}},
            )
        outcome = await self._threads.run(self._directly, function, request)
        self._quick.learn(function.function_id, events, outcome.seconds)
        return outcome

    async def batch(self, function: Function, request: "pb.EntityBatchRequest") -> Outcome:
        """Have an entity do a batch in a thread, and return its result; to invoke it comes to the same."""
        return await self._threads.run(self._directly, function, request)

    def _directly(self, function: Function, request: "pb.OrchestratorRequest | pb.EntityBatchRequest") -> Outcome:
        invocation_id = self._next_id()
        token = self._current.set(invocation_id)
        self._running[invocation_id] = function
        began = time.perf_counter()
        try:
            value = self._direct[function.function_id](request)
            return Outcome(value, seconds=time.perf_counter() - began)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is in the outcome, as with every call
            return Outcome(None, error=error, seconds=time.perf_counter() - began)
        finally:
            del self._running[invocation_id]
            self._current.reset(token)

    async def _call(
        self, function: Function, inputs: Mapping[str, Any], metadata: Mapping[str, Any], trace: "Trace | None"
    ) -> Outcome:
        invocation_id = self._next_id()
        raised: list[BaseException] = []
        token = _raised.set(raised)
        self._running[invocation_id] = function
        began = time.perf_counter()
        try:
            with trace.current() if trace else nullcontext():
                ok, value, outputs, text, _traceback = await self._native.invocation_request_native(
                    invocation_id,
                    function.function_id,
                    list(inputs.items()),
                    dict(metadata),
                    trace.parent if trace else "",
                    trace.state if trace else "",
                )
        except SystemExit as error:  # the library lets it through, and it would end the host
            return Outcome(None, error=error, seconds=time.perf_counter() - began)
        finally:
            del self._running[invocation_id]
            _raised.reset(token)
        error = None if ok else (raised[-1] if raised else RuntimeError(text))
        return Outcome(value, dict(outputs), error, time.perf_counter() - began)

    def _next_id(self) -> str:
        """Return a new id for an invocation; asking the system for randomness would hand the interpreter to others."""
        return f"{self._life}{next(self._invocations):0{_COUNTED}x}"

    def running(self) -> str | None:
        """Return the name of the function that this code runs in, for the log."""
        current = self._current.get() if self._current is not None else None
        function = self._running.get(current) if current else None
        return function.name if function else None

    def stop(self) -> None:
        """Let the threads go; one that still works does not hold the process up."""
        threadpool = import_module("azure_functions_runtime.utils.threadpool").get_threadpool_executor()
        if threadpool is not None:
            threadpool.shutdown(wait=False, cancel_futures=True)


def headline(error: BaseException) -> str:
    """Return an error in one line: its class and the first line of its message."""
    first_line = next(iter(str(error).splitlines()), "").strip()
    return f"{type(error).__name__}: {first_line}"


def datum(value: Any, kind: str) -> Any:
    """Return ``value`` as the worker library takes it; ``kind`` is ``string``, ``json``, ``bytes`` or ``http``."""
    return _datum_class()(value, kind)


@cache
def _datum_class() -> Any:
    return import_module("azure_functions_runtime.bindings.datumdef").Datum


def _start_threads() -> Threads:
    """Start the library's pool of threads, which then is one that keeps the context and spares wake-ups."""
    threadpool: Any = import_module("azure_functions_runtime.utils.threadpool")
    threadpool.start_threadpool_executor()
    size = threadpool.get_threadpool_executor()._max_workers  # noqa: SLF001 - what the library made of the setting
    threads = Threads(size)
    threadpool._threadpool_executor = threads  # noqa: SLF001 - it has no door for another pool
    return threads


def _goes_straight(info: Any) -> bool:
    """Whether a call needs no event loop: the function is an ordinary one, or the SDK's and runs in a thread."""
    if not info.is_async:
        return True
    if not any(hasattr(info.func, name) for name in ("orchestrator_function", "entity_function")):
        return False
    # With a store for large payloads, the SDK waits for the store as well.
    return import_module("azure.durable_functions.internal.payloads").get_payload_store() is None


def _sdk_entry(function: Any) -> Callable[[Any], Any] | None:
    """Return where all of the SDK's entries for an orchestrator or entity meet, once they have decoded the request."""
    for handle, entry in (("orchestrator_function", "_run_orchestration"), ("entity_function", "_run_entity_batch")):
        if (declared := getattr(function, handle, None)) is not None:
            sdk = import_module("azure.durable_functions.worker").DurableFunctionsWorker()
            return partial(getattr(sdk, entry), declared)
    return None


class _BindingInfo(SimpleNamespace):
    """The part of the protobuf message of this name that indexing reads."""

    undefined, out, inout = 0, 1, 2


def _function(metadata: Any) -> Function:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    retries = metadata.retry_options is not None
    return Function(metadata.name, metadata.function_id, metadata.directory, bindings, retries)


def _catch(record: logging.LogRecord) -> bool:
    """Keep the exception that the library is about to log: its answer has only the text, and the host logs it."""
    raised = _raised.get()
    if raised is None or not record.exc_info or record.exc_info[1] is None:
        return True
    raised.append(record.exc_info[1])
    return False
