"""The command line: one file per command group, thin. Heavy rooms are imported inside the commands that need them."""
