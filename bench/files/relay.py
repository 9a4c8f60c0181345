# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands between clients and PostgreSQL and counts their round trips.

A round trip is an answer after a question, however many messages either holds.
Each one appends a letter to the given file: `c` if it made a connection, else `t`.
"""

import asyncio
import sys
from pathlib import Path

SERVER = "/var/run/postgresql/.s.PGSQL.5432"


async def serve(client_in, client_out, log) -> None:
    """Carry one connection from its start to its end."""
    server_in, server_out = await asyncio.open_unix_connection(SERVER)
    asked, letter = False, b"c"

    async def ask() -> None:
        nonlocal asked
        while data := await client_in.read(65536):
            asked = True
            server_out.write(data)
        server_out.close()

    async def answer() -> None:
        nonlocal asked, letter
        while data := await server_in.read(65536):
            client_out.write(data)
            if asked:
                log.write(letter)
                asked, letter = False, b"t"
        client_out.close()

    await asyncio.gather(ask(), answer(), return_exceptions=True)


async def main(listen: str, trips: str) -> None:
    """Serve until killed."""
    with Path(trips).open("wb", buffering=0) as log:
        Path(listen).unlink(missing_ok=True)
        server = await asyncio.start_unix_server(lambda *ends: serve(*ends, log), path=listen)
        Path(listen).chmod(0o777)
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
