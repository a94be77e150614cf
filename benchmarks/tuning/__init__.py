"""A search for hyperparameters by successive halving on validation MRR.

run.py       MAIN PATH: rounds of trials -> the winner's configuration
space.py     what is searched: a typed YAML file, one shipped per model in spaces/
rounds.py    how cheap each round's trials are: fewer epochs, a core of the graph
report.py    the table, the files and the plot
"""
