"""What a user has running, and what ended lately."""

import azure.durable_functions as df
from durabletask.entities import DurableEntity

from shared.payloads import ProgressEnd, ProgressItem

bp = df.Blueprint()

MAX_ITEMS = 50
ENDED = ("completed", "failed", "cancelled")


@bp.entity_trigger(context_name="context", entity_name="user_progress")
class UserProgress(DurableEntity):
    """Up to ``MAX_ITEMS`` pieces of work of one user, the one heard of last first.

    Where there are more, those that ended longest ago go first: what runs is what the user asks about.
    """

    def advance(self, item: ProgressItem) -> None:
        """Put ``item`` on top, in place of what was known of it."""
        others = [known for known in self.items() if known["id"] != item["id"]]
        known = [item, *others]
        if len(known) > MAX_ITEMS:
            ended = [one for one in known[1:] if one["state"] in ENDED]
            known.remove(ended[-1] if ended else known[-1])
        self.set_state(known)

    def end(self, ended: ProgressEnd) -> None:
        """Say how something ended that could not say so itself; what is not remembered stays so."""
        known = next((item for item in self.items() if item["id"] == ended["id"]), None)
        if known is not None and known["state"] not in ENDED:
            self.advance({**known, "state": ended["state"], "at": ended["at"]})

    def items(self) -> list[ProgressItem]:
        """Return what is remembered; an unknown user has done nothing."""
        return self.get_state(list, [])
