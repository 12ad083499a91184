"""A run as a TOML file, and back: format, file names, writing as it goes.

A file is written from its head to its end and never rewritten, so whatever stops a run,
what was measured until then is on disk in a file that loads:

    format, command, label, started     what this is
    [plan]                              what was asked for
    [conditions]                        what was known before the first request
    [[samples]], [[failures]]           a block of outcomes, one array per column;
                                        a column with one value in the whole block
                                        is that value alone; one that only some
                                        runs have is left out of the others
    [conclusion]                        what was known at the end; absent when the
                                        run was killed
    [summary]                           for human readers; recomputed on loading

While it grows it is called `NAME.toml.partial`.
"""
