"""What is wrong with a node and what to do, on one screen; reads everything and changes nothing."""
