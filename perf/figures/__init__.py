"""Figures: what is read of processes and machine, what many values come to, and tables of them."""
