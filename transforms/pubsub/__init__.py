"""Everything that speaks to Pub/Sub as a client."""

EMULATOR_VARIABLE = "PUBSUB_EMULATOR_HOST"
"""The environment variable that names an emulator to every client, Google's own included."""
