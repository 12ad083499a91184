"""Measuring without a console: jobs, and how one is carried out.

A job joins an experiment to its plan, its pace and its verdict; `carry_out` sets up the
venue, the measuring process and the result file round it. Nothing here prints, exits or
reads the environment, so the command line and a Python program measure alike.
"""
