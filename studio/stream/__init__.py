"""The stream that answers: the job as a process of its own, what is asked of it, and what it tells."""
