"""The same with asyncio: a responder and a broadcaster in one program.

    python asynchronous.py
"""

import asyncio

import expd.aio


async def respond(listener):
    async for broadcast in listener:
        await broadcast.respond("Nice to meet you!")


async def main():
    async with await expd.aio.start() as exp:
        channel = exp.get_channel("my_channel")
        responder = asyncio.create_task(respond(await channel.listen("my_event")))
        print("responses:", await channel.broadcast("my_event", "hello", timeout=1))
    await responder


asyncio.run(main())
