"""The processes of one replica.

parent      owns the ports, the workers and the admin port, and never touches a request
worker      serves the data port
order       what the command line asked for, and what is running for it
crew        the workers: started, started again, ended together
forks       the first workers; control: later ones, and the wire between parent and workers
reload      an edited configuration is taken up; filewatch: sees that it was edited
keeper      the parent's side of the store
lastdays    warnings before a model's end
replica     what the parent looks after; admin: what its port tells of it
simulation  the sandbox in the providers' place, and a demo's traffic
ports       what is listened on; banner: what is said at start
"""
