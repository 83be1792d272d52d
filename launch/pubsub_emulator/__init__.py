"""Google Pub/Sub inside this process: what Beam and Google's own clients need of it, and nothing more.

    with PubSubEmulator() as emulator:
        emulator.create_topic("projects/demo-project/topics/images")
        os.environ["PUBSUB_EMULATOR_HOST"] = emulator.address

Topics, subscriptions, publishing, pulling in both ways, acknowledgement deadlines and redelivery behave as
the service documents them (https://cloud.google.com/pubsub/docs/reference/rpc). Whatever it does not do
(snapshots, seeking, schemas, updates, push, filters, dead-letter policies, retry policies, retention,
ordering, exactly-once delivery) it refuses with UNIMPLEMENTED. Everything lives in memory and ends with the
process.
"""

from launch.pubsub_emulator.errors import EmulatorError
from launch.pubsub_emulator.queue import Statistics
from launch.pubsub_emulator.server import PubSubEmulator

__all__ = [
    "EmulatorError",
    "PubSubEmulator",
    "Statistics",
]
