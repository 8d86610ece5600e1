import socket

from concur_proxy.cli.listen import listen_problem


def test_a_free_port() -> None:
    assert listen_problem(["127.0.0.1"], 0) is None


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listen_problem(["127.0.0.1"], port) == (
            f"port {port} on 127.0.0.1 is in use: stop the process that uses it, or choose another --port"
        )


def test_an_address_of_another_machine() -> None:
    # RFC 5737, 3: an address for documentation that no machine has
    assert listen_problem(["192.0.2.1"], 0) == (
        "--host 192.0.2.1: not an address of this machine; 0.0.0.0 means all its addresses"
    )


def test_a_wrong_address() -> None:
    problem = listen_problem(["no.such.host.invalid"], 0)  # RFC 6761, 6.4: never resolves
    assert problem is not None
    assert problem.startswith("--host no.such.host.invalid: no such address")
