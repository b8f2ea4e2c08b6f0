"""One module a step: `NAME`, `routes(context)` and `is_done(context)`, the last from facts on disk alone."""
