"""The processes of one replica.

parent    owns the ports, the workers and the admin port, and never touches a request
worker    serves the data port
forks     the first workers; control: later ones, and the wire between parent and workers
keeper    the parent's side of the store
lastdays  warnings before a model's end
banner    what is said at start
"""
