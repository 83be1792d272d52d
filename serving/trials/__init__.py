"""The server's part in the trial of a new model: who answers what, and what is told of it."""
