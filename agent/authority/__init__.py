"""The office's authority: register, certificate authorities, work orders and grants. A library; it speaks no network.

One folder holds all of it. The office's commands and the centre's server open the same folder at the same time, each
decision being one transaction of the register.
"""
