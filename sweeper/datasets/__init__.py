"""Preparing token data sets from text, JSONL, Parquet and Arrow files; tokenizers live here."""
