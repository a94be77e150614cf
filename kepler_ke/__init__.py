"""KEPLER: text encoders as inductive knowledge-embedding models. Main path: train.py."""
