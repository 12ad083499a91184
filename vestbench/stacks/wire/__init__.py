"""The instrument: connects, shakes hands, and stamps, for whichever HTTP library.

Nothing here knows a library. The adapter of each gives its library streams that are
made here, and words the errors of `failures` as the library expects them.
"""
