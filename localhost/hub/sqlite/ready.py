"""What is ready to be handed out, and who waits for it."""

import asyncio
from collections import deque
from collections.abc import Callable

from localhost.hub.interface import Wanted


class Ready[Item]:
    """A queue whose takers may be choosy: each names the items it wants."""

    def __init__(self, describe: Callable[[Item], tuple[str, str]]) -> None:
        self._describe = describe
        self._items: deque[Item] = deque()
        self._takers: deque[tuple[Wanted | None, asyncio.Future[None]]] = deque()

    def put(self, item: Item, *, first: bool = False) -> None:
        """Add an item, at the head where ``first``, and wake whoever waits for it."""
        if first:
            self._items.appendleft(item)
        else:
            self._items.append(item)
        self._wake_taker_of(item)

    async def take(self, wanted: Wanted | None) -> Item:
        """Wait for the next wanted item."""
        while True:
            for position, item in enumerate(self._items):
                if wanted is None or wanted(*self._describe(item)):
                    del self._items[position]
                    return item
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            entry = (wanted, future)
            self._takers.append(entry)
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    for item in self._items:  # this taker was woken in vain; another may want the item
                        self._wake_taker_of(item)
                raise
            finally:
                if entry in self._takers:
                    self._takers.remove(entry)

    def clear(self) -> None:
        """Forget all items; takers go on waiting."""
        self._items.clear()

    def __len__(self) -> int:
        return len(self._items)

    def _wake_taker_of(self, item: Item) -> None:
        for entry in self._takers:
            wanted, future = entry
            if not future.done() and (wanted is None or wanted(*self._describe(item))):
                future.set_result(None)
                self._takers.remove(entry)
                return
