"""Load that was recorded, as a load of the simulator. Each step is a module of its own and knows only the one before:

    reader      the lines of a file become requests
    lanes       the requests of a session become conversations
    part        the part of a long recording that is replayed, and its division by engines
    agents      conversations become agents' plans
    replay      the plans run in virtual time, with or without control
    fit         the speeds of the engine with which the replay takes as long as the recording

Another format needs only another reader.
"""
