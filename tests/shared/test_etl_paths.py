"""Where the data of a job lies."""

import re

import pytest

from shared import etl_paths
from shared.errors import InvalidFieldError

OWNERS = ["ana", "Ana", "ana@example.com", "../../etc", "a/b", "a\\b", "名前", "", "a" * 300, "ana.", "auth0|5f7c"]


def test_no_two_users_share_a_folder_and_no_name_leaves_its_own() -> None:
    """Whatever an identity provider calls its users."""
    folders = [etl_paths.user_segment(owner) for owner in OWNERS]
    assert len(set(folders)) == len(OWNERS)
    assert [folder for folder in folders if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}[a-z0-9]", folder)] == []


@pytest.mark.parametrize("text", ["..", "a/b", "a\\b", "", "a.", ".a", "a b", "a\n", "é", "a" * 129])
def test_what_could_be_another_path_is_no_segment(text: str) -> None:
    with pytest.raises(InvalidFieldError):
        etl_paths.bronze_path("ana", text, "j", "json")


def test_the_paths_are_those_that_readers_know() -> None:
    user = etl_paths.user_segment("ana")
    assert etl_paths.bronze_path("ana", "p", "j", "json") == f"shanlee-raw-data/{user}/p/j.json"
    assert etl_paths.silver_path("ana", "p", "j") == f"silver/cleaned/{user}/p/j.parquet"
    assert etl_paths.rejects_path("ana", "p", "j") == f"silver/rejected/{user}/p/j.parquet"
    assert etl_paths.manifest_path("ana", "p", "j") == f"gold/analytics/{user}/p/j/manifest.json"
    assert etl_paths.log_path("pipeline_runs", "ana", "p", "j") == f"logs/pipeline_runs/{user}/p/j.json"
