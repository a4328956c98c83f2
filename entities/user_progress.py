"""What a user has running, and what ended lately."""

import azure.durable_functions as df
from durabletask.entities import DurableEntity

from shared.payloads import ProgressItem

bp = df.Blueprint()

MAX_ITEMS = 50


@bp.entity_trigger(context_name="context", entity_name="user_progress")
class UserProgress(DurableEntity):
    """The last ``MAX_ITEMS`` pieces of work of one user, the one heard of last first."""

    def advance(self, item: ProgressItem) -> None:
        """Put ``item`` on top, in place of what was known of it."""
        others = [known for known in self.items() if known["id"] != item["id"]]
        self.set_state([item, *others][:MAX_ITEMS])

    def items(self) -> list[ProgressItem]:
        """Return what is remembered; an unknown user has done nothing."""
        return self.get_state(list, [])
