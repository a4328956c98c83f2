"""What happens to a hub and a host when processes are killed, disks fill and clocks jump: ``make chaos``.

The parts are those of a Jepsen test: a client that writes down what it asked and what it was told (``history``), a
ledger of side effects outside the database (``ledger``), faults from one seed (``life`` applies them), and a checker
that looks at those files alone (``checker``). Each campaign is a module with a ``run``.
"""
