"""The task hub that loses nothing: one SQLite file, one writer, every outcome on disk before it is acknowledged."""
