"""PyTorch's own sample tables, run against kuai: operations, modules and optimizers."""
