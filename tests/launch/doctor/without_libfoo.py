"""Lacks a library."""

if __name__ == "__main__":
    raise ImportError("no libfoo")
