"""What the server speaks over gRPC: a file for each protocol."""
