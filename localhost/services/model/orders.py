"""What a ranking is by, and how much of it is shown."""

from localhost.services.model.query import Measure, Order
from localhost.services.model.reading import Superlative
from localhost.services.model.shape import Shape
from localhost.services.model.vocabulary import Ref

DEFAULT_LIMIT = 10


def usual(shape: Shape, superlative: Superlative) -> Measure:
    """Return the figure of a group that a superlative ranks by."""
    if superlative.by is None:
        return Measure("count")
    column = shape.reading.schema.column(superlative.by)
    if column.role == "time":
        return Measure("max" if superlative.descending else "min", superlative.by)
    return Measure(superlative.aggregate or column.aggregate or "avg", superlative.by)


def rank_order(shape: Shape, default: Ref | None) -> list[Order]:
    """Return how rows are ranked: by every superlative, in the order said."""
    orders: list[Order] = []
    for superlative in shape.reading.superlatives:
        by = superlative.by or default
        if by:
            orders.append(Order(by, superlative.descending))
    return list(dict.fromkeys(orders))


def limit_of(shape: Shape, *, plural: bool) -> int | None:
    """Return how many to show: what was said, one for a singular, ten for a plural superlative, else all."""
    if shape.reading.limit:
        return shape.reading.limit
    if all(superlative.sorts for superlative in shape.reading.superlatives):
        return None
    return DEFAULT_LIMIT if plural else 1
