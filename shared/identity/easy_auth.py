"""The principal that App Service puts into the request after it has checked a sign-in itself ("Easy Auth")."""

import base64
import re
from typing import Any, cast

from shared.identity.caller import Caller
from shared.identity.tokens import BadTokenError
from shared.strict_json import parse

MAX_CHARACTERS = 65_536

_OBJECT_ID = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid")
_TENANT_ID = ("http://schemas.microsoft.com/identity/claims/tenantid", "tid")
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def caller(principal: str, *, tenant_id: str) -> Caller:
    """Return whom ``X-MS-CLIENT-PRINCIPAL`` names; only where the platform put it there.

    Raises:
        BadTokenError: it names nobody of Entra ID, or of another tenant than ``tenant_id`` where that is set.
    """
    try:
        if len(principal) > MAX_CHARACTERS:
            raise BadTokenError("the principal is too long")
        content: Any = parse(base64.b64decode(principal, validate=True))
        claims = [(str(claim["typ"]), str(claim["val"])) for claim in cast("list[dict[str, Any]]", content["claims"])]
        provider, role_type = content.get("auth_typ"), str(content.get("role_typ", "roles"))
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise BadTokenError("the principal cannot be read") from error
    object_ids = {value.lower() for name, value in claims if name in _OBJECT_ID}
    tenant_ids = {value for name, value in claims if name in _TENANT_ID}
    if provider != "aad" or len(object_ids) != 1:
        raise BadTokenError("the principal is not one of Entra ID")
    if tenant_id and tenant_ids != {tenant_id}:
        raise BadTokenError("another tenant's")
    [object_id] = object_ids
    if not _GUID.fullmatch(object_id):
        raise BadTokenError("oid is not a GUID")
    roles = {value for name, value in claims if name in {role_type, "roles"}}
    return Caller(f"entra:{object_id}", frozenset(roles))
