"""Data room: sources, their readers, and the step that turns them into training and test tables.

Needs the ``data`` extra (pyarrow). Nothing in the runtime imports this room.
"""
