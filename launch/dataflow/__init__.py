"""The job on Dataflow: what it will be given, how it is sent, and as what template and container."""
