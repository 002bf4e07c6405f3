"""How trials become stacks: what the machine has, how fast it is, what to train together."""
