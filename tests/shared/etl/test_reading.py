"""The reader of untrusted input: one reading of every input, or none; and memory that does not follow it."""

import datetime as dt
import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from etl_samples import BASE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidFieldError, LakehouseError, MediaTypeError, RequestError, TooLargeError
from shared.etl.reading import Limits, format_of, joined, read_raw, read_records
from shared.etl.rules import load_rules

RULES = load_rules()
ROOT = Path(__file__).parents[3]
RECORDS = [BASE | {"order_id": f"o-{at}"} for at in range(300)]


def parquet(table, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def rows(raw):
    return raw.with_records().to_pylist()


@pytest.mark.parametrize("block", [1_000, 5_000, 8 << 20])
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json", json.dumps(RECORDS)),
        ("json", json.dumps(RECORDS, indent=2)),
        ("json", json.dumps(RECORDS, separators=(",", ":"), ensure_ascii=False)),
        ("json", json.dumps(RECORDS, separators=(" ,  ", " : "))),
        ("json", "\n".join(map(json.dumps, RECORDS))),
        ("jsonl", "\r\n".join(map(json.dumps, RECORDS)) + "\r\n\r\n"),
        ("jsonl", "\ufeff" + "\n\n".join(map(json.dumps, RECORDS))),
    ],
)
def test_every_way_to_write_json_reads_the_same(read, kind, text, block):
    """Arrays, lines and spaces, whole or in blocks: the same rows, in their order."""
    expected = read_records(RECORDS, RULES).table

    raw = read(text.encode(), kind, Limits(block=block))

    assert raw.table.equals(expected)
    assert [json.loads(text) for text in raw.records([0, 299, 7])] == [RECORDS[0], RECORDS[299], RECORDS[7]]


def test_an_object_around_the_records(read):
    """`{"records": [...]}` is read, with other fields around it."""
    expected = read_records(RECORDS, RULES).table

    assert read({"records": RECORDS}).table.equals(expected)
    assert read({"a": [{"b": 1}], "records": RECORDS, "c": {"records": []}}).table.equals(expected)
    assert read(RECORDS[0]).table.num_rows == 1


def test_csv_and_parquet_read_as_json_does(read):
    """The same values give the same cells, whatever the file."""
    expected = read_records(RECORDS, RULES).table
    for delimiter in ",;\t":
        lines = [delimiter.join(BASE), *(delimiter.join(map(str, record.values())) for record in RECORDS)]
        assert read("\n".join(lines).encode(), "csv", Limits(rows=100)).table.equals(expected)
    table = pa.Table.from_pylist(RECORDS)
    for compression in ("snappy", "zstd", "gzip"):
        assert read(parquet(table, compression=compression), "parquet").table.equals(expected)


def test_types_of_parquet_become_text(read):
    """Dates, decimals and numbers are written as the rules read them; what has no text is named."""
    table = pa.table(
        {
            "order_id": pa.array(["a", "b"]).dictionary_encode(),
            "age": pa.array([41.0, float("nan")]),
            "quantity": pa.array([2, None], pa.uint8()),
            "unit_price": pa.array([Decimal("1.50"), Decimal("2.00")]),
            "signup_date": pa.array([dt.date(2024, 2, 29), None]),
            "order_date": pa.array([dt.datetime.fromisoformat("2024-02-01T08:30:01.000005"), None], pa.timestamp("us")),
            "name": pa.array([["x"], None]),
            "city": pa.array([True, None]),
            "note": pa.array(["kept", None]),
        }
    )

    first, second = rows(read(parquet(table), "parquet"))

    cells = (
        "order_id",
        "age",
        "quantity",
        "unit_price",
        "signup_date",
        "order_date",
        "name",
        "city",
        "_types",
        "_extra",
    )
    assert [first[name] for name in cells] == [
        "a", "41", "2", "1.50", "2024-02-29", "2024-02-01T08:30:01", None, None, "name,city", '{"note":"kept"}',
    ]  # fmt: skip
    assert (second["age"], second["_types"], second["unit_price"]) == (None, "name,age", "2")


RECORD_ERRORS = {
    b"5": "record.type",
    b'"text"': "record.type",
    b"null": "record.type",
    b"[]": "record.type",
    b'{"order_id":"a","order_id":"b"}': "record.schema",
    b'{"x":{"a":1,"a":2}}': "record.schema",
    b'{"name":"\\udfff"}': "record.encoding",
    b'{"\\ud800":"name"}': "record.encoding",
    b'{"x":"\\udfff"}': "record.encoding",
    b'{"x":1e999}': "record.range",
    b'{"x":%s}' % (b"9" * 5000): "record.range",
    b'{"x":%s}' % (b"[" * 200 + b"]" * 200): "record.depth",
    b'{"x":%s}' % (b'{"a":' * 200 + b"1" + b"}" * 200): "record.depth",
    b'{"x":"%s"}' % (b"x" * (1 << 20)): "record.too_long",
}


@pytest.mark.parametrize("text", RECORD_ERRORS, ids=lambda text: text[:30].decode())
def test_an_unusable_record_is_told_from_its_neighbours(read, text):
    """It carries its reason and its text; the records around it are read as ever."""
    good = json.dumps(BASE).encode()
    for kind, content in (
        ("json", b"[%s,%s,%s]" % (good, text, good)),
        ("json", b'{"records":[%s,%s,%s]}' % (good, text, good)),
        ("jsonl", b"%s\n%s\n%s" % (good, text, good)),
    ):
        before, bad, after = rows(read(content, kind, Limits(block=4 << 20)))
        assert bad["_error"] == RECORD_ERRORS[text]
        assert bad["_record"].encode() == text[: 1 << 20]
        assert {**after, "_row": 0} == {**before, "_row": 0}
        assert (before["_error"], before["order_id"]) == (None, BASE["order_id"])


def test_a_parsed_record_may_hold_anything():
    """The records of a request are judged as those of a file are."""
    deep = []
    for _ in range(200):
        deep = [deep]
    records = [BASE, 5, None, {"name": "\udfff"}, {"x": deep}, {"x": 10**5000 // 10**4960}, {"age": 2**70}, BASE]

    errors = [row["_error"] for row in rows(read_records(records, RULES))]

    assert errors == [None, "record.type", "record.type", "record.encoding", "record.depth", None, None, None]
    for records in ("all of them", {"a": 1}, 5, None):
        with pytest.raises(LakehouseError) as refused:
            read_records(records, RULES)
        assert refused.value.http_status == 422


NOT_JSON = [
    b"", b" ", b"[", b"[{}", b"[{},", b"[{},]", b"[,]", b"[{} {}]", b"[{}]x", b"[{}][", b"[{}],", b"{", b'"text"', b"5",
    b'{"records":[{}]', b'{"records":[{}],}', b'{"records":[{}]}x', b'{"records":[{}],"records":[]}',
    b'{"records":"all"}', b"nul", b"[NaN]",
    b'[{"a":NaN}]', b'[{"a":-Infinity}]', b'[{"a":007}]', b'[{"a":1.}]', b'[{"a":+1}]', b"[{'a':1}]",
    b'[{"a":1,}]', b'[{"a"}]', b'[{"a":"\x01"}]', b'[{"a":"x\ny"}]', b'[{"a":"\xff"}]', b'[{"a":"\xed\xa0\x80"}]',
    b"\xff\xfe[\x00]\x00", b"[" * 100_000, b'{"a":1}\n{"b":', b'{"a":1\n"b":2}\n{"c":3}',
    b'{"a":1} {"b":2}\n{"c":3}',
    b'{"a":"x\ny"}\n{"b":1}', b'{"a":1},\n{"b":2}', b"<html></html>",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda text: repr(text[:30]))
def test_what_is_not_json_is_refused_as_a_whole(read, text):
    """A 400 that says so, in one line; never half of the records."""
    for limits in (Limits(), Limits(block=64)):
        with pytest.raises(RequestError) as refused:
            read(text, "json", limits)
        assert refused.value.http_status in (400, 413)
        assert "\n" not in str(refused.value)


def test_json_lines_say_which_line_is_wrong(read):
    """The message names the line, counted through blocks."""
    text = b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)
    for limits in (Limits(), Limits(block=1000)):
        with pytest.raises(RequestError, match="line 301"):
            read(text + b'{"a":1 "b":2}\n' + text, "jsonl", limits)


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
CONTAINERS = st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=6) | CONTAINERS
NAMES = st.sampled_from(["user_id", "name", "age", "x", 'q":', "a : b"])


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=5), max_size=8),
    st.sampled_from([7, 40, 8 << 20]),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_any_records_survive_any_blocks(records, block, ascii_only, indent):
    """However the text is cut, and whether the fast or the careful parser reads a block, cells are the same."""
    expected = rows(read_records(records, RULES))
    text = json.dumps(records, ensure_ascii=ascii_only, indent=indent).encode()
    lines = "\n".join(json.dumps(record, ensure_ascii=ascii_only) for record in records).encode()

    for kind, content in (("json", text), ("jsonl", lines)):
        found = rows(joined(read_raw(io.BytesIO(content), kind, RULES, Limits(block=block))))
        for row, known in zip(found, expected, strict=True):
            assert {**row, "_record": 0, "_extra": 0} == {**known, "_record": 0, "_extra": 0}
            assert json.loads(row["_record"]) == json.loads(known["_record"])
            assert json.loads(row["_extra"] or "null") == json.loads(known["_extra"] or "null")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["json", "jsonl", "csv", "parquet"]))
def test_random_bytes_are_read_or_refused(content, kind):
    """There is no third way: every refusal is a 4xx of the tree."""
    for start in (b"", b"[{", b'{"a":', b"user_id,name\n", b"PAR1"):
        try:
            joined(read_raw(io.BytesIO(start + content), kind, RULES))
        except LakehouseError as error:
            assert 400 <= error.http_status < 500  # noqa: PT017 - either is right


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_parquet_is_read_or_refused(data):
    """Truncated, or with a byte changed anywhere: rows or a 4xx, and no crash."""
    whole = bytearray(parquet(pa.Table.from_pylist(RECORDS[:20])))
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
        expected = "refused"
    else:
        damaged = whole
        damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        expected = "either"
    try:
        joined(read_raw(io.BytesIO(bytes(damaged)), "parquet", RULES))
    except LakehouseError as error:
        assert 400 <= error.http_status < 500  # noqa: PT017
    else:
        assert expected == "either"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "no column"),
        (b"a,b\n1,2\n", "no column"),
        (b"user_id,user_id\n1,2\n", "twice"),
        (b'user_id,name\n1,"abc', "cannot be read"),
        (b'user_id,name\n1,"a"b\n', "cannot be read"),
        (b"user_id,name\n1,\xff\n", "UTF-8"),
        (b"user_id\xff,name\n1,2\n", "UTF-8"),
        (b'user_id\n"' + b"x" * (2 << 20) + b'"\n', "cannot be read"),
    ],
)
def test_bad_csv_is_refused(read, text, what):
    """Headers that name nothing, quotes that do not end, other encodings: a 4xx that says which."""
    with pytest.raises(RequestError, match=what):
        read(text, "csv")


def test_ragged_lines_of_csv_are_rejected_alone(read):
    """A line with more or fewer values than names is a reject; quoted delimiters and line ends are text."""
    text = b'\xef\xbb\xbfuser_id;name;x\r\nu1;"a;b\nc";5\r\n\r\nu2;short\r\nu3;n;;\r\n'

    first, short, long = rows(read(text, "csv"))

    assert (first["name"], first["_extra"]) == ("a;b\nc", '{"x":"5"}')
    assert (short["_error"], long["_error"]) == ("record.schema", "record.schema")
    assert short["_record"] == '["u2","short"]'


@pytest.mark.parametrize(
    "magic", [b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"]
)
def test_packed_input_is_not_unpacked(read, magic):
    """An archive could be a bomb: it is refused by its first bytes, with a 415."""
    for kind in ("json", "jsonl", "csv", "parquet"):
        with pytest.raises(MediaTypeError):
            read(magic + b"\x00" * 100, kind)


def test_parquet_that_unpacks_to_too_much_is_refused(read):
    """By its footer where that is honest, by its dictionary where a long text stands there once for many rows."""
    table = pa.table({"name": pa.array(["x" * 1000] * 50_000), "order_id": pa.array(["o"] * 50_000)})
    with pytest.raises(TooLargeError):
        read(parquet(table), "parquet", Limits(max_unpacked=1000))
    with pytest.raises(TooLargeError):
        read(parquet(table), "parquet", Limits(max_rows=49_999))

    with pytest.raises(TooLargeError):
        read(parquet(table), "parquet", Limits(max_row_group=1000))
    unfolding = pa.table({"name": pa.array(["x" * 10_000] * 5_000)})
    with pytest.raises(TooLargeError, match="unfolds"):
        read(parquet(unfolding), "parquet", Limits(max_unpacked=1_000_000))

    bomb = parquet(pa.table({"name": pa.array(["x" * (2 << 20)] * 20)}), compression="zstd")
    found = joined(read_raw(io.BytesIO(bomb), "parquet", RULES))

    assert found.table.column("_error").unique().to_pylist() == ["record.too_long"]


def test_parquet_unfolds_in_parts(read):
    """Rows whose texts lie in the file once are handed over a few at a time; none is lost, and each has its number."""
    texts = ["x" * 900_000, "y" * 900_000]
    content = parquet(pa.table({"order_id": [f"o{n}" for n in range(60)], "name": [texts[n % 2] for n in range(60)]}))
    parts = [raw.table for raw in read_raw(io.BytesIO(content), "parquet", RULES)]
    assert max(part.num_rows for part in parts) < 30
    whole = pa.concat_tables(parts)
    assert whole.column("_row").to_pylist() == list(range(60))
    assert whole.column("order_id").to_pylist() == [f"o{n}" for n in range(60)]
    assert whole.column("name").to_pylist() == [texts[n % 2] for n in range(60)]


def test_a_record_of_parquet_is_as_long_as_its_texts_together(read):
    """It is rejected although each of them is short enough; its short texts are in its record."""
    row = {"order_id": "o1", **{f"c{n}": "x" * 300_000 for n in range(4)}}
    raw = read(parquet(pa.Table.from_pylist([row, {**row, "c0": "", "c1": ""}])), "parquet")
    assert raw.table.column("_error").to_pylist() == ["record.too_long", None]
    assert raw.records([0]) == ['{"order_id":"o1","c0":null,"c1":null,"c2":null,"c3":null}']


def test_columns_of_parquet_that_have_no_place(read):
    """What is inside of lists and objects is not read; text is text; a thousand columns at most."""
    views = pa.table({"order_id": pa.array(["o1"], pa.string_view()), "name": pa.array([{"first": "A"}])})
    [found] = rows(read(parquet(views), "parquet"))
    assert (found["order_id"], found["name"], found["_types"]) == ("o1", None, "name")
    clash = pa.table({"order_id": ["o1"], "a": pa.array([{"b": 1}]), "a.b": ["x"]})
    with pytest.raises(InvalidFieldError, match="part of another"):
        read(parquet(clash), "parquet")
    with pytest.raises(InvalidFieldError, match="1001 columns"):
        read(parquet(pa.table({"order_id": ["o1"], **{f"c{n}": [n] for n in range(1000)}})), "parquet")


def test_the_limits_hold_for_text(read):
    """Bytes and rows are counted while they are read."""
    text = json.dumps(RECORDS).encode()
    with pytest.raises(TooLargeError):
        read(text, "json", Limits(max_bytes=len(text) - 1, block=1000))
    with pytest.raises(TooLargeError):
        read(text, "json", Limits(max_rows=299, block=1000))
    assert read(text, "json", Limits(max_bytes=len(text), max_rows=300, block=1000)).table.num_rows == 300


ENDLESS = """
import io, itertools, sys
sys.path.insert(0, {root!r})
from shared.etl.reading import Limits, read_raw
from shared.etl.rules import load_rules
from shared.errors import RequestError

class Endless(io.RawIOBase):
    def __init__(self, start, piece, size):
        self.pieces = itertools.chain([start], itertools.repeat(piece, size // len(piece)))
        self.rest = b""
    def read(self, size=-1):
        while len(self.rest) < size:
            piece = next(self.pieces, b"")
            if not piece: break
            self.rest += piece
        out, self.rest = self.rest[:size], self.rest[size:]
        return out

rules = load_rules()
list(read_raw(io.BytesIO(b"[{{}}]"), "json", rules))  # what is imported now does not count below
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

base = peak()
for kind, start, piece, times in {cases!r}:
    piece *= times
    rows = 0
    try:
        for raw in read_raw(Endless(start, piece, {size}), kind, rules, Limits(max_bytes={size} // 2)):
            rows += raw.table.num_rows
        said = "read"
    except RequestError as error:
        said = error.code
    print(kind, rows, said, (peak() - base) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_memory_does_not_follow_the_input():
    """Thirty-two megabytes of one value, one line or small records is refused, and a fraction of it is held."""
    cases = [
        ("json", b'[{"name":"', b"x", 1 << 20),
        ("json", b"[", b"[", 1 << 20),
        ("json", b"[", b" ", 1 << 20),
        ("jsonl", b'{"name":"', b"x", 1 << 20),
        ("csv", b"user_id,name\n", b"x", 1 << 20),
        ("csv", b'user_id,name\n1,"', b"x\n", 1 << 19),
        ("json", b"[{}", b',{"name":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}', 1 << 14),
    ]
    code = ENDLESS.format(root=str(ROOT), cases=cases, size=32 << 20)

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240)

    assert said.returncode == 0, said.stderr
    lines = [line.split() for line in said.stdout.splitlines()]
    assert [line[2] for line in lines] == ["invalid_request"] * 2 + ["too_large"] + ["invalid_request"] * 3 + [
        "too_large"
    ]
    assert max(int(line[3]) for line in lines) < 60


def test_the_format_is_told_by_name_or_media_type():
    """The name of a file decides; what is not known is a 415."""
    assert format_of(name="orders.PARQUET", media_type="text/csv") == "parquet"
    assert format_of(media_type="application/x-ndjson; charset=utf-8") == "jsonl"
    for unknown in ({"name": "orders.xlsx"}, {"media_type": "application/zip"}, {}):
        with pytest.raises(MediaTypeError):
            format_of(**unknown)
