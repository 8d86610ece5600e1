"""What the engines' APIs mean on the wire: which path generates, whose session a request is, what a request asks for,
what an answer cost, and how an error looks in the called API.

Pure byte work: nothing here opens a socket, reads a clock or waits. The gateway calls it once a request or once a
chunk, so a body is never parsed twice and a stream's common chunk is returned as the object that came in.
"""
