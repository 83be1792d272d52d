"""The version of this project, for every distribution of it."""

VERSION = "0.2.0"
