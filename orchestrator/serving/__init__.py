"""Models for programs outside: the web process takes a request, a node that holds the model
answers it, and the pieces travel back through the broker.

`wire` is what both sides agree on, `customer` the web process's side, `counter` the node's.
"""
