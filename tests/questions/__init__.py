"""Questions with answers that were computed without the product: what the chat is measured by."""
