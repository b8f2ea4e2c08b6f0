"""Composition roots: they build the parts of a process and connect them. Only here do domains meet."""
