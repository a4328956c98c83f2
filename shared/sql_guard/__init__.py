"""The SQL guard: what a model wrote goes in, what may run comes out, or a refusal that says why.

The text is checked before anything parses it, the tree against closed lists of nodes and functions, every table and
column against the catalogue where Spark would look for it, and everything that multiplies rows against a bound. What
runs is written from the tree, read again, and is the same tree. The warehouse's own grants stay the last line:
``docs/concepts/sql-guard.md`` says what the guard does not see.
"""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from shared.catalog import Dataset
from shared.errors import SqlRefusedError

__all__ = ["GuardedSql", "guard_sql"]

MAX_CACHED = 512


@dataclass(frozen=True, slots=True)
class GuardedSql:
    """A query that may run.

    Attributes:
        sql: the text that runs, in Databricks' dialect, without comments or hints.
        tables: the base tables it reads, as ``schema.table`` in lower case, sorted.
        columns: the columns it reads of them, as ``schema.table.column`` in lower case, sorted.
        row_limit: the most rows that ``sql`` returns.
        limited: whether ``row_limit`` is tighter than what the query asked for itself, so that rows may be missing.
    """

    sql: str
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    row_limit: int
    limited: bool


def guard_sql(sql: str, dataset: Dataset, *, row_limit: int) -> GuardedSql:
    """Return ``sql`` as it may run over ``dataset``: at most ``row_limit`` rows, in the order that was asked for.

    To learn whether there are more rows than you show, ask for one more than you show.

    Raises:
        SqlRefusedError: it must not run; ``reason`` is one of ``shared.sql_guard.reasons.REASONS``.
    """
    if row_limit < 1:
        raise ValueError(f"row_limit is at least 1, not {row_limit}.")
    if not _is_text(sql):
        raise SqlRefusedError("not_text", "The SQL must be text.")
    key = (sql, dataset.digest, row_limit)
    known = _cache.get(key)
    if known is None:
        from shared.sql_guard.guarding import guarded

        try:
            known = guarded(sql, dataset, row_limit)
        except SqlRefusedError as refusal:
            known = (refusal.reason, str(refusal), refusal.correctable)
        _cache.put(key, known)
    if isinstance(known, GuardedSql):
        return known
    reason, message, correctable = known
    raise SqlRefusedError(reason, message, correctable=correctable)


def _is_text(value: object) -> bool:
    """Say whether a model, which may send anything, sent text."""
    return isinstance(value, str)


type _Verdict = GuardedSql | tuple[str, str, bool]


class _Cache:
    """The verdicts last asked for, refusals too: a pure function of the key."""

    def __init__(self) -> None:
        self._verdicts: OrderedDict[tuple[str, str, int], _Verdict] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, str, int]) -> _Verdict | None:
        with self._lock:
            verdict = self._verdicts.get(key)
            if verdict is not None:
                self._verdicts.move_to_end(key)
            return verdict

    def put(self, key: tuple[str, str, int], verdict: _Verdict) -> None:
        with self._lock:
            self._verdicts[key] = verdict
            if len(self._verdicts) > MAX_CACHED:
                self._verdicts.popitem(last=False)


_cache = _Cache()
