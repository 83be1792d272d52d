"""The server: one core that batches and answers, and a thin file for each protocol. Imports `models` alone."""
