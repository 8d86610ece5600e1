"""Load that was recorded, as a load of the simulator. Each step is a module of its own and knows only the one before:

    formats     finds the reader of a file by its content
    reader      the lines of a file of serve --record become requests; weka and mooncake read other formats
    lanes       the requests of a session become conversations, if the recording does not tell what they consist of
    part        the part of a long recording that is replayed, and its division by engines
    agents      conversations become agents' plans
    replay      the plans run in virtual time, with or without control
    fit         the speeds of the engine with which the replay takes as long as the recording
    alone       the speeds that single answers show, if the recording does not show the engine's load
    load        all of this for simulate --trace: a scenario at some pace, with a cache of some size

Another format needs only another reader.
"""
