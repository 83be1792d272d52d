"""A stand-in for an Azure IoT hub: as much of its two sides as Microsoft's clients use for device twins.

What it does is what Azure documents; no hub was at hand to compare. The clients are the real ones, over TLS. Taken
from documentation alone: that a twin's etag is compared by If-Match (412), that a patch merges, null takes away and
arrays are replaced whole, the limits of sizes, the words of errors, and when a device hears of a change. Not in it:
throttling, the delay of queries, tags, modules, and whatever else a hub does. As Azure leaves open whether what a
device reports changes the etag of its twin, it does here: the harder case.
"""
