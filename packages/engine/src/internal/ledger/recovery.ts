import * as FileLock from "@bottle/process/FileLock"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BottleId } from "../../BottleId.js"
import { BottleKept, LedgerBusy, LedgerFailed, LedgerGone, OwnerAlive, OwnerUnknown } from "../../LedgerError.js"
import * as Files from "./files.js"
import * as Owners from "./owner.js"
import type * as Reading from "./reading.js"

/** A recovery takes seconds, so nobody waits for another one's end; a moment is for one that has just been given up. */
const LOCK_TIMEOUT_MILLIS = 250

interface Place {
  readonly id: BottleId
  readonly directory: string
}

type NotLocked = LedgerBusy | LedgerGone | LedgerFailed

/** Holds the lock of a ledger until the scope closes. */
export const lock = (
  fs: FileSystem.FileSystem,
  { directory, id }: Place
): Effect.Effect<void, NotLocked, Scope.Scope> => {
  const path = `${directory}/${Files.LOCK}`
  return FileLock.acquire(path, { timeoutMillis: LOCK_TIMEOUT_MILLIS }).pipe(
    Effect.catchTags({
      LockTimedOut: ({ holder }) => new LedgerBusy({ id, holder }),
      LockFailed: ({ message }): Effect.Effect<never, LedgerGone | LedgerFailed> =>
        Effect.flatMap(
          Effect.orElseSucceed(Files.bounded(fs.exists(directory)), () => true),
          (isThere) => Effect.fail(isThere ? new LedgerFailed({ path, reason: message }) : new LedgerGone({ id }))
        )
    })
  )
}

/**
 * Nobody holds the bottle: it was let go, or its owner is dead now, or was found dead before. What is of another machine,
 * or another pid namespace, is not looked for here, whoever has let go of it: nothing would be found, and it would be
 * forgotten.
 */
export const checkFree = (
  id: BottleId,
  { isLetGo, owner, state, wasRecovered }: Reading.Reading,
  options: { readonly kept?: boolean | undefined; readonly unknown?: boolean | undefined }
): Effect.Effect<void, BottleKept | OwnerAlive | OwnerUnknown> =>
  Effect.gen(function* () {
    if (state === "kept" && options.kept !== true) return yield* new BottleKept({ id })
    const doubt = yield* Owners.doubtOf(owner)
    const isElsewhere = owner !== null && doubt !== null
    if (isLetGo && (!isElsewhere || options.unknown === true)) return
    if (owner !== null && (yield* Owners.liveness(owner)) === "alive") {
      return yield* new OwnerAlive({ id, pid: owner.identity.pid })
    }
    if (doubt !== null && (isElsewhere || !wasRecovered) && options.unknown !== true) {
      return yield* new OwnerUnknown({ id, reason: doubt })
    }
  })
