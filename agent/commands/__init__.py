"""What a node does when it is asked: whether to believe it, the journal of what was asked, one file a command."""
