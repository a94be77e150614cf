"""A dataset as other tools read it: one file here per format, `run` chooses among them.

`files` holds what they share. A format lists the files that it is made of; none of it is written
before all are listed, and the folder takes its name when the last is complete.
"""
