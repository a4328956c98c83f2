"""The histories of live instances, held in memory so that a step need not read its own from disk."""

from collections import OrderedDict

from localhost.hub.sqlite import limits
from localhost.hub.sqlite.reader import Reader
from localhost.hub.sqlite.records import Instance
from localhost.hub.sqlite.writer import Writer


class Histories:
    """Gives up the longest unused histories when they are too many bytes; those are read again when they are needed."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer
        self._held = OrderedDict[str, Instance]()
        self._bytes = 0

    async def of(self, instance: Instance) -> bytes:
        """Return an instance's history, from memory where it is there."""
        if instance.history is None:
            await self._writer.durable()
            instance.history, instance.events, instance.chunks = self._reader.history(instance.id)
            instance.size = len(instance.history)
        self._hold(instance)
        return instance.history

    def _hold(self, instance: Instance) -> None:
        self.drop(instance)
        self._held[instance.id] = instance
        self._bytes += instance.size
        while self._bytes > limits.HISTORY_CACHE_BYTES and len(self._held) > 1:
            _, oldest = self._held.popitem(last=False)
            self._bytes -= oldest.size
            if oldest.token is None and oldest.sequence <= self._writer.committed:
                oldest.history = None

    def grow(self, instance: Instance, added: bytes, count: int) -> None:
        """Add ``count`` events to the history of an instance."""
        if self._held.get(instance.id) is instance:
            self._bytes += len(added)
        if instance.history is not None:
            instance.history += added
        instance.events += count
        instance.size += len(added)
        instance.chunks += 1

    def restart(self, instance: Instance) -> None:
        """Begin an empty history."""
        self.drop(instance)
        instance.history, instance.events, instance.size, instance.chunks = b"", 0, 0, 0

    def drop(self, instance: Instance) -> None:
        """Hold the history of an instance no longer; it is not needed, or about to change."""
        if self._held.get(instance.id) is instance:
            del self._held[instance.id]
            self._bytes -= instance.size

    def clear(self) -> None:
        """Hold none."""
        self._held.clear()
        self._bytes = 0
