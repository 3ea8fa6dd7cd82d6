"""The ops, one file a family."""
