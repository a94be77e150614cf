"""How fast engines train and rank the same graph, each in processes of its own.

run.py       MAIN PATH: graph -> processes in turn -> report
worker.py    what runs in an engine's process; imports nothing of ours
adapters/    one small class per engine, run by the worker
machine.py   what the machine could do at most
report.py    the table, the JSON and the bar chart
"""
