"""The demo: the whole agent on real footage, its broker and the centre's side, in one go."""
