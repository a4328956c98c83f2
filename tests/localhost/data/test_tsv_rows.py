"""Lines to rows: whatever bytes come, each line is one row or one reject."""

from io import BytesIO

from hypothesis import example, given, settings
from hypothesis import strategies as st

from localhost.data.imdb_format import FILES
from localhost.data.tsv_rows import read_batches

RATINGS = FILES[1]
TYPES = {"tconst": "STRING", "averageRating": "DOUBLE", "numVotes": "INT"}
PIECES = st.sampled_from(
    [b"tt1", b"7.5", b"12", b"\t", b"\r", b"\\N", b'"', b"\0", b"\xff", b"\xef\xbb\xbf", b" ", b""]
)
FIELD = PIECES | st.lists(PIECES, max_size=3).map(b"".join)
LINE = st.lists(FIELD, min_size=3, max_size=3).map(b"\t".join) | st.lists(FIELD, max_size=5).map(b"\t".join)
BYTES = st.tuples(st.lists(LINE, max_size=12).map(b"\n".join), st.sampled_from([b"", b"\n"])).map(b"".join)


def expected_row(line: bytes) -> tuple[str, float | None, int | None] | None:
    """Read one line the slow way; None where it is no row."""
    try:
        fields = line.removesuffix(b"\r").decode().split("\t")
        if len(fields) != 3 or not fields[0] or fields[0] == "\\N" or set("\0\r") & set("".join(fields)):
            return None
        tconst, rating, votes = fields
        if " " in rating + votes:
            return None
        return tconst, None if rating == "\\N" else float(rating), None if votes == "\\N" else int(votes)
    except ValueError:
        return None


@settings(max_examples=200, deadline=None)
@given(BYTES)
@example(b"tt1\t7.5\t12\r\n\n\xef\xbb\xbf\t7.5\t12")
@example(b"tt1\t7.5\t2147483647\ntt1\t7\t12")
def test_every_line_is_a_row_or_a_reject(body):
    """The rows are those that a plain reading finds, in order; all other lines are rejects, each with its number."""
    lines = body.split(b"\n")[: -1 if body.endswith(b"\n") or not body else None]

    batches = list(read_batches(BytesIO(RATINGS.header + b"\n" + body), RATINGS, TYPES))

    rows = [tuple(row.values()) for batch in batches for row in batch.rows.to_pylist()]
    rejects = [reject.line for batch in batches for reject in batch.rejects]
    wanted = [expected_row(line) for line in lines]
    assert rows == [row for row in wanted if row]
    assert rejects == [number for number, row in enumerate(wanted, start=2) if not row]
    assert sum(batch.lines for batch in batches) == len(lines)
