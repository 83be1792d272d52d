"""What is drawn on the page: read as a stranger's bytes, framed as models know digits, and answered by the stream."""
