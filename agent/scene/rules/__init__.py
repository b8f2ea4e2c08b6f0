"""One file per incident kind: which tracks fulfil it now. All pure."""
