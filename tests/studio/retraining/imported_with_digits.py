"""Prints which heavy packages come with the digits: none."""

import sys

import studio.retraining.digits  # noqa: F401

print(*sorted({"kedro", "keras", "tensorflow", "sklearn"} & set(sys.modules)))
