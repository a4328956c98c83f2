"""Write the lookup of one thing by its name, which nobody types quite as it is stored."""

import re

from localhost.services.model.query import Query
from localhost.services.model.sql.expressions import Expressions
from localhost.services.model.sql.literals import among_texts, folded, limit, literal, order_by, pattern, same, select
from localhost.services.model.text import fold
from localhost.services.model.vocabulary import Ref

_MOST_MATCHES = 10


def lookup(write: Expressions, query: Query) -> str:
    """Write the lookup of one thing by its name: the closest matches only, an exact one before one that holds it."""
    source = write.source(query, filtered=False)
    facts = write.facts(source, query)
    exact = list(dict.fromkeys(fold(name) for name in query.names))
    bare = list(dict.fromkeys(re.sub(r"^(the|a|an|el|la|los|las) ", "", name) for name in exact))
    articles = [f"{article} {name}" for name in bare for article in ("the", "a", "el", "la", "los", "las")]
    tests = [
        (f"folded {among_texts(exact)}", 0),
        (f"folded {among_texts([*(name for name in bare if name not in exact), *articles])}", 1),
        *((f"folded LIKE {literal(f'%{pattern(name)}%')}", 2) for name in bare),
        *((f"levenshtein(folded, {literal(name)}) <= 2", 3) for name in exact if len(name) >= 6),
    ]
    distance = f"CASE {' '.join(f'WHEN {test} THEN {rank}' for test, rank in tests)} END"
    inner = [*facts, (folded(str(write.label(query))), "folded")]
    kept, terms = same(facts), [facts[0][1]]
    if weight := _weight(write, source.base):
        source.reach(weight.table)
        inner.append((str(weight), "weight"))
        kept, terms = [*kept, ("weight", "weight")], ["weight DESC NULLS LAST", *terms]
    best = "distance <= 1" if len(query.names) > 1 else "distance = (SELECT MIN(distance) FROM matches)"
    named = select(inner, source.text())
    matches = select([*kept, (distance, "distance")], "FROM named")
    found = select(same(facts), "FROM matches", f"WHERE {best}", order_by(terms), limit(_MOST_MATCHES))
    return f"WITH named AS ({named}), matches AS ({matches}) {found}"


def _weight(write: Expressions, base: str) -> Ref | None:
    """Return a measure that is summed up, so that the best known of equal names comes first."""
    for table in write.schema.dataset.tables:
        if write.schema.one_row_path(base, table.name):
            for column in table.columns:
                if column.role == "measure" and column.aggregate == "sum":
                    return Ref(table.name, column.name)
    return None
