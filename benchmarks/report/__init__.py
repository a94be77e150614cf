"""One self-contained page over a dataset and runs, and its tables as Markdown, LaTeX and CSV.

write.py      MAIN PATH: runs -> sections -> files
blocks.py     what a section is made of: tables, figures, notes
page.py       blocks as HTML; the template and its style lie beside it
names.py      the datasets of runs, for the names of relations and entities
charts.py     pictures of tables of results and of runs
sizes.py      the dataset: the paper's Tables 1-3, degrees
funnel.py     what the build left out, and why
scores.py     results by side and by groups of queries
paper.py      results beside the paper's Tables 4 and 9
answers.py    best and worst predictions
costs.py      speed and memory
origins.py    provenance of dataset and runs
"""
