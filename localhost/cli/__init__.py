"""The command line of the local host."""
