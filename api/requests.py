"""Reading what strangers send: limits first, then one strict reading, then every field at once."""

import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, cast

import azure.functions as func

from shared.errors import InvalidFieldError, MediaTypeError, NotFoundError, RequestError, TooLargeError
from shared.ids import is_id
from shared.strict_json import StrictJsonError, parse

MAX_BODY_BYTES = 65_536

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_JSON = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?', re.IGNORECASE)


class Fields:
    """The fields of a body; what is wrong with them is collected, so that a caller can mend all of it at once.

    Unknown fields are ignored: clients of the systems before this one send some.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._problems: dict[str, str] = {}

    def has(self, name: str) -> bool:
        """Whether there is such a field, and it is not null."""
        return self._body.get(name) is not None

    def text(self, name: str, *, longest: int, required: bool = True, exact: bool = False) -> str:
        """Return a text without the blanks around it (``exact``: as it is); empty where there is none."""
        value = self._body.get(name)
        if value is None:
            if required:
                self.refuse(name, "It is required.")
            return ""
        if not isinstance(value, str):
            self.refuse(name, "It must be text.")
            return ""
        text = value if exact else value.strip()
        if problem := _problem(text, longest):
            self.refuse(name, problem)
        return text

    def whole_number(self, name: str, *, default: int, highest: int, lowest: int = 0) -> int:
        """Return a whole number from ``lowest`` to ``highest``."""
        value = self._body.get(name)
        if value is None:
            return default
        if type(value) is not int or not lowest <= value <= highest:  # a bool is an int, too
            self.refuse(name, f"It must be a whole number from {lowest} to {highest}.")
            return default
        return value

    def share(self, name: str, *, default: float) -> float:
        """Return a number from 0 to 1."""
        value = self._body.get(name)
        if value is None:
            return default
        if type(value) not in {int, float} or not 0 <= value <= 1:
            self.refuse(name, "It must be a number from 0 to 1.")
            return default
        return float(value)

    def choice[C: str](self, name: str, choices: Mapping[str, C], *, default: C) -> C:
        """Return the one of ``choices`` that is named."""
        value = self._body.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in choices:
            self.refuse(name, f"It must be one of {', '.join(choices)}.")
            return default
        return choices[value]

    def refuse(self, name: str, problem: str) -> None:
        """Note what is wrong with a field; ``check`` tells."""
        self._problems.setdefault(name, problem)

    def check(self) -> None:
        """Let pass only a body without problems.

        Raises:
            InvalidFieldError: names every field that cannot be used.
        """
        if self._problems:
            raise invalid_fields(self._problems)


def invalid_fields(problems: dict[str, str]) -> InvalidFieldError:
    """Return the error that names these fields."""
    return InvalidFieldError(f"These fields cannot be used: {', '.join(problems)}.", problems=problems)


def header(req: func.HttpRequest, name: str) -> str | None:
    """Return a header, or None where there is none."""
    return cast("Mapping[str, str]", req.headers).get(name)


def read_fields(req: func.HttpRequest, body: bytes | None = None) -> Fields:
    """Return the fields of the JSON object in the body, or in the part of it that is given.

    The media type must say JSON: that also keeps other sites' pages from posting here without asking first (CORS).

    Raises:
        MediaTypeError: the body does not say that it is JSON in UTF-8.
        TooLargeError: it is larger than ``MAX_BODY_BYTES``.
        RequestError: it is not one JSON object.
    """
    if not _JSON.fullmatch((header(req, "content-type") or "").strip()):
        raise MediaTypeError("The body is not sent as Content-Type: application/json (charset=utf-8).")
    body = req.get_body() if body is None else body
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError(f"The body is larger than {MAX_BODY_BYTES // 1024} KiB.")
    try:
        content: object = parse(body)
    except StrictJsonError as error:
        raise RequestError(f"The body cannot be read. {error}") from error
    if not isinstance(content, dict):
        raise RequestError("The body is not a JSON object.")
    return Fields(cast("dict[str, Any]", content))


def read_id(req: func.HttpRequest, name: str) -> str:
    """Return the id in the route.

    Raises:
        NotFoundError: it is not one that we would give.
    """
    text = str(req.route_params.get(name, ""))
    if not is_id(text):
        raise not_found()
    return text


def not_found() -> NotFoundError:
    """Return the one answer to ids that are malformed, unknown or somebody else's."""
    return NotFoundError("There is nothing of yours with this id.")


def read_whole_number(req: func.HttpRequest, name: str, *, highest: int) -> int | None:
    """Return a whole number from 0 to ``highest`` of the query string, or None.

    Raises:
        InvalidFieldError: it is something else.
    """
    text: str | None = req.params.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) > highest:
        raise invalid_fields({name: f"It must be a whole number from 0 to {highest}."})
    return int(text)


def read_idempotency_key(req: func.HttpRequest) -> str | None:
    """Return the ``Idempotency-Key``, or None where there is none.

    Raises:
        RequestError: it is not 1 to 255 visible ASCII characters.
    """
    key = header(req, "idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise RequestError("The Idempotency-Key is not 1 to 255 visible ASCII characters.")
    return key


def client_address(req: func.HttpRequest) -> str:
    """Return the caller's address as App Service saw it, or nothing where it is not in front.

    App Service appends the address to ``X-Forwarded-For``; everything before the last comma is the caller's word.
    """
    if "WEBSITE_SITE_NAME" not in os.environ:
        return ""
    last = (header(req, "x-forwarded-for") or "").rpartition(",")[2].strip()
    address, _, port = last.rpartition(":")
    return address if port.isdigit() and (address.endswith("]") or ":" not in address) and address else last


def _problem(text: str, longest: int) -> str | None:
    if len(text) > longest:
        return f"It must not be longer than {longest:,} characters."
    categories = {unicodedata.category(character) for character in text}
    if "Cs" in categories:
        return "It has half a surrogate pair, which is no character."
    if any(unicodedata.category(character) == "Cc" and character not in "\t\n\r" for character in text):
        return "It must not have control characters."
    if not any(category[0] not in "CZ" for category in categories):
        return "It must not be blank."
    return None
