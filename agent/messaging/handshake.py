"""What a broker says to a certificate, asked without MQTT: nobody's session is touched by it.

Under TLS 1.3 a server judges the client's certificate after the client believes that the handshake is over (RFC 8446,
4.4.2), and a refusal that meets our CONNECT on its way is lost with the connection (seen two times in three with
mosquitto 2.0.11). So here the client shakes hands and is silent: who is let in hears nothing either.
"""

from __future__ import annotations

import socket
from typing import Final

from agent.errors import BrokerUnreachable
from agent.messaging.broker import BrokerOptions, parse_url
from agent.messaging.refusals import tls_context, unreachable

_CONNECT_LIMIT_S: Final = 5.0
# The refusal comes half a round trip after the handshake; on a mobile line that is below a second.
_SILENCE_S: Final = 2.0


def try_certificate(options: BrokerOptions, *, silence_s: float = _SILENCE_S) -> None:
    """Returns when the broker took the certificate, or asked for none. Raises BrokerRefused, BrokerUnreachable."""
    endpoint = parse_url(options.url)
    context = tls_context(options)
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), timeout=_CONNECT_LIMIT_S) as raw,
            context.wrap_socket(raw, server_hostname=endpoint.host) as secure,
        ):
            secure.settimeout(silence_s)
            try:
                said = secure.recv(1)
            except TimeoutError:
                return
    except OSError as exc:
        raise unreachable(exc, options.url) from exc
    if not said:
        raise BrokerUnreachable(reason="connection_lost", url=options.url, remedy="it hangs up without a reason")
