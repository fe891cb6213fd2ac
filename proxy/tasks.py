"""The one place that starts tasks. An owned task is kept until it ends: a bare one can be garbage-collected mid-way."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskOwner:
    """Tasks that outlive the request which started them. `idle` waits for the last one."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` on its own and keep it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()

    async def idle(self, timeout_s: float) -> int:
        """Wait for all to end; how many have not when the time is over."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        return len(self._tasks)
