"""Route templates match as ASP.NET's do."""

import pytest

from localhost.host.routes import BadPathError, segments
from localhost.host.templates import TemplateError, parse


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/Chat/start", "/api/chat/START", {}),
        ("api/chat", "/api/chat/", {}),
        ("api/chat", "/api/chat/x", None),
        ("{id}", "/7", {"id": "7"}),
        ("{id}", "/", None),
        ("{id?}", "/", {}),
        ("a/{x?}/{y?}", "/a", {}),
        ("a/{x?}/{y?}", "/a/1", {"x": "1"}),
        ("a/{lang=en}", "/a", {"lang": "en"}),
        ("a/{lang=en}", "/a/es", {"lang": "es"}),
        ("{*rest}", "/a/b/c", {"rest": "a/b/c"}),
        ("{*rest}", "/", {}),
        ("a/{**rest}", "/a/b/c", {"rest": "b/c"}),
        ("a/{*rest=index}", "/a", {"rest": "index"}),
        ("{id:int}", "/12", {"id": "12"}),
        ("{id:int}", "/-12", {"id": "-12"}),
        ("{id:int}", "/1.5", None),
        ("{id:int}", "/2147483648", None),
        ("{id:long}", "/2147483648", {"id": "2147483648"}),
        ("{id:int?}", "/", {}),
        ("{id:int:min(3)}", "/2", None),
        ("{id:int:min(3)}", "/3", {"id": "3"}),
        ("{id:max(3)}", "/4", None),
        ("{id:range(1,10)}", "/10", {"id": "10"}),
        ("{id:range(1,10)}", "/11", None),
        ("{id:guid}", "/f47ac10b-58cc-4372-a567-0e02b2c3d479", {"id": "f47ac10b-58cc-4372-a567-0e02b2c3d479"}),
        ("{id:guid}", "/f47ac10b", None),
        ("{on:bool}", "/TRUE", {"on": "TRUE"}),
        ("{on:bool}", "/yes", None),
        ("{name:alpha}", "/Ana", {"name": "Ana"}),
        ("{name:alpha}", "/Ana1", None),
        ("{code:length(3)}", "/abc", {"code": "abc"}),
        ("{code:length(3)}", "/abcd", None),
        ("{code:length(2,3)}", "/ab", {"code": "ab"}),
        ("{code:minlength(2)}", "/a", None),
        ("{code:maxlength(2)}", "/abc", None),
        ("{price:decimal}", "/1.50", {"price": "1.50"}),
        ("{x:double}", "/1e3", {"x": "1e3"}),
        ("{day:datetime}", "/2026-11-21", {"day": "2026-11-21"}),
        ("{day:datetime}", "/someday", None),
        (r"{ssn:regex(^\d{{3}}-\d{{2}}$)}", "/123-45", {"ssn": "123-45"}),
        (r"{ssn:regex(^\d{{3}}-\d{{2}}$)}", "/123-456", None),
        ("{n:regex(^(a|b)$)}", "/b", {"n": "b"}),
        ("files/{name}.{ext}", "/files/a.b.txt", {"name": "a.b", "ext": "txt"}),
        ("files/{name}.{ext?}", "/files/readme", {"name": "readme"}),
        ("files/{name}.{ext?}", "/files/readme.md", {"name": "readme", "ext": "md"}),
        ("v{version:int}/x", "/v2/x", {"version": "2"}),
        ("v{version:int}/x", "/vb/x", None),
        ("a/b{{c}}", "/a/b{c}", {}),
        ("{id}", "/a%20b", {"id": "a b"}),
        ("{id}", "/caf%C3%A9", {"id": "café"}),
        ("a/{id}", "/a/..%2f..%2fetc", {"id": "..%2f..%2fetc"}),
        ("a/{id}", "/a/x%252Fy", {"id": "x%2Fy"}),
    ],
)
def test_a_path_gives_the_parameters_their_values(template, path, values):
    """Literals without case, constraints, defaults, optional and catch-all parameters; %2F stays encoded."""
    assert parse(template).match(segments(path.encode())) == values


@pytest.mark.parametrize("path", ["/a/../b", "/a/%2e%2e/b", "/./b", "/x/y/../../b", "/../../b"])
def test_dot_segments_are_taken_out_however_encoded(path):
    """A path cannot climb: what is matched is what is left."""
    assert segments(path.encode()) == ["b"]


@pytest.mark.parametrize("path", [b"/a%00b", b"/%ff%fe"])
def test_a_path_that_is_no_text_is_refused(path):
    """NUL and bytes that are not UTF-8 reach no function."""
    with pytest.raises(BadPathError):
        segments(path)


def test_the_more_specific_template_comes_first():
    """Literal, constrained, plain, catch-all: segment by segment, shorter before longer."""
    templates = ["{*all}", "a/{x}", "{x}/b", "a/b", "a/{x:int}", "a", "a/{*rest}", "a/{x}/c"]
    ordered = sorted(templates, key=lambda text: parse(text).precedence)
    assert ordered == ["a", "a/b", "a/{x:int}", "a/{x}", "a/{x}/c", "a/{*rest}", "{x}/b", "{*all}"]


@pytest.mark.parametrize(
    "template",
    [
        "a//b",
        "{",
        "}",
        "{}",
        "{a}/{A}",
        "{*a}/b",
        "{x:nonsense}",
        "{x:range(9,1)}",
        "{x:regex([)}",
        "{x=1?}",
        "{x:min(a)}",
    ],
)
def test_a_template_that_does_not_hold_together_is_refused(template):
    """Whoever wrote it is told when the app loads, not by requests that go nowhere."""
    with pytest.raises(TemplateError, match="oute"):
        parse(template)
