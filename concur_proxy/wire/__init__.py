"""What bytes mean in the engines' APIs: paths that generate, what a request says, what an answer cost, how errors look.

This room is pure: nothing here opens a socket, reads a clock or waits. Each request and each chunk is read once. A
stream's usual chunk is returned as the object that came in.
"""
