"""Runs `sql/`: finds the models, orders them, builds one DuckDB file, and holds each to its contract."""
