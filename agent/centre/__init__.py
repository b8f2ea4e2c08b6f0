"""The other end of the contract: what a centre needs to hear a fleet, to ask a node and to receive what it sends."""
