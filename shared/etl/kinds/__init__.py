"""One module a kind of column: different values of text in, clean values and faults out.

Every function works on the different values of a column, not on its rows: a thousand orders of one user have one
e-mail address to check. ``docs/etl.md`` says what each kind does; nothing is decided here.
"""
