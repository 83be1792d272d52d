"""What the devices of a fleet are to run, and what they say that they do."""
