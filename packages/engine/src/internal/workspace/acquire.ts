import * as Release from "@bottle/process/Release"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import type { HostFileFailed } from "../../LaunchError.js"
import { notify } from "../../LaunchObserver.js"
import type { LaunchPlan } from "../../LaunchPlan.js"
import { type WorkspaceTooLarge, WorkspaceUnusable } from "../../WorkspaceError.js"
import * as OwnDirectory from "../ownDirectory.js"
import * as Copy from "./copy.js"
import { defaults, type Limits } from "./limits.js"
import * as Places from "./places.js"
import * as Remove from "./remove.js"
import * as Scan from "./scan.js"
import * as Sliced from "./sliced.js"
import * as Store from "./store.js"
import { codeOf } from "./tree.js"

/** Many small files, on a disk that is busy. */
const SETTLE_TIMEOUT_MILLIS = 60_000

const firstUser = 1_900_000_000
const users = 50_000_000

/**
 * Who has the copy. Root's machines act as the owner of what they may write to, and never as root; so where the directory
 * is root's, its copy is somebody's who is nobody else.
 */
const ownerOf = (plan: LaunchPlan, { gid, uid }: Fs.Stats): Copy.Owner | null => {
  if (process.getuid?.() !== 0) return null
  if (uid !== 0) return { uid, gid: gid === 0 ? uid : gid }
  if (plan.runtime.kind !== "local" || !mayHave(firstUser + users)) return null
  const chosen = firstUser + (createHash("sha256").update(plan.id).digest().readUInt32BE(0) % users)
  return { uid: chosen, gid: chosen }
}

/** In a container root may have few other users. */
const mayHave = (uid: number): boolean =>
  Fs.readFileSync("/proc/self/uid_map", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, , count = 0]) => first <= uid && uid < first + count)

const unusable: Readonly<Record<string, string>> = { ENOENT: "it is not there", EACCES: "you may not read it" }

const look = (source: string): Effect.Effect<Fs.Stats, WorkspaceUnusable> =>
  Effect.gen(function* () {
    const code = (cause: unknown): string => codeOf(cause) ?? "unknown"
    const stat = yield* Effect.try({
      try: () => Fs.statSync(source),
      catch: (cause) => new WorkspaceUnusable({ source, reason: unusable[code(cause)] ?? code(cause) })
    })
    if (!stat.isDirectory()) return yield* new WorkspaceUnusable({ source, reason: "it is no directory" })
    yield* Effect.try({
      try: () => Fs.accessSync(source, Fs.constants.R_OK | Fs.constants.X_OK),
      catch: (cause) => new WorkspaceUnusable({ source, reason: unusable[code(cause)] ?? code(cause) })
    })
    return stat
  })

const makePlace = (parent: string, place: string): Effect.Effect<void, HostFileFailed> =>
  Effect.try({
    try: () => {
      Fs.mkdirSync(parent, { recursive: true, mode: 0o700 })
      const doubt = OwnDirectory.doubtOf(parent)
      if (doubt !== null) throw new Error(doubt)
      // Not recursive: one that is there already is another bottle's.
      Fs.mkdirSync(place, { mode: 0o700 })
    },
    catch: (cause) => Store.fileFailed(parent, cause)
  })

/**
 * Lets go of a copy when its bottle is done with it: one that was never finished, or that has no changes, goes; any other
 * one stays until somebody takes or discards it.
 */
export const settle = (
  plan: Pick<LaunchPlan, "directories" | "id">,
  limits: Limits = defaults
): Effect.Effect<void> => {
  const place = Places.placeOf(plan.directories, plan.id)
  const settled = Effect.gen(function* () {
    if (!Fs.existsSync(place)) return
    if (Store.isFinished(place)) {
      const base = yield* Store.readBase(place, plan.id)
      const changes = yield* Sliced.run(() =>
        Scan.changes(Places.treeOf(place), { base: base.entries, limits, source: base.source })
      )
      if (changes.length > 0) return
    }
    yield* Effect.mapError(
      Sliced.run(() => Remove.directory(place)),
      Store.failedAt(place)
    )
  })
  return settled.pipe(
    Release.within(SETTLE_TIMEOUT_MILLIS),
    Effect.flatMap(
      Option.match({
        onNone: () => Effect.fail(`it was not looked through within ${SETTLE_TIMEOUT_MILLIS / 1000} s`),
        onSome: () => Effect.void
      })
    ),
    // What cannot be read may hold somebody's work: it stays, and bottle diff says why.
    Effect.catchAll((cause) =>
      typeof cause === "object" && cause !== null && "_tag" in cause && cause._tag === "HostFileFailed"
        ? notify({
            _tag: "ReleaseFailed",
            resource: `copy ${place}`,
            reason: "it could not be removed",
            suggestion: `Remove it by hand: rm -r ${place}`
          })
        : Effect.void
    )
  )
}

const fill = (plan: LaunchPlan, source: string, limits: Limits) =>
  Effect.gen(function* () {
    const place = Places.placeOf(plan.directories, plan.id)
    const tree = Places.treeOf(place)
    const owner = ownerOf(plan, yield* look(source))
    const real = yield* Effect.try({ try: () => Fs.realpathSync(source), catch: Store.failedAt(source) })
    const copied = yield* Effect.mapError(
      Sliced.run(function* () {
        Fs.mkdirSync(tree, { mode: 0o700 })
        return yield* Copy.tree(real, tree, { limits, owner })
      }),
      Store.failedAt(source)
    )
    const madeAt = yield* Clock.currentTimeMillis
    yield* Effect.try({
      try: () =>
        Store.writeBase(place, {
          version: 1,
          id: plan.id,
          source: real,
          madeAt,
          skipped: copied.skipped,
          entries: copied.entries
        }),
      catch: (cause) => Store.fileFailed(place, cause)
    })
  })

/** Makes the copy that a plan asks for, and lets go of it with the scope. */
export const acquire = (
  plan: LaunchPlan,
  limits: Limits = defaults
): Effect.Effect<void, WorkspaceUnusable | WorkspaceTooLarge | HostFileFailed, Scope.Scope | Smolvm> => {
  const { workspace } = plan
  if (workspace === null || workspace.copy === null) return Effect.void
  const parent = Places.directoryOf(plan.directories)
  return Effect.flatMap(Smolvm, (smolvm) =>
    Effect.acquireRelease(makePlace(parent, Places.placeOf(plan.directories, plan.id)), () =>
      // A machine that was kept cannot be started without it.
      Effect.unlessEffect(
        settle(plan, limits),
        plan.keepOnFailure ? isThere(smolvm, plan.machine) : Effect.succeed(false)
      )
    )
  ).pipe(Effect.zipRight(fill(plan, workspace.source, limits)))
}

const isThere = (smolvm: Context.Tag.Service<Smolvm>, name: string): Effect.Effect<boolean> =>
  smolvm.machineStatus({ name }).pipe(
    Effect.as(true),
    Effect.catchTag("MachineNotFound", () => Effect.succeed(false)),
    Effect.orElseSucceed(() => true)
  )
