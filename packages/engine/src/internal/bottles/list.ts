import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type { ListedBottle } from "../../Bottles.js"
import type { ControlAddress, Status } from "../../Control.js"
import type { ControlError } from "../../ControlError.js"
import type { Directories } from "../../Directories.js"
import * as Ledger from "../../Ledger.js"
import type { LedgerUnreadable } from "../../LedgerError.js"
import * as Client from "../control/client.js"
import { addressOf } from "./resolve.js"

/** Who does not answer by then is listed without an answer. */
const TIMEOUT_MILLIS = 1000

/** Each waits for another process, not for us; but all of them at once would wait for their turn on the processor. */
const CONCURRENCY = 32

type Answer = { readonly status: Status | null; readonly silence: ControlError | null }

const ask = (address: ControlAddress): Effect.Effect<Answer> =>
  Effect.match(Client.status(address, TIMEOUT_MILLIS), {
    onFailure: (silence) => ({ status: null, silence }),
    onSuccess: (status) => ({ status, silence: null })
  })

export const list = (
  directories: Directories
): Effect.Effect<ReadonlyArray<ListedBottle>, LedgerUnreadable, FileSystem.FileSystem> =>
  Effect.flatMap(
    Ledger.list(directories),
    Effect.forEach(
      (view) =>
        Effect.gen(function* () {
          const owner = yield* Ledger.liveness(view)
          const address = addressOf(directories, view)
          const answer = owner === "dead" ? { status: null, silence: null } : yield* ask(address)
          const describe = Client.describe(address, TIMEOUT_MILLIS)
          return { id: view.id, name: view.claim?.name ?? null, view, owner, ...answer, describe }
        }),
      { concurrency: CONCURRENCY }
    )
  )
