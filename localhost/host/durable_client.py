"""How the app and its callers reach the task hub: the durable client binding and the management URLs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from localhost.host.functions import Function
from localhost.host.worker import datum
from localhost.hub.transport.server import MAX_MESSAGE

PATH = "/runtime/webhooks/durabletask"


@dataclass(frozen=True, slots=True, repr=False)
class DurableClients:
    """Makes the configuration that the SDK's durable client is built from."""

    hub_name: str
    base_url: str
    rpc_address: str
    system_key: str

    @property
    def query(self) -> str:
        """The query string that every management URL needs."""
        return urlencode({"taskHub": self.hub_name, "connection": "Storage", "code": self.system_key})

    def inputs(self, function: Function) -> dict[str, Any]:
        """Return the durable client inputs of ``function``."""
        return {name: datum(self._configuration, "string") for name in function.durable_clients}

    @property
    def _configuration(self) -> str:
        configuration: dict[str, Any] = {
            "taskHubName": self.hub_name,
            "connectionName": "Storage",
            "creationUrls": {},
            "managementUrls": {},
            "baseUrl": f"{self.base_url}{PATH}",
            "httpBaseUrl": f"{self.base_url}{PATH}",
            "rpcBaseUrl": f"http://{self.rpc_address}",
            "requiredQueryStringParameters": self.query,
            "maxGrpcMessageSizeInBytes": MAX_MESSAGE,
        }
        return json.dumps(configuration)

    def management(self, origin: str, instance_id: str) -> Mapping[str, str]:
        """Return the URLs that a caller at ``origin`` follows and steers an instance by."""
        instance = f"{origin}{PATH}/instances/{quote(instance_id, safe='')}"
        return {
            "id": instance_id,
            "statusQueryGetUri": f"{instance}?{self.query}",
            "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{self.query}",
            "terminatePostUri": f"{instance}/terminate?reason={{text}}&{self.query}",
            "purgeHistoryDeleteUri": f"{instance}?{self.query}",
            "restartPostUri": f"{instance}/restart?{self.query}",
            "rewindPostUri": f"{instance}/rewind?reason={{text}}&{self.query}",
            "suspendPostUri": f"{instance}/suspend?reason={{text}}&{self.query}",
            "resumePostUri": f"{instance}/resume?reason={{text}}&{self.query}",
        }
