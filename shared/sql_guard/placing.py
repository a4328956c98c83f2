"""Tables that are files: the same query, with each table read from where one user's data lies.

Imported when first used, because it brings the parser with it.
"""

from collections.abc import Mapping

from sqlglot import exp

from shared.sql_guard.emit import emit
from shared.sql_guard.reading import read_statement


def placed(sql: str, places: Mapping[str, str]) -> str:
    """Return ``sql``, which the guard has written, with the tables of ``places`` read from Parquet at their URLs.

    ``places`` maps ``schema.table`` in lower case to a URL of our own making. Databricks reads a file where a table
    may stand, as parquet.`URL`; under its alias the table keeps the name that the rest of the query calls it by.
    """
    tree = read_statement(sql).tree
    for table in list(tree.find_all(exp.Table)):
        place = places.get(f"{table.db}.{table.name}".lower())
        if place is None:
            continue
        if table.args.get("alias") is None:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.set("db", exp.to_identifier("parquet", quoted=True))
        table.set("this", exp.to_identifier(place, quoted=True))
    for column in tree.find_all(exp.Column):
        if f"{column.db}.{column.table}".lower() in places:
            column.set("db", None)
    return emit(tree)
