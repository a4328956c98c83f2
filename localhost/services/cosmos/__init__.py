"""Cosmos DB on one machine: the REST calls that `azure-cosmos` makes for one-partition work, kept in SQLite."""
