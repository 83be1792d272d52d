"""A table and the step that makes it: what a room that keeps something in a database has."""
