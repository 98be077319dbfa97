import * as Identity from "@bottle/process/Identity"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FindError, WaitedBottle } from "../../Bottles.js"
import * as Control from "../../Control.js"
import type { Directories } from "../../Directories.js"
import * as Ledger from "../../Ledger.js"
import * as RecordStore from "../../RecordStore.js"
import * as Recovery from "../../Recovery.js"
import type { Runtimes } from "../../Runtimes.js"
import { addressOf, resolve } from "./resolve.js"

/** How often a bottle is looked at whose owner cannot tell us. */
const LOOK_MILLIS = 250

/** Whoever has let go of a bottle says so, as a rule. */
const LET_GO_LOOK_MILLIS = 1000

/** Its handle sees at once that an owner has died; then it is not ours to recover. */
const HANDLE_LOOKS = 8

/** What an owner writes last comes when its bottle is down. */
const LAST_WORD_TIMEOUT_MILLIS = 3000

/** Waits for the owner's own word that the bottle goes down; not at all where it cannot be asked. */
const toldGone = (directories: Directories, view: Ledger.LedgerView): Effect.Effect<void> =>
  Effect.scoped(Effect.flatMap(Control.connect(addressOf(directories, view)), ({ gone }) => gone)).pipe(Effect.ignore)

/** Waits until nobody holds the bottle, whatever its owner says. */
const untilLetGo = (
  directories: Directories,
  { id }: Ledger.LedgerView
): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Ledger.read(directories, id).pipe(
    Effect.map(Option.match({ onNone: () => true, onSome: ({ state }) => state === "left" || state === "kept" })),
    Effect.delay(LET_GO_LOOK_MILLIS),
    Effect.repeat({ until: (isLetGo) => isLetGo }),
    Effect.asVoid
  )

/** Waits until nothing of the bottle is there, or what is left of it is nobody's. */
const untilClosed = (
  directories: Directories,
  { id }: Ledger.LedgerView
): Effect.Effect<void, never, Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    let looksAtDead = 0
    for (;;) {
      const now = Option.getOrNull(yield* Ledger.read(directories, id))
      if (now === null || now.state === "left" || now.state === "kept") return
      looksAtDead = (yield* Ledger.liveness(now)) === "dead" ? looksAtDead + 1 : 0
      // Nobody else has: what it left would be there for ever.
      if (looksAtDead > HANDLE_LOOKS) yield* Effect.ignore(Recovery.recover(now))
      yield* Effect.sleep(LOOK_MILLIS)
    }
  })

/** The record as its writer leaves it: complete, or as far as a writer got that is no more. */
const lastWord = (directories: Directories, { holder, id }: Ledger.LedgerView) =>
  Effect.gen(function* () {
    for (;;) {
      const isWriting = holder !== null && (yield* Identity.isAlive(holder.identity))
      const record = yield* RecordStore.read(directories, id)
      if (!isWriting || Option.exists(record, ({ end }) => Option.isSome(end))) return record
      yield* Effect.sleep(LOOK_MILLIS)
    }
  }).pipe(Effect.timeoutOption(LAST_WORD_TIMEOUT_MILLIS), Effect.map(Option.flatten))

export const wait = (
  directories: Directories,
  word: string
): Effect.Effect<WaitedBottle, FindError, Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const view = yield* resolve(directories, word)
    if ((yield* Ledger.liveness(view)) !== "dead") {
      yield* Effect.raceFirst(Effect.disconnect(toldGone(directories, view)), untilLetGo(directories, view))
    }
    yield* untilClosed(directories, view)
    const record = yield* lastWord(directories, view)
    const end = Option.getOrUndefined(Option.flatMap(record, (found) => found.end))
    return {
      id: view.id,
      code: end?.code ?? null,
      origin: end?.origin ?? "unknown",
      error: end?.error ?? null,
      failures: Option.match(record, { onNone: () => [], onSome: (found) => found.failures })
    }
  })
