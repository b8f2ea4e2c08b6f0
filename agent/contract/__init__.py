"""The wire between a node and its centre, for both ends: topics, envelopes, events, states and commands. Pure.

What goes up is read tolerantly (an unknown field is a newer node's); what goes down is read strictly, because a node
must not obey a command it understands by half. Fields may be added; none is renamed, removed or given another unit.
"""
