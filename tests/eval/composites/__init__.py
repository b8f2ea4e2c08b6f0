"""Real clips with something added or taken away, for what no real clip was to be had. Built when they are watched.

Frames stand in memory at the rate of analysis, and nothing is written to disk.
"""
