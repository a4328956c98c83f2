"""Write queries as Databricks SQL: two-part names, an alias for each column, ties settled, literals escaped."""
