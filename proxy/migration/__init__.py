"""From one model to the next, a few percent at a time. Pure: what is decided here is done elsewhere.

state        where a migration stands: one table of statuses and events, one walker
assignment   who is on which side: a stable hash of a user, a conversation or a key
roads        what a planner knows of all migrations: source model -> road, and which way a request goes
guards       the records between what is measured, what is judged and who acts on it
judge        whether a stage must be rolled back, whether the next may begin
contrast     how far one arm is past its bound, and how sure that is, from sums over units
sequence     how much evidence that is when it is looked at every second
"""
