"""What moves migrations: one way for everybody, so that all keep its rules.

helm        read the state, walk it, check it against the configuration, put it back with its audit line
desk        the helm for programs: the admin port's verbs
supervisor  the helm in the hands of time: rollbacks, promotions, warnings, the old model's last day
"""
