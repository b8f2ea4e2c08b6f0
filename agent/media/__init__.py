"""Streams and files: packets in, packets to disk, packets to pictures. `pts` in ticks never leaves this room."""
