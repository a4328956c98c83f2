"""What the catalogue promises: files that hold together, and a schema that says what the code reads."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from shared import catalog
from shared.catalog import CATALOG_DIR, Dataset, dataset_names, load_dataset
from shared.errors import CatalogError
from tools import dataset_schema

MINIMAL: dict[str, Any] = {
    "name": "tiny",
    "schema": "tiny",
    "title": {"en": "Tiny"},
    "description": "One table.",
    "tables": [
        {
            "name": "things",
            "description": "Things.",
            "columns": [{"name": "id", "type": "STRING", "role": "key", "description": "Identifier."}],
        }
    ],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty catalogue."""
    monkeypatch.setattr(catalog, "CATALOG_DIR", tmp_path)
    load_dataset.cache_clear()
    yield tmp_path  # type: ignore[misc]
    load_dataset.cache_clear()


def write(folder: Path, **changes: Any) -> None:
    YAML().dump({**MINIMAL, **changes}, folder / "tiny.yaml")


def test_the_schema_file_is_the_models() -> None:
    """``dataset.schema.json`` is what the code reads. To write it anew: ``python -m tools.dataset_schema``."""
    assert json.loads(dataset_schema.PATH.read_text()) == dataset_schema.dataset_schema()


@pytest.mark.parametrize("name", dataset_names())
def test_every_dataset_loads(name: str) -> None:
    """Every file of the catalogue is a dataset, tells editors its schema, and suggests questions in each language."""
    dataset = load_dataset(name)

    assert (
        (CATALOG_DIR / f"{name}.yaml").read_text().startswith("# yaml-language-server: $schema=./dataset.schema.json\n")
    )
    assert dataset.name == name
    assert all(len(dataset.suggestions[language]) >= 6 for language in ("en", "es"))


def test_the_prompt_is_the_dataset() -> None:
    """What the model is shown reads back as the same dataset."""
    dataset = load_dataset("imdb")

    text = dataset.model_dump_json(by_alias=True, exclude_defaults=True)
    assert Dataset.model_validate_json(text) == dataset
    assert Dataset.model_validate_json(text).digest == dataset.digest


def test_names_are_found_in_any_case() -> None:
    """SQL does not tell cases apart, nor does the catalogue."""
    dataset = load_dataset("imdb")

    table = dataset.table("TITLE_BASICS")
    assert table is not None
    assert table.column("STARTYEAR") is not None
    assert "startyear" in dataset.columns_by_table["imdb.title_basics"]


def test_an_unknown_dataset_is_named_with_the_known() -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(CatalogError, match="no dataset 'films' in the catalogue; there is: gold, imdb"):
        load_dataset("films")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"joins": [{"left": "things.id", "right": "others.id", "kind": "one_to_one"}]}, "others.id"),
        ({"subjects": [{"name": "thing", "words": {}, "table": "things", "label": "title"}]}, "things.title"),
        ({"subjects": [{"name": "t", "words": {}, "table": "things", "label": "id", "via": "links"}]}, "links"),
        ({"subjects": [{"name": "t", "words": {}, "table": "things", "label": "id", "rank": "things.x"}]}, "things.x"),
        ({"tabels": []}, "tabels"),
        ({"suggestions": {"fr": ["Combien ?"]}}, "fr"),
    ],
)
def test_a_file_that_does_not_hold_together_says_where(folder: Path, changes: dict[str, Any], complaint: str) -> None:
    """A misspelt key, an unknown language or a column that is not there is an error that names it."""
    write(folder, **changes)

    with pytest.raises(CatalogError, match=complaint):
        load_dataset("tiny")


def test_words_stay_words(folder: Path) -> None:
    """YAML 1.2: ``no`` and ``on`` are words, not booleans."""
    (folder / "tiny.yaml").write_text(
        "name: tiny\nschema: tiny\ntitle: {en: Tiny}\ndescription: One table.\n"
        "tables:\n- name: things\n  description: Things.\n  columns:\n"
        "  - {name: id, type: STRING, role: key, description: Identifier., words: {en: [no, on], es: [sí]}}\n"
    )

    table = load_dataset("tiny").table("things")
    assert table is not None
    assert table.columns[0].words == {"en": ["no", "on"], "es": ["sí"]}
