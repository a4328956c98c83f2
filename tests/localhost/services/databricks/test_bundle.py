"""The asset bundle deploys the jobs as they are."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from localhost.services.databricks.runs import JOB_PARAMETERS
from shared.settings import Settings

FOLDER = Path(__file__).parents[4] / "databricks"
BUNDLE = YAML(typ="safe", pure=True).load(FOLDER / "databricks.yml")


def parameters_of(file):
    """Return the names in the constant PARAMETERS of a job's file."""
    tree = ast.parse((FOLDER / file).read_text(encoding="utf-8"))
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PARAMETERS"
    ]
    return set(ast.literal_eval(values[0]))


@pytest.mark.parametrize("name", ["sql_query", "medallion"])
def test_a_job_of_the_bundle_takes_the_parameters_of_its_file(name):
    """Every parameter that the file reads is declared, and no other; the file is there and is a notebook."""
    job = BUNDLE["resources"]["jobs"][name]
    [task] = job["tasks"]
    file = FOLDER / task["notebook_task"]["notebook_path"]
    assert file.read_text(encoding="utf-8").startswith("# Databricks notebook source\n")
    assert {parameter["name"] for parameter in job["parameters"]} == parameters_of(file.name)
    assert job["name"] == file.stem


def test_the_bundle_puts_files_where_the_settings_look():
    """A deployment without further settings is found; the folder is no package, which would hide the SDK."""
    name = BUNDLE["bundle"]["name"]
    root = BUNDLE["workspace"]["root_path"].replace("${bundle.name}", name)
    default = Settings.__dataclass_fields__["databricks_medallion_notebook"].default
    assert default == f"{root}/medallion_job"
    assert parameters_of("sql_query_job.py") == set(JOB_PARAMETERS)
    assert not (FOLDER / "__init__.py").exists()
