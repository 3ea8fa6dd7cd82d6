"""What PyTorch's launcher needs of a program (``torch.distributed.elastic``): errors are recorded; nothing is launched."""
