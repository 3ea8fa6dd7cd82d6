"""PyTorch's inner package of functions of functions (``torch._functorch``): its files are found by their names, `kuai.func` has the rest.

It is a module of its own, because an import of ``torch._functorch.vmap`` puts that file in the place of its attribute ``vmap``.
"""
