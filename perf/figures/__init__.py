"""Figures: what is read of processes, pages and the machine, what many values come to, and tables of them."""
