"""How the results of each script are told: the columns of its tables, its section of the report, its plots. Pure."""
