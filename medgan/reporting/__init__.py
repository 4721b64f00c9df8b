"""What people read of a generator: the report, the model card and the tables behind plots. jinja2 only here."""
