"""What calls under a migration show of its two models, gathered beside the relay. Nothing here makes a caller wait.

witness   told by flow of each attempt's end; looks at answers and enters batches in a task of its own
answers   what an answer shows of its model, of an arm and of a copy alike
copies    the bounded copy of an answer that is looked at afterwards
shadow    a share of the old model's calls also sent to the new one, its answer thrown away
"""
