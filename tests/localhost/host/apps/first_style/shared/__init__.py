"""A package of the app that has the name of one of this project."""
