"""Ways to start the job: from the command line, on this machine with an embedded Pub/Sub, or on Dataflow."""
