"""What people type after `hotswap`: one file a verb, imported by nobody but the command line."""
