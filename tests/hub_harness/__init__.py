"""Running real orchestrators on any task hub, in one process and without gRPC."""
