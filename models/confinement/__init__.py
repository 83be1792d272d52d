"""What a process that opens strangers' models may not do: layers that each either hold or say that they do not."""
