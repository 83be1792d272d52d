"""What is told of each request where that is asked for: lines of a log, and traces."""
