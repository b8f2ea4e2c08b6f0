"""One file per command group; thin."""
