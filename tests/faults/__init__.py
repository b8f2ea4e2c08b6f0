"""The whole agent under faults. Tests run each campaign once; `make faults` runs them long and prints the numbers."""
