import { lazy } from "@bottle/process/Lazy"
import type * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { slug } from "../../BottleId.js"
import { LaunchPlan } from "../../LaunchPlan.js"
import type { Places } from "../../Places.js"
import * as Files from "./files.js"
import type { Claim, Owner, OwnerKind, Resource } from "./model.js"
import * as Names from "./names.js"
import { NONE } from "./state.js"

/** Every name that a launch gives to something of the host follows from its plan. */
export const resourcesOf = ({ bundle, directory, machine, source }: LaunchPlan): ReadonlyArray<Resource> => {
  const resources: Array<Resource> = [{ kind: "machine", name: machine }]
  if (bundle._tag === "Container") {
    resources.push({ kind: "container", name: bundle.container }, { kind: "network", name: bundle.network })
    if (bundle.build !== null) resources.push({ kind: "directory", name: bundle.build.context })
  }
  resources.push({ kind: "directory", name: directory })
  if (source._tag === "Pack" && source.madeFrom !== null) {
    const { partial } = source.madeFrom
    resources.push({ kind: "file", name: partial }, { kind: "file", name: `${partial}.smolmachine` })
  }
  return resources
}

/** What a claim says that is not in the plan. */
interface Claimant {
  readonly owner: Owner
  readonly nonce: string
  readonly claimedAt: DateTime.Utc
  readonly places?: Places | undefined
  readonly name?: string | undefined
  readonly kind?: OwnerKind | undefined
  readonly ttlMillis?: number | undefined
  readonly idleMillis?: number | undefined
  readonly command?: ReadonlyArray<string> | undefined
}

export const claimOf = (plan: LaunchPlan, claimant: Claimant): Claim => {
  const { bundle, directories, id, machine, runtime } = plan
  const { kind, line, program, version } = runtime
  return {
    version: 1,
    id,
    name: claimant.name === undefined ? null : slug(claimant.name),
    nonce: claimant.nonce,
    kind: claimant.kind ?? "program",
    claimedAt: claimant.claimedAt,
    owner: claimant.owner,
    machine,
    runtime: { kind, program, version, line },
    container:
      bundle._tag === "Container"
        ? { program: bundle.program, network: bundle.network, container: bundle.container, labels: bundle.labels }
        : null,
    directories,
    ...(claimant.places === undefined ? {} : { places: claimant.places }),
    resources: resourcesOf(plan),
    ttlMillis: claimant.ttlMillis ?? null,
    idleMillis: claimant.idleMillis ?? null,
    command: claimant.command ?? null
  }
}

/** The directory of all ledgers, and of their names. */
export const makeBottles = (
  fs: FileSystem.FileSystem,
  bottles: string
): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const isThere = yield* fs.exists(bottles)
    yield* fs.makeDirectory(Names.directoryOf(bottles), { recursive: true, mode: Files.DIRECTORY_MODE })
    if (!isThere) yield* Files.syncDirectory(fs, Files.parentOf(bottles))
  })

const encodePlan = lazy(() => Schema.encodeSync(Schema.parseJson(LaunchPlan)))

const writePlan = (fs: FileSystem.FileSystem, path: string, plan: LaunchPlan) =>
  fs.writeFileString(path, `${encodePlan(plan)}\n`, { flag: "wx", mode: Files.FILE_MODE })

/** Another plan, in one step. */
export const putPlan = (
  fs: FileSystem.FileSystem,
  directory: string,
  plan: LaunchPlan
): Effect.Effect<void, PlatformError.PlatformError> => {
  const aside = `${directory}/.${Files.PLAN}`
  return writePlan(fs, aside, plan).pipe(
    Effect.zipRight(fs.rename(aside, `${directory}/${Files.PLAN}`)),
    Effect.onError(() => Effect.ignore(fs.remove(aside, { force: true })))
  )
}

/** Nobody finds half a ledger: it is made beside the others, and is among them when the disk has all of it. */
export const write = (
  fs: FileSystem.FileSystem,
  directory: string,
  plan: LaunchPlan,
  claim: Claim
): Effect.Effect<Files.Writer, PlatformError.PlatformError, Scope.Scope> => {
  const bottles = Files.parentOf(directory)
  const aside = `${bottles}/${Files.aside("new", plan.id, claim.owner)}`
  const take = (path: string) => Effect.ignore(fs.remove(path, { recursive: true, force: true }))
  return Effect.gen(function* () {
    yield* fs.makeDirectory(aside, { mode: Files.DIRECTORY_MODE })
    const writer = yield* Effect.gen(function* () {
      yield* writePlan(fs, `${aside}/${Files.PLAN}`, plan)
      const opened = yield* Files.open(fs, {
        path: `${aside}/${Files.LEDGER}`,
        flag: "ax",
        id: plan.id,
        writer: claim.owner,
        role: "owner",
        from: NONE,
        isTorn: false
      })
      yield* opened.append({ _tag: "Claimed", claim })
      yield* Files.syncDirectory(fs, aside)
      yield* fs.rename(aside, directory)
      return opened
    }).pipe(Effect.onError(() => take(aside)))
    yield* Effect.onError(Files.syncDirectory(fs, bottles), () => take(directory))
    return writer
  })
}
