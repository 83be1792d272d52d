"""What the server speaks over HTTP: a file for each protocol."""
