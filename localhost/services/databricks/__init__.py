"""A stand-in for Databricks on one machine: jobs, SQL statements and query history over the local lake."""
