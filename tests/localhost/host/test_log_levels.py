"""``logging.logLevel`` of ``host.json``."""

import logging

import hosting
import pytest

from localhost.host.configuration import ConfigurationError, read_host_json

SPEAKING = """
import logging
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="quiet")
def quiet(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("quiet informs")
    logging.warning("quiet warns")
    return func.HttpResponse("")

@app.route(route="loud")
def loud(req: func.HttpRequest) -> func.HttpResponse:
    logging.warning("loud warns")
    return func.HttpResponse("")
"""


def test_log_levels_of_host_json_decide_what_is_shown(functions_host, tmp_path):
    """The longest category that is named wins: a function, its own words, the host, and then the default."""
    app = tmp_path / "app0"
    app.mkdir()
    levels = (
        '{"default": "Error", "Function": "Warning", "Function.loud": "Information", "Function.loud.User": "Error"}'
    )
    (app / "host.json").write_text(f'{{"version": "2.0", "logging": {{"logLevel": {levels}}}}}')
    host: hosting.Host = functions_host(SPEAKING)
    with host.client() as client:
        for name in ("quiet", "loud", "quiet"):
            assert client.get(f"/api/{name}").status_code == 200
    assert host.stop() == 0
    told = [(line.get("function"), line["message"]) for line in host.lines if "message" in line]
    assert told == [("quiet", "quiet warns"), ("loud", "200"), ("quiet", "quiet warns")]


def test_levels_come_from_the_file_and_from_app_settings(tmp_path):
    """The names are the platform's, in any case; a setting wins over the file."""
    (tmp_path / "host.json").write_text('{"logging": {"logLevel": {"default": "warning", "Function.A": "None"}}}')
    settings = {"AzureFunctionsJobHost__logging__logLevel__default": "Trace"}
    assert read_host_json(tmp_path, settings).log_levels == {
        "default": logging.DEBUG,
        "function.a": logging.CRITICAL + 1,
    }


def test_a_level_that_there_is_not_is_named(tmp_path):
    """The message says which category, and what could stand there."""
    (tmp_path / "host.json").write_text('{"logging": {"logLevel": {"default": "Loud"}}}')
    with pytest.raises(ConfigurationError, match="'default' is 'Loud', and none of Trace, Debug, Information"):
        read_host_json(tmp_path, {})
