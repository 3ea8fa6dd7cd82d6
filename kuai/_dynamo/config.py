"""Switches of ``torch._dynamo`` (``torch._dynamo.config``): they can be set and are kept. kuai bounds its own caches."""

cache_size_limit = recompile_limit = 8
accumulated_cache_size_limit = 256
suppress_errors = False
capture_scalar_outputs = False
optimize_ddp = True
