import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Directories } from "../../Directories.js"
import * as Ledger from "../../Ledger.js"
import * as Recovery from "../../Recovery.js"
import { Runtimes } from "../../Runtimes.js"
import { type Leftover, notRemoved, NotRemoved, within } from "./leftover.js"

/** Longer than a recovery takes whose runtime and container engine use all of their time. */
const REMOVE_TIMEOUT_MILLIS = 480_000

/** Somebody else who takes the bottle down, as its handle does, is waited for. */
const BUSY_POLL_MILLIS = 200
const BUSY_TIMEOUT_MILLIS = 120_000

/** The bottles that nobody holds any more, or that nobody can be seen to hold. */
export const ofLedgers = (
  views: ReadonlyArray<Ledger.LedgerView>,
  { all, directories }: { readonly directories: Directories; readonly all: boolean }
): Effect.Effect<ReadonlyArray<Leftover>, never, Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<Runtimes | FileSystem.FileSystem>()
    const found = yield* Effect.forEach(views, (view) =>
      Effect.map(Ledger.liveness(view), (liveness): ReadonlyArray<Leftover> => {
        if (liveness === "alive") return []
        const { id } = view
        const leftover = {
          kind: "bottle" as const,
          name: id,
          bottle: id,
          ...judge(view, liveness, all),
          isThere: Effect.map(Ledger.read(directories, id), Option.isSome).pipe(Effect.provide(context)),
          remove: recover(view).pipe(Effect.provide(context))
        }
        return [leftover]
      })
    )
    return found.flat()
  })

const judge = (
  view: Ledger.LedgerView,
  liveness: Exclude<Ledger.Liveness, "alive">,
  all: boolean
): Pick<Leftover, "why" | "removable"> => {
  const { failures, holder, state } = view
  if (state === "kept") return { why: "its machine was kept on purpose", removable: all }
  if (state === "left" && liveness === "unknown") {
    return { why: "not all of it could be removed, of another machine or pid namespace", removable: all }
  }
  if (liveness === "unknown") {
    const whom = holder === null ? "no line of its ledger says whose it is" : `process ${holder.identity.pid} holds it`
    const where = holder === null ? "" : ", of another machine or pid namespace"
    return { why: `${whom}${where}; whether that runs is not known`, removable: all }
  }
  if (state === "left") {
    const what = failures.map(({ resource }) => resource).join(", ")
    return { why: `not all of it could be removed${what === "" ? "" : `: ${what}`}`, removable: true }
  }
  const pid = holder?.identity.pid
  const whom = pid === undefined ? "whoever held it" : `process ${pid}, which held it,`
  return { why: `${whom} runs no more`, removable: true }
}

const recover = (view: Ledger.LedgerView): Effect.Effect<void, NotRemoved, Runtimes | FileSystem.FileSystem> => {
  const of = { kind: "bottle", name: view.id } as const
  // What was found to be removable may be taken: which bottles are, the survey has said.
  return Recovery.recover(view, { kept: true, unknown: true }).pipe(
    Effect.retry({
      while: ({ _tag }) => _tag === "LedgerBusy",
      schedule: Schedule.intersect(Schedule.spaced(BUSY_POLL_MILLIS), Schedule.recurUpTo(BUSY_TIMEOUT_MILLIS))
    }),
    Effect.catchTag("LedgerGone", () => Effect.succeed({ failures: [] })),
    Effect.mapError(notRemoved(of)),
    Effect.flatMap(({ failures }) => {
      const [first] = failures
      return first === undefined
        ? Effect.void
        : new NotRemoved({
            ...of,
            reason: failures.map(({ reason, resource }) => `${resource}: ${reason}`).join("; "),
            advice: first.suggestion
          })
    }),
    within(of, REMOVE_TIMEOUT_MILLIS)
  )
}
