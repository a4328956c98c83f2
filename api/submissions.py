"""Reading what is to be cleaned: options, and the records themselves or where they lie.

The records may come inside a JSON object, as the whole body, or as a file of a form. They are read once, by the
reader of untrusted input, before anything is stored: what it refuses is a 4xx at the door.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import azure.functions as func

from api.envelopes import is_object, split
from api.requests import Fields, header, invalid_fields, read_fields
from shared.errors import MediaTypeError, NotFoundError, RequestError, TooLargeError
from shared.etl_paths import BRONZE, user_segment

if TYPE_CHECKING:
    from shared.etl.reading import Format, Raw

MAX_UPLOAD_BYTES = 100 * 1024 * 1024
"""What the platform takes. Larger sources are put into Bronze and named by their path."""
MAX_INLINE_BYTES = 8 * 1024 * 1024
"""Of a JSON object with records in it; the array alone, as the whole body, may be as large as an upload."""
MAX_NAME = 200
MAX_PATH = 512
MAX_COUNT = 1_000_000_000
DEFAULT_PRIORITY = 5

_NUMBERS = ("dataCount", "priority", "wait")
_WINDOWS: Mapping[str, Literal["now", "window"]] = {"now": "now", "window": "window"}
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,126}[A-Za-z0-9])?"
_BRONZE_PATH = re.compile(rf"{BRONZE}/({_NAME})/({_NAME})/({_NAME})\.(json|jsonl|ndjson|csv|parquet)")


@dataclass(frozen=True, slots=True)
class Upload:
    """Records as they came."""

    content: bytes
    format: "Format"

    def count(self, checksum: str, *, small: int) -> int:
        """Read all of it and return how many records there are; up to ``small``, what was read is kept for the job.

        Raises:
            RequestError: it is not what its format says, or another error of that branch of the tree.
        """
        from shared.etl.reading import read_raw
        from shared.etl.rules import load_rules
        from shared.parsed_rows import parsed_rows

        blocks: list[Raw] = []
        rows = 0
        for raw in read_raw(io.BytesIO(self.content), self.format, load_rules()):
            rows += raw.table.num_rows
            if rows <= small:
                blocks.append(raw)
            else:
                blocks.clear()  # it goes to Spark, and may be too large to be held
        if rows <= small:
            parsed_rows.keep(checksum, self.format, tuple(blocks), len(self.content))
        return rows


@dataclass(frozen=True, slots=True)
class Submission:
    """The options, and the records if they came along."""

    fields: Fields
    upload: Upload | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job that somebody wants done. ``path`` is below ``LAKE_URL``, and set where there is no ``upload``."""

    name: str
    declared_count: int
    priority: int
    window: Literal["now", "window"]
    path: str
    upload: Upload | None


def read_submission(req: func.HttpRequest) -> Submission:
    """Return what a request brings.

    Raises:
        MediaTypeError: its body is of a kind that is not read here.
        TooLargeError: it is larger than may be sent in that way.
        RequestError: it is not what it says it is.
    """
    if (header(req, "content-encoding") or "identity").strip().lower() != "identity":
        raise MediaTypeError("The body is packed (Content-Encoding): send it as it is.")
    body: bytes = req.get_body()
    if len(body) > MAX_UPLOAD_BYTES:
        raise TooLargeError(
            f"The body is larger than {MAX_UPLOAD_BYTES >> 20} MiB: put it into Bronze and send its path."
        )
    kind = (header(req, "content-type") or "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _read_form(req)
    if kind == "application/json" and is_object(body):
        return _read_object(req, body)
    from shared.etl.reading import format_of

    return Submission(_options(req.params), Upload(body, format_of(media_type=kind)))


def read_order(submission: Submission) -> Order:
    """Return the job that is wanted.

    Raises:
        InvalidFieldError: names every field that cannot be used.
    """
    fields, upload = submission.fields, submission.upload
    order = Order(
        name=fields.text("jobName", longest=MAX_NAME, required=False),
        declared_count=fields.whole_number("dataCount", default=0, highest=MAX_COUNT, lowest=1),
        priority=fields.whole_number("priority", default=DEFAULT_PRIORITY, highest=9, lowest=1),
        window=fields.choice("window", _WINDOWS, default="now"),
        path=fields.text("path", longest=MAX_PATH, required=False),
        upload=upload,
    )
    if fields.has("records"):
        fields.refuse("records", "It must be a list of records.")
    elif (upload is None) == (not order.path):
        fields.refuse("records", "Send one of: records, a file, or the path of a file in Bronze.")
    fields.check()
    return order


def read_bronze_path(path: str, owner: str) -> "tuple[str, Format]":
    """Return the parent job that a Bronze path of ``owner``'s names, and the format of the file.

    Raises:
        InvalidFieldError: it is no path of Bronze.
        NotFoundError: it is somebody else's.
    """
    found = _BRONZE_PATH.fullmatch(path)
    if found is None:
        problem = (
            f"It must be {BRONZE}/<you>/<parent>/<job>.<json, jsonl, csv or parquet>, of letters, digits, - and _."
        )
        raise invalid_fields({"path": problem})
    if found[1] != user_segment(owner):
        raise nothing_at_path()
    from shared.etl.reading import format_of

    return found[2], format_of(name=path)


def nothing_at_path() -> NotFoundError:
    """Return the one answer to paths that are unknown or somebody else's."""
    return NotFoundError("There is nothing of yours at this path.")


def _read_object(req: func.HttpRequest, body: bytes) -> Submission:
    if len(body) > MAX_INLINE_BYTES:
        limit = f"{MAX_INLINE_BYTES >> 20} MiB"
        raise TooLargeError(f"The object around the records is larger than {limit}: send the array as the whole body.")
    options, records = split(body)
    upload = None if records is None else Upload(records, "json")
    return Submission(read_fields(req, options), upload)


def _read_form(req: func.HttpRequest) -> Submission:
    from shared.etl.reading import format_of

    form = cast("Any", req.form)
    files = cast("Any", req.files)
    sent = [file for _, file in files.items(multi=True)]
    if len(sent) > 1:
        raise RequestError("The form has more than one file: start one job for each.")
    fields = _options({str(name): str(value) for name, value in form.items()})
    if not sent:
        return Submission(fields, None)
    kind = format_of(media_type=str(sent[0].mimetype or ""), name=str(sent[0].filename or ""))
    return Submission(fields, Upload(sent[0].stream.read(), kind))


def _options(texts: Mapping[str, str]) -> Fields:
    """Return options that came as texts, in a query string or a form."""
    whole = re.compile(r"-?[0-9]{1,15}")
    return Fields(
        {name: int(text) if name in _NUMBERS and whole.fullmatch(text) else text for name, text in texts.items()}
    )
