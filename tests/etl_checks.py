"""What is asked of a lane's tables, whichever lane made them."""

from etl_oracle import Oracle


def assert_as_the_oracle(raw, silver, gold, rules, job_id="job"):
    """Compare every table, type and checksum with the oracle's."""
    oracle = Oracle(rules, job_id)
    clean, rejects, duplicates = oracle.refine(raw.with_records().to_pylist())
    assert silver.clean.to_pylist() == clean
    assert silver.rejects.to_pylist() == rejects
    assert silver.duplicates.to_pylist() == duplicates
    assert silver.checksums["silver"] == oracle.checksum(row["_row_hash"] for row in clean)
    assert silver.checksums["rejects"] == oracle.checksum(
        oracle.hash([row["_row"], row["reasons"], row["record"]]) for row in rejects
    )
    assert silver.counts == {
        "input": raw.table.num_rows,
        "cleaned": len(clean),
        "rejected": len(rejects),
        "duplicates": len(duplicates),
    }
    assert raw.table.num_rows == len(clean) + len(rejects) + len(duplicates)
    found = [reason for row in rejects for reason in row["reasons"].split(",")]
    assert silver.reasons == {reason: found.count(reason) for reason in silver.reasons}
    assert sum(silver.reasons.values()) == len(found)
    noted = [note for row in clean for note in (row["_notes"] or "").split(",") if note]
    assert silver.notes == {note: noted.count(note) for note in silver.notes}
    assert sum(silver.notes.values()) == len(noted)

    for name, rows in oracle.gold(clean).items():
        expected = oracle.with_lineage(name, rows)
        assert sorted_cells(gold.tables[name].to_pylist()) == sorted_cells(expected), name
        assert gold.checksums[name] == oracle.checksum(row["_row_hash"] for row in expected), name


def sorted_cells(rows):
    """Rows with their cells by name: the oracle does not keep to the order of columns."""
    return [dict(sorted(row.items())) for row in rows]
