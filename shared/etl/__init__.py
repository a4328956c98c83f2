"""The ETL's small lane, and the rules that both lanes follow.

Nothing here knows of Durable Functions, users or requests: bytes in, tables out.

    rules.yaml, rules.py    how a record is cleaned and what rejects it, as data
    reading/                bytes of a stranger -> raw rows (``raw.RAW_SCHEMA``)
    silver.py, kinds/       raw rows -> clean rows, rejects, merged duplicates
    gold.py                 clean rows -> the star schema
    manifest.py             what was made: counts, schemas, checksums
    generate.py             raw records that are dirty on purpose
"""
