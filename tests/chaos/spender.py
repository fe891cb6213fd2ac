"""A worker that spends: holds, asks an imagined provider, settles. To be killed, stalled and cut off by the chaos tests.

    python tests/chaos/spender.py '{"url": …, "directory": …, "truth": …, …}'

Every line of `truth` is what a provider billed: `cost` in nano-dollars and `seen` or `unseen` (granted while Redis was
away), written before the settle, as a provider's own log would be. Lines of standard output: `up`, then
`opened ID AMOUNT` and `settled ID` for every call, `refused KIND` for refusals.
"""

import asyncio
import json
import os
import random
import secrets
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from proxy.errors import ApiError
from proxy.store.client import meanwhile
from proxy.store.ledger import Ledger, LedgerOptions
from tests.store.kit import money, request, row


class Spender:
    def __init__(self, wishes):
        self.wishes = wishes
        self.rng = random.Random(wishes["seed"])
        self.truth = os.open(wishes["truth"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.budget = money(wishes["limit"], allow_outage_nano=wishes.get("allow"))
        self.deadline = time.monotonic() + wishes["seconds"]

    async def run(self):
        ledger = Ledger(
            self.wishes["url"],
            LedgerOptions(directory=Path(self.wishes["directory"]), lease_s=self.wishes.get("lease_s", 30.0)),
            wall_clock=time.time,
            new_id=lambda: secrets.token_hex(8),
        )
        await ledger.start()
        print("up", flush=True)
        async with meanwhile(ledger.run()):
            await asyncio.gather(*[self.caller(ledger) for _ in range(self.wishes["callers"])])
            await ledger.close()
            while ledger.journalled:
                await asyncio.sleep(0.05)

    async def caller(self, ledger):
        calls = self.wishes.get("calls", 10**9)
        while calls and time.monotonic() < self.deadline:
            calls -= 1
            want = self.rng.randrange(1, self.wishes["most"])
            try:
                grant = await ledger.hold(request([self.budget], want))
            except ApiError as refusal:
                print("refused", type(refusal).__name__, flush=True)
                await asyncio.sleep(self.rng.random() * 0.02)
                continue
            print("opened", grant.hold.id, grant.hold.amount_nano, flush=True)
            await asyncio.sleep(self.rng.random() * self.wishes.get("answer_s", 0.02))
            cost = self.rng.randrange(want + 1)
            os.write(self.truth, f"{cost} {'seen' if grant.standings else 'unseen'}\n".encode())
            ledger.settle(grant.hold, cost, row(cost))
            print("settled", grant.hold.id, flush=True)


if __name__ == "__main__":
    asyncio.run(Spender(json.loads(sys.argv[1])).run())
