/**
 * `bottle apply`: takes back what was changed in a bottle's copy of a workspace, or throws it away.
 *
 * @since 0.1.0
 */
import * as Directories from "@bottle/engine/Directories"
import * as Workspace from "@bottle/engine/Workspace"
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Columns from "../Columns.js"
import * as DiffText from "../DiffText.js"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as Named from "../Named.js"
import * as Printable from "../Printable.js"
import type { ApplyRequest } from "../requests/WorkspaceRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"

/**
 * What `apply --format json` prints.
 *
 * - `outcome`: `taken`, or under `--dry-run` would be; `already` was so here; `left` stays in the copy, for a `reason`
 * - `removed`: whether the copy is gone
 *
 * @since 0.1.0
 * @category models
 */
export const ApplyDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  id: Schema.String.annotations({ description: "The bottle" }),
  source: Schema.String.annotations({ description: "The directory that was copied" }),
  dryRun: Schema.Boolean.annotations({ description: "Whether nothing was to be changed" }),
  discarded: Schema.Boolean.annotations({ description: "Whether the copy was thrown away" }),
  changes: Schema.Array(
    Schema.Struct({
      path: Schema.String.annotations({ description: "The path below the directory; a guest chose it" }),
      kind: Workspace.Change.fields.kind,
      acting: Workspace.Change.fields.acting,
      outcome: Schema.Literal("taken", "already", "left").annotations({
        description: "taken, or would be; already so here; left in the copy"
      }),
      reason: Schema.NullOr(Schema.String).annotations({ description: "Why it was left; null where it was not" })
    })
  ).annotations({ description: "What was changed in the copy, sorted by path" }),
  removed: Schema.Boolean.annotations({ description: "Whether the copy is gone, since nothing is left in it" })
})

type ApplyDocument = typeof ApplyDocument.Type

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(ApplyDocument)))

const work = (request: ApplyRequest, place: Workspace.Place) =>
  Effect.gen(function* () {
    const { discard, dryRun, force } = request
    if (discard) {
      const { id, source } = yield* Workspace.discard(place)
      return { version: 1, id, source, dryRun, discarded: true, changes: [], removed: true } satisfies ApplyDocument
    }
    const { applied, id, removed, source } = yield* Workspace.apply({ ...place, dryRun, force })
    const changes = applied.map(({ change: { acting, kind, path }, outcome, reason }) => ({
      path,
      kind,
      acting,
      outcome,
      reason
    }))
    return { version: 1, id, source, dryRun, discarded: false, changes, removed } satisfies ApplyDocument
  })

const letters = { added: "A", modified: "M", deleted: "D" } as const

const linesOf = ({ changes, dryRun }: ApplyDocument): ReadonlyArray<string> => {
  const words = { taken: dryRun ? "would take" : "took", already: "already", left: "left" }
  return Columns.render(
    changes.map(({ acting, kind, outcome, path, reason }) => {
      const note = reason ?? (acting === null ? null : `mind that ${acting}`)
      return [
        words[outcome],
        letters[kind],
        note === null ? DiffText.nameOf(path) : `${DiffText.nameOf(path)}  (${note})`
      ]
    })
  )
}

const summaryOf = ({ changes, discarded, dryRun, id, removed, source }: ApplyDocument): string => {
  const directory = Printable.line(source)
  if (discarded) return `the copy of ${directory} is gone`
  const left = changes.filter(({ outcome }) => outcome === "left").length
  const taken = changes.length - left
  const all = `${taken} ${taken === 1 ? "change" : "changes"} ${dryRun ? "would be" : taken === 1 ? "is" : "are"} taken to ${directory}`
  if (left > 0)
    return `${all}; ${left} left in the copy, see them: bottle diff ${id}, drop them: bottle apply --discard ${id}`
  return removed ? `${all}; the copy is gone` : all
}

const print = (request: ApplyRequest) =>
  Effect.gen(function* () {
    const directories = Directories.fromEnvironment((yield* Invocation).environment)
    const named = yield* Named.find(request.bottle, directories)
    const told = Named.toldOf(named)
    if (told !== undefined && request.format === "text") yield* Stdio.errorLine(told)
    const document = yield* work(request, { directories, id: named.id })
    if (request.format === "json") yield* Stdio.outputText(encode(document))
    else {
      const lines = linesOf(document)
      if (lines.length > 0) yield* Stdio.outputText(lines.join("\n"))
      yield* Stdio.errorLine(`bottle: ${summaryOf(document)}`)
    }
    return document.changes.some(({ outcome }) => outcome === "left") ? ExitStatus.launchFailed : ExitStatus.success
  })

/**
 * Takes the changes back and gives the exit code: 125 where some were left in the copy, or where nothing was taken since
 * the same files were changed here.
 *
 * @since 0.1.0
 * @category constructors
 */
export const apply = (request: ApplyRequest): Effect.Effect<number, never, Invocation | Stdio.Stdio | FileSystem> =>
  Effect.catchAllCause(print(request), (cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" }))
