"""Loading IMDb's files: every line a row or a reject, all four tables or none."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from localhost.cli.main import main
from localhost.data import parts, tsv_rows
from localhost.data.generate import generate_as_tsv
from localhost.data.imdb_format import FILES, ImdbError
from localhost.data.load import LoadReport, load_imdb
from localhost.data.progress import Progress
from localhost.tables import current, table_folder

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "imdb"
GOOD = {
    "title.basics.tsv": [
        'tt1\tmovie\tA "quoted" title\tL\'été, à Paris\t0\t1999\t\\N\t90\tDrama,War',
        "tt2\ttvSeries\tNull\t\t1\t2001\t2004\t\\N\t\\N",
        'tt3\tmovie\t 😀 \\ "\tx\t0\t\\N\t\\N\t\\N\tComedy',
    ],
    "title.ratings.tsv": ["tt1\t7.5\t1200", "tt3\t10\t5"],
    "title.principals.tsv": [
        'tt1\t1\tnm1\tactor\t\\N\t["Ana \\"La Loba\\"","X"]',
        "tt1\t2\tnm1\tdirector\t\\N\t\\N",
    ],
    "name.basics.tsv": ["nm1\tAda Thorn\t1950\t\\N\tactor,director\ttt1,tt3"],
}


def write(folder: Path, **changed: bytes) -> Path:
    """Write the good files into ``folder``; ``title_basics=b"..."`` puts other lines below that header."""
    folder.mkdir(exist_ok=True)
    for file in FILES:
        body = changed.get(file.table)
        content = "\n".join(GOOD[file.name]).encode() + b"\n" if body is None else body
        (folder / file.name).write_bytes(file.header + b"\n" + content)
    return folder


def load(folder: Path, lake: Path) -> LoadReport:
    return load_imdb(folder, lake, Progress())


def read(lake: Path, table: str) -> pd.DataFrame:
    version = current(lake, "imdb")
    assert version
    return pq.read_table(table_folder(lake, version, table)).to_pandas()


def rejected(report: LoadReport, table: str) -> list[tuple[int, str]]:
    assert report.rejects
    lines = (report.rejects / f"{table}.jsonl").read_text().splitlines()
    return [(reject["line"], reject["reason"]) for reject in map(json.loads, lines)]


@pytest.fixture(scope="module")
def imdb(tmp_path_factory) -> Path:
    """The real files where they are, generated ones elsewhere."""
    if REAL.is_dir():
        return REAL
    folder = tmp_path_factory.mktemp("imdb")
    generate_as_tsv(folder, titles=3000, seed=3, progress=Progress())
    return folder


def test_every_row_arrives_as_pandas_reads_it(imdb, tmp_path):
    """Each table equals an independent reading of its file, value by value."""
    report = load(imdb, tmp_path)

    for table in report.tables:
        expected = pd.read_csv(
            imdb / table.file, sep="\t", na_values="\\N", keep_default_na=False, quoting=3, dtype=str
        )
        loaded = read(tmp_path, table.table)
        assert (table.rows, table.loaded, table.rejected) == (len(expected), len(expected), 0)
        for column in expected:
            assert loaded[column].isna().equals(expected[column].isna())
            if loaded[column].dtype.kind in "ifb" or column == "isAdult":
                there = expected[column].dropna().astype(float).tolist()
                assert loaded[column].dropna().astype(float).tolist() == there
            else:
                assert loaded[column].dropna().tolist() == expected[column].dropna().tolist()
    version = current(tmp_path, "imdb")
    assert version
    assert version.source == "loaded"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
def test_the_real_files_arrive_whole(tmp_path):
    """The numbers of rows are those that the files are known to have."""
    report = load(REAL, tmp_path)

    assert [table.loaded for table in report.tables] == [3200, 2987, 1870, 550]


def test_text_is_taken_as_it_is(tmp_path):
    """Quotes, commas, backslashes, blanks and empty texts stay; only \\N is null; types are the catalogue's."""
    load(write(tmp_path / "in"), tmp_path)

    basics = read(tmp_path, "title_basics")
    assert basics["primaryTitle"].tolist() == ['A "quoted" title', "Null", ' 😀 \\ "']
    assert basics["originalTitle"].tolist() == ["L'été, à Paris", "", "x"]
    assert basics["genres"].isna().tolist() == [False, True, False]
    assert basics["startYear"].dropna().tolist() == [1999, 2001]
    assert read(tmp_path, "title_ratings")["averageRating"].tolist() == [7.5, 10.0]
    assert read(tmp_path, "title_principals")["characters"][0] == '["Ana \\"La Loba\\"","X"]'
    schema = pq.read_schema(next(table_folder(tmp_path, current(tmp_path, "imdb"), "title_basics").glob("*")))
    assert str(schema.field("startYear").type) == "int32"


def test_packed_files_and_other_line_ends_are_read(tmp_path):
    """gzip, CRLF, a byte order mark and a last line without an end make no difference."""
    folder = write(tmp_path / "in")
    for name in GOOD:
        content = b"\xef\xbb\xbf" + (folder / name).read_bytes().replace(b"\n", b"\r\n").removesuffix(b"\r\n")
        (folder / name).unlink()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))

    report = load(folder, tmp_path)

    assert [(t.file, t.loaded, t.rejected) for t in report.tables] == [
        ("title.basics.tsv.gz", 3, 0),
        ("title.ratings.tsv.gz", 2, 0),
        ("title.principals.tsv.gz", 2, 0),
        ("name.basics.tsv.gz", 1, 0),
    ]
    assert read(tmp_path, "name_basics")["knownForTitles"].tolist() == ["tt1,tt3"]


HOSTILE = [
    (b"tt1\tmovie\tA\tA\t0\t1999\t\\N\t90\tDrama", None),
    (b"tt2\tmovie\ttoo few", "wrong_field_count"),
    (b"tt3\tmovie\tA\tA\t0\t1999\t\\N\t90\tDrama\textra", "wrong_field_count"),
    (b"", "wrong_field_count"),
    (b"tt4\tmovie\tbad \xff\xfe\tA\t0\t1999\t\\N\t90\tDrama", "invalid_utf8"),
    (b"tt5\tmovie\tNUL \0\tA\t0\t1999\t\\N\t90\tDrama", "control_character"),
    (b"tt6\tmovie\tCR \r in\tA\t0\t1999\t\\N\t90\tDrama", "control_character"),
    (b"tt7\tmovie\tA\tA\t0\tMCMXC\t\\N\t90\tDrama", "unreadable_value"),
    (b"tt8\tmovie\tA\tA\t0\t99999999999999999999999\t\\N\t90\tDrama", "unreadable_value"),
    (b"tt9\tmovie\tA\tA\t0\t3000000000\t\\N\t90\tDrama", "unreadable_value"),
    (b"tt10\tmovie\tA\tA\t0\t1999\t\\N\t90.5\tDrama", "unreadable_value"),
    (b"tt11\tmovie\tA\tA\t0\t \t\\N\t90\tDrama", "unreadable_value"),
    (b"tt12\tmovie\tA\tA\tyes\t1999\t\\N\t90\tDrama", "unreadable_value"),
    (b"\\N\tmovie\tA\tA\t0\t1999\t\\N\t90\tDrama", "missing_key"),
    (b"\tmovie\tA\tA\t0\t1999\t\\N\t90\tDrama", "missing_key"),
    (b"tt13\tmovie\tA\tA\t0\t-5\t\\N\t90\tDrama", None),
    (b"tt1\tmovie\tagain\tA\t0\t1999\t\\N\t90\tDrama", "duplicate_key"),
    (b"\xef\xbb\xbftt14\tmovie\tA mark inside is text\tA\t0\t1999\t\\N\t90\tDrama", None),
    (b"tt15\tmovie\t" + b"x" * 3000 + b"\tA\t0\t1999\t\\N\t90\tDrama", "line_too_long"),
    (b"tt16\tmovie\tthe last, cut of", "wrong_field_count"),
]


@pytest.mark.parametrize("block", [7, 50, 1000, 16 * 1024 * 1024])
def test_each_bad_line_is_kept_with_its_reason(tmp_path, monkeypatch, block):
    """Whatever is wrong with a line, it is counted, kept with its number, and nothing else is lost with it."""
    monkeypatch.setattr(tsv_rows, "BLOCK_BYTES", block)
    monkeypatch.setattr(tsv_rows, "MAX_LINE_BYTES", 2000)
    report = load(write(tmp_path / "in", title_basics=b"\n".join(line for line, _ in HOSTILE)), tmp_path)

    table = report.tables[0]
    expected = [(line, reason) for line, (_, reason) in enumerate(HOSTILE, start=2) if reason]
    assert sorted(rejected(report, "title_basics")) == expected
    assert (table.rows, table.loaded, table.rejected) == (len(HOSTILE), 3, len(expected))
    assert read(tmp_path, "title_basics")["tconst"].tolist() == ["tt1", "tt13", "\ufefftt14"]
    assert table.reasons["unreadable_value"].count == 6
    assert table.reasons["unreadable_value"].first_lines == [9, 10, 11, 12, 13]
    published = current(tmp_path, "imdb")
    assert published
    assert published.tables["title_basics"].rejected == len(expected)


def test_the_first_of_equal_keys_stays(tmp_path, monkeypatch):
    """A key that comes again, in any order and in another file of the table, is a reject; equal names are not."""
    monkeypatch.setattr(parts, "ROWS_PER_PART", 3)
    monkeypatch.setattr(tsv_rows, "BLOCK_BYTES", 64)
    keys = [("tt5", 1), ("tt2", 1), ("tt5", 2), ("tt9", 1), ("tt2", 1), ("tt5", 1), ("tt1", 1), ("tt2", 1), ("tt9", 2)]
    lines = [f"{tconst}\t{ordering}\tnm1\tactor\t\\N\t\\N" for tconst, ordering in keys]
    lines.insert(2, "broken")

    report = load(write(tmp_path / "in", title_principals="\n".join(lines).encode()), tmp_path)

    loaded = read(tmp_path, "title_principals")
    assert list(zip(loaded["tconst"], loaded["ordering"], strict=True)) == [
        ("tt5", 1),
        ("tt2", 1),
        ("tt5", 2),
        ("tt9", 1),
        ("tt1", 1),
        ("tt9", 2),
    ]
    assert sorted(rejected(report, "title_principals")) == [
        (4, "wrong_field_count"),
        (7, "duplicate_key"),
        (8, "duplicate_key"),
        (10, "duplicate_key"),
    ]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "name.basics.tsv").unlink(), "does not hold name.basics.tsv"),
        (lambda folder: (folder / "title.basics.tsv").write_text("id,name\n1,x\n"), "first line is 'id,name'"),
        (lambda folder: (folder / "title.basics.tsv").write_bytes(b""), "is not IMDb's title.basics.tsv"),
        (lambda folder: pack(folder / "title.ratings.tsv", lambda content: content[:-12]), "damaged|cannot be read"),
        (lambda folder: pack(folder / "title.ratings.tsv", lambda content: b"not gzip"), "cannot be read"),
        (
            lambda folder: (folder / "title.ratings.tsv").write_bytes(FILES[1].header + b"\nx\ny\n"),
            "No line of title.ratings.tsv",
        ),
    ],
)
def test_what_is_not_imdb_is_refused_whole(tmp_path, break_it, message):
    """A missing, foreign, damaged or useless file is an error that names it, and what was there stays."""
    lake = tmp_path / "lake"
    load(write(tmp_path / "before"), lake)
    before = current(lake, "imdb")
    folder = write(tmp_path / "in")
    break_it(folder)

    with pytest.raises(ImdbError, match=message):
        load(folder, lake)

    assert current(lake, "imdb") == before
    assert [path.name for path in (lake / "tables" / "imdb").iterdir() if path.is_dir()] == [before.version]


def pack(path: Path, damage) -> None:
    """Put a damaged gzip file in the place of ``path``."""
    content = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(f"{path.name}.gz").write_bytes(damage(content))


def test_a_table_may_be_empty(tmp_path):
    """A file with nothing below its header becomes a table without rows."""
    report = load(write(tmp_path / "in", name_basics=b""), tmp_path)

    assert report.tables[3].loaded == 0
    assert read(tmp_path, "name_basics").columns.tolist()[0] == "nconst"


def test_the_command_tells_what_it_did(tmp_path, capsys):
    """The summary alone is on stdout, as a table or as JSON; what happens meanwhile is on stderr."""
    folder = write(tmp_path / "in", title_ratings=b"tt1\t7.5\t1200\ntt2\tx\t1\n")

    assert main(["load", "imdb", str(folder), "--data", str(tmp_path / "data"), "-o", "json"]) == 0
    output = capsys.readouterr()
    summary = json.loads(output.out)
    ratings = summary["tables"][1]
    assert (ratings["rows"], ratings["loaded"], ratings["rejected"]) == (2, 1, 1)
    assert ratings["reasons"] == {"unreadable_value": {"count": 1, "first_lines": [3]}}
    assert Path(summary["rejects"]).is_dir()
    assert "Loading title.basics.tsv" in output.err
    assert "Warning title.ratings.tsv: 1 of 2 lines were not loaded" in output.err

    assert main(["load", "imdb", str(folder), "--data", str(tmp_path / "data")]) == 0
    assert "title.ratings.tsv: 1 x unreadable_value, at line 3" in capsys.readouterr().out


def test_the_command_fails_with_one_line(tmp_path, capsys):
    """A folder without IMDb's files is exit code 1, a reason on stderr, and no traceback."""
    assert main(["load", "imdb", str(tmp_path), "--data", str(tmp_path / "data")]) == 1

    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("Failed ")
    assert output.err.count("\n") == 1
    assert main(["load", "imdb"]) == 2
