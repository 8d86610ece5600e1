"""`concur-proxy key`: makes a client key, and the lines for `client_keys_file`."""

import secrets
import sys
from collections.abc import Sequence
from hashlib import sha256

from concur_proxy.cli.parser import CommandParser
from concur_proxy.recognition.client_keys import client_key_entry
from concur_proxy.recognition.tenants import MAX_TENANT_CHARS, is_tenant_name

PROG = "concur-proxy key"

DESCRIPTION = """\
Makes a key for a client of this tenant. The key goes to standard error, once: it is stored nowhere. The lines for the
file of --client-keys-file, which contain only the key's hash, go to standard output."""

EPILOG = """\
example:
  concur-proxy key research >> keys.toml"""

KEY_BYTES = 32


def main(arguments: Sequence[str]) -> int:
    """Make the key; returns the exit status."""
    parser = CommandParser(PROG, usage="TENANT", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("tenant", metavar="TENANT", help="name of the tenant")
    tenant: str = parser.read(arguments).tenant
    if not is_tenant_name(tenant):
        parser.error(f"a tenant has a name of 1 to {MAX_TENANT_CHARS} printable characters")
    key = f"ck-{secrets.token_urlsafe(KEY_BYTES)}"
    print(f"key of {tenant}: {key}", file=sys.stderr)
    print(client_key_entry(sha256(key.encode()).hexdigest(), tenant))
    return 0
