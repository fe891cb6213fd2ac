"""Puts the rooms together: from settings to what the data port works with. The only place that knows them all.

configuration   reads the file and checks it against the catalogue; blueprint: what a process is told to run
fitness         what is written well and cannot be used all the same; doubts: what it runs with, with a warning
house           the rooms of one snapshot of the settings, and what outlives it
providers       who is asked, over which connections
keys, book      who may ask, and what it is counted in
names           what can be asked for, and what metrics may be labelled with
courses         what measuring has to know of migrations
yard            models and their ends, for questions that are not a request's
"""
