import * as FileLock from "@bottle/process/FileLock"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { BottleId } from "../../BottleId.js"
import type { Directories } from "../../Directories.js"
import * as Ledger from "../../Ledger.js"
import * as Remove from "./remove.js"
import * as Size from "./size.js"
import * as Sliced from "./sliced.js"
import * as Store from "./store.js"

/** Whoever holds the lock of a copy reads or takes it: it is in use. */
const LOCK_TIMEOUT_MILLIS = 100

const isId = Schema.is(BottleId)

/** What a copy takes, and when anything in it was last changed. */
export const sizeOf = (path: string): Effect.Effect<Size.Size, unknown> => Sliced.run(() => Size.of(path))

/** Removes a copy whose bottle is down, or says why not. */
export const remove = (
  path: string,
  { directories, id }: { readonly directories: Directories; readonly id: string }
): Effect.Effect<void, string, FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      if (isId(id) && Option.isSome(yield* Ledger.read(directories, id))) {
        return yield* Effect.fail("its bottle has a ledger now")
      }
      yield* Effect.mapError(
        FileLock.acquire(`${path}/lock`, { timeoutMillis: LOCK_TIMEOUT_MILLIS }),
        ({ message }) => message
      )
      yield* Effect.mapError(
        Sliced.run(() => Remove.directory(path)),
        (cause) => Store.fileFailed(path, cause).reason
      )
    })
  )
