/**
 * `bottle cleanup`: what bottles have left behind whose owner is gone, why each thing is thought to be that, and its
 * removal.
 *
 * @since 0.1.0
 */
import * as Cleanup from "@bottle/engine/Cleanup"
import * as Directories from "@bottle/engine/Directories"
import type { Runtimes } from "@bottle/engine/Runtimes"
import * as Leftovers from "@bottle/local/Leftovers"
import * as LocalExecutor from "@bottle/local/LocalExecutor"
import { lazy } from "@bottle/process/Lazy"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Columns from "../Columns.js"
import { ExitStatus } from "../ExitStatus.js"
import * as Failure from "../Failure.js"
import { Invocation } from "../Invocation.js"
import * as Printable from "../Printable.js"
import * as Progress from "../Progress.js"
import type { CleanupRequest } from "../requests/CleanupRequest.js"
import { dockerProgram } from "../RunRequest.js"
import * as RuntimeChoice from "../RuntimeChoice.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"

/**
 * What became of something that was found.
 *
 * - `found`: nothing, since nothing was to be changed; `removed`
 * - `stays`: it is only removed when that is asked for by `--all`, or not now; `why` says so
 * - `failed`: it could not be removed; `reason` and `suggestion` are then not null
 *
 * @since 0.1.0
 * @category models
 */
export class CleanedUp extends Schema.Class<CleanedUp>("@bottle/cli/CleanedUp")(
  {
    kind: Cleanup.Kind.annotations({ description: "What it is" }),
    name: Schema.String.annotations({ description: "What it is called, or where it is" }),
    bottle: Schema.NullOr(Schema.String).annotations({
      description: "The id of the bottle that left it; null where that is not known"
    }),
    why: Schema.String.annotations({ description: "Why it is thought to be left behind" }),
    removable: Schema.Boolean.annotations({ description: "Whether it is removed without --all" }),
    outcome: Schema.Literal("found", "removed", "stays", "failed").annotations({
      description: "What became of it; found: it would be removed; stays: it was left where it is"
    }),
    reason: Schema.NullOr(Schema.String).annotations({
      description: "Why it could not be removed; null where it could"
    }),
    suggestion: Schema.NullOr(Schema.String).annotations({ description: "What to do about that" })
  },
  { description: "Something that a bottle left behind" }
) {}

/**
 * What `cleanup --format json` prints. `unanswered` is who was asked what is left and did not say.
 *
 * @since 0.1.0
 * @category models
 */
export const CleanupDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  dryRun: Schema.Boolean.annotations({ description: "Whether nothing was to be removed" }),
  leftovers: Schema.Array(CleanedUp).annotations({ description: "What was left behind, and what became of it" }),
  unanswered: Schema.Array(
    Schema.Struct({
      asked: Schema.String.annotations({ description: "Who was asked" }),
      reason: Schema.String.annotations({ description: "Why there is no answer" }),
      suggestion: Schema.String.annotations({ description: "What to do about that" }),
      absent: Schema.Boolean.annotations({ description: "Whether that is since it is not there, or does not run" })
    })
  ).annotations({ description: "Who did not say what is left" })
})

type CleanupDocument = typeof CleanupDocument.Type

/** Nobody asks a container engine that is not there. */
const findDocker = ({ environment }: { readonly environment: Readonly<Record<string, string>> }) =>
  Effect.gen(function* () {
    const program = dockerProgram(environment)
    const fs = yield* FileSystem.FileSystem
    const isThere = program.includes("/")
      ? yield* Effect.orElseSucceed(fs.exists(program), () => false)
      : (yield* RuntimeChoice.findOnPath(program, environment["PATH"])) !== undefined
    return isThere ? program : null
  })

const unknownRelease = { version: "", line: "" }

/**
 * What this user's bottles can have left behind, and where: which programs are asked for it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const surveyOptions = (
  all: boolean
): Effect.Effect<Cleanup.SurveyOptions, never, Invocation | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const invocation = yield* Invocation
    const directories = Directories.fromEnvironment(invocation.environment)
    const choice = yield* RuntimeChoice.choose(null, invocation)
    const localRoot = `${directories.state}/local`
    // A host that never had a local machine need not be able to have one.
    const hadLocal = yield* Effect.orElseSucceed(fs.exists(`${localRoot}/machines`), () => false)
    const local = {
      ...unknownRelease,
      kind: "local" as const,
      program: LocalExecutor.defaultProgram,
      isPrivate: true
    }
    const chosen = { ...unknownRelease, kind: "smolvm" as const, program: choice.program, isPrivate: false }
    return {
      directories,
      docker: yield* findDocker(invocation),
      runtimes: [...(choice._tag === "Local" ? [] : [chosen]), ...(hadLocal ? [local] : [])],
      finders: hadLocal ? [ofLocal(localRoot)] : [],
      all
    } satisfies Cleanup.SurveyOptions
  })

const reasons: Readonly<Record<Leftovers.Leftover["kind"], string>> = {
  processes: "their machine has no record any more",
  directory: "it holds no machine, and nobody is making one of it",
  lock: "whoever held it runs no more"
}

/** The embedded runtime's own leftovers. */
const ofLocal = (root: string): Cleanup.Finder =>
  Effect.mapBoth(Leftovers.find(root), {
    onFailure: ({ message, suggestion }) =>
      new Cleanup.Unanswered({ asked: "the local runtime", reason: message, advice: suggestion, isAbsent: false }),
    onSuccess: (found) =>
      found.map((one): Cleanup.Leftover => {
        const kind = one.kind === "processes" ? "process" : one.kind
        const name = kind === "process" ? `${one.machine} (${one.pids.join(", ")})` : one.path
        const isSame = (other: Leftovers.Leftover) => other.kind === one.kind && other.machine === one.machine
        return {
          kind,
          name,
          bottle: kind === "lock" ? null : (Cleanup.bottleOf(one.machine) ?? null),
          why: reasons[one.kind],
          removable: true,
          isThere: Effect.match(Leftovers.find(root), {
            onFailure: () => true,
            onSuccess: (again) => again.some(isSame)
          }),
          remove: Effect.mapError(
            Leftovers.remove(root, one),
            ({ message, suggestion }) => new Cleanup.NotRemoved({ kind, name, reason: message, advice: suggestion })
          )
        }
      })
  })

const cleanedUp = (
  { bottle, kind, name, removable, why }: Cleanup.Leftover,
  outcome: CleanedUp["outcome"],
  failure: Cleanup.NotRemoved | null = null
): CleanedUp =>
  new CleanedUp({
    kind,
    name,
    bottle,
    why,
    removable,
    outcome,
    reason: failure === null ? null : failure.reason,
    suggestion: failure === null ? null : failure.suggestion
  })

const work = ({ all, dryRun }: CleanupRequest) =>
  Effect.gen(function* () {
    const { leftovers, unanswered } = yield* Cleanup.survey(yield* surveyOptions(all))
    const staying = leftovers.filter(({ removable }) => !removable).map((one) => cleanedUp(one, "stays"))
    const removable = leftovers.filter((one) => one.removable)
    const rest = dryRun
      ? removable.map((one) => cleanedUp(one, "found"))
      : (yield* Cleanup.remove(removable)).map(({ failure, leftover }) =>
          cleanedUp(leftover, failure === null ? "removed" : "failed", failure)
        )
    return {
      version: 1,
      dryRun,
      leftovers: [...rest, ...staying],
      unanswered: unanswered.map(({ advice, asked, isAbsent, reason }) => ({
        asked,
        reason,
        suggestion: advice,
        absent: isAbsent
      }))
    } satisfies CleanupDocument
  })

const outcomes: Readonly<Record<CleanedUp["outcome"], string>> = {
  found: "would remove",
  removed: "removed",
  stays: "stays",
  failed: "failed"
}

const linesOf = ({ leftovers }: CleanupDocument): ReadonlyArray<string> =>
  Columns.render(
    leftovers.map(({ kind, name, outcome, why }) => [
      outcomes[outcome],
      kind,
      Printable.line(name, 200),
      Printable.line(why)
    ])
  )

/** What went wrong, by name, for people. */
const complaintsOf = ({ leftovers, unanswered }: CleanupDocument): ReadonlyArray<string> => [
  ...leftovers.flatMap(({ kind, name, reason, suggestion }) =>
    reason === null ? [] : [Failure.complaint(`${kind} ${name} could not be removed: ${reason}`, suggestion)]
  ),
  ...unanswered.map(({ asked, reason, suggestion }) =>
    Failure.complaint(`what is left in ${asked} is not known: ${reason}`, suggestion)
  )
]

const hint = ({ dryRun, leftovers, unanswered }: CleanupDocument, { all }: CleanupRequest): string | undefined => {
  if (leftovers.length === 0) return `bottle: nothing ${unanswered.length === 0 ? "" : "else "}is left behind`
  const isFound = leftovers.some(({ outcome }) => outcome === "found")
  const stays = !all && leftovers.some(({ outcome }) => outcome === "stays")
  const said = [
    ...(dryRun ? ["nothing was changed"] : []),
    ...(isFound ? [`bottle cleanup${all ? " --all" : ""} removes it`] : []),
    ...(stays ? ["what stays is for bottle cleanup --all, and a bottle also for bottle down"] : [])
  ]
  return said.length === 0 ? undefined : `bottle: ${said.join("; ")}`
}

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(CleanupDocument)))

const print = (document: CleanupDocument, request: CleanupRequest) =>
  Effect.gen(function* () {
    if (request.format === "json") return yield* Stdio.outputText(encode(document))
    const lines = linesOf(document)
    if (lines.length > 0) yield* Stdio.outputText(lines.join("\n"))
    const said = hint(document, request)
    for (const text of [...complaintsOf(document), ...(said === undefined ? [] : [said])]) yield* Stdio.errorLine(text)
  })

/** A container engine that does not run has no containers that do; whoever else did not answer may have something. */
const codeOf = ({ leftovers, unanswered }: CleanupDocument): number =>
  leftovers.some(({ outcome }) => outcome === "failed") || unanswered.some(({ absent }) => !absent)
    ? ExitStatus.launchFailed
    : ExitStatus.success

/**
 * Cleans up, prints what became of what, and gives the exit code: 125 where something could not be removed, or somebody
 * did not say what is left.
 *
 * @since 0.1.0
 * @category constructors
 */
export const cleanup = (
  request: CleanupRequest
): Effect.Effect<number, never, Runtimes | Invocation | Stdio.Stdio | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const document = yield* work(request).pipe(Progress.during("cleaning up", { format: request.format, quiet: false }))
    yield* print(document, request)
    return codeOf(document)
  }).pipe(Effect.catchAllCause((cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" })))
