"""The functions of ``torch.nn.functional`` that are more than one op, one file a family."""
