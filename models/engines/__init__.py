"""What executes a compiled model: one small interface, one file an engine."""
