"""Knowledge embedding: training, filtered ranking, results."""
