"""What the entry scripts share: flags, how errors end a command, and the steps that train, attack and compare runs.

A file belongs here if it reads a command line or carries out what one asks for. What a Trainer runs lies in
``lightning_modules``, what is stored in ``storage``; nothing here computes a number.
"""
