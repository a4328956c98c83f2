"""Timer triggers: each function on its schedule, in UTC, one run at a time."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from localhost.host import ncrontab
from localhost.host.configuration import read_json
from localhost.host.functions import BindingError, Function, resolve
from localhost.host.worker import Worker, datum, headline

log = logging.getLogger(__name__)


class Timers:
    """Calls the timer functions when they are due, and remembers when it last did."""

    def __init__(
        self,
        functions: Sequence[Function],
        worker: Worker,
        memory: Path,
        clients: Callable[[Function], dict[str, object]],
    ) -> None:
        """Read every schedule.

        Raises:
            BindingError: a schedule cannot be read.
        """
        self._worker = worker
        self._memory = memory
        self._clients = clients
        self._schedules = [(f, _schedule(f)) for f in functions if f.kind == "timer" and not f.refusal]
        self._last = {str(name): str(time) for name, time in read_json(memory).items()}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to keep time."""
        self._tasks = [asyncio.create_task(self._keep(f, schedule)) for f, schedule in self._schedules]

    async def stop(self) -> None:
        """Keep time no longer; a run under way is not waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def run_now(self, function: Function) -> None:
        """Call a timer function now, as its owner asks; its schedule goes on as it was."""
        schedule = next(schedule for known, schedule in self._schedules if known.name == function.name)
        await self._fire(function, schedule, datetime.now(UTC), past_due=False, monitored=False)

    async def _keep(self, function: Function, schedule: ncrontab.Schedule | ncrontab.Interval) -> None:
        monitored = bool(function.trigger.get("useMonitor", True))
        now = datetime.now(UTC)
        missed = self._missed(function, schedule, now) if monitored else None
        if missed or function.trigger.get("runOnStartup"):
            await self._fire(function, schedule, now, past_due=missed is not None, monitored=monitored)
        elif monitored and function.name not in self._last:
            self._remember(function, now)
        while (due := schedule.after(datetime.now(UTC))) is not None:
            await _sleep_until(due)
            await self._fire(function, schedule, due, past_due=False, monitored=monitored)

    def _missed(
        self, function: Function, schedule: ncrontab.Schedule | ncrontab.Interval, now: datetime
    ) -> datetime | None:
        """Return when a run was due while nobody kept time."""
        last = self._last.get(function.name)
        due = schedule.after(datetime.fromisoformat(last)) if last else None
        # The platform does not monitor what runs more often than once a minute.
        frequent = due is not None and (following := schedule.after(due)) and following - due < timedelta(minutes=1)
        return due if due is not None and due <= now and not frequent else None

    async def _fire(
        self,
        function: Function,
        schedule: ncrontab.Schedule | ncrontab.Interval,
        at: datetime,
        *,
        past_due: bool,
        monitored: bool,
    ) -> None:
        following = schedule.after(at)
        request = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {
                "Last": self._last.get(function.name),
                "LastUpdated": at.isoformat(),
                "Next": following.isoformat() if following else None,
            },
            "IsPastDue": past_due,
        }
        inputs = {**self._clients(function), str(function.trigger["name"]): datum(json.dumps(request), "json")}
        outcome = await self._worker.invoke(function, inputs)
        details = {"function": function.name, "seconds": outcome.seconds}
        if outcome.error is None:
            log.info("succeeded", extra={"details": details})
        else:
            log.error("failed: %s", headline(outcome.error), extra={"details": details}, exc_info=outcome.error)
        if monitored:
            self._remember(function, at)

    def _remember(self, function: Function, at: datetime) -> None:
        self._last[function.name] = at.isoformat()
        staged = self._memory.with_suffix(".new")
        staged.write_text(json.dumps(self._last), encoding="utf-8")
        staged.replace(self._memory)


async def _sleep_until(due: datetime) -> None:
    """Sleep in short stretches, so that a laptop that was closed does not oversleep."""
    while True:
        seconds = (due - datetime.now(UTC)).total_seconds()
        if seconds <= 0:
            return
        await asyncio.sleep(min(seconds, 60))


def _schedule(function: Function) -> ncrontab.Schedule | ncrontab.Interval:
    try:
        return ncrontab.parse(resolve(str(function.trigger.get("schedule") or ""), function.name))
    except ncrontab.ScheduleError as error:
        raise BindingError(f"Function {function.name!r}: {error}") from error
