"""How the node is, told honestly: what is not known is said to be unknown."""
