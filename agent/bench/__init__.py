"""The measurements of the README, against the peers named there. Each prints rows; see `rows`."""
