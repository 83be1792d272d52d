"""The job: its options and its graph, on one screen."""
