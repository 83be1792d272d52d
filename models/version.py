"""The version of this project, from which everything else reads it."""

VERSION = "0.2.0"
