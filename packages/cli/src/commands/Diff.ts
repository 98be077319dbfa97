/**
 * `bottle diff`: what was changed in a bottle's copy of a workspace.
 *
 * @since 0.1.0
 */
import * as Directories from "@bottle/engine/Directories"
import * as Workspace from "@bottle/engine/Workspace"
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Columns from "../Columns.js"
import * as DiffText from "../DiffText.js"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as Named from "../Named.js"
import * as Printable from "../Printable.js"
import type { DiffRequest } from "../requests/WorkspaceRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"

const DiffChange = Schema.Struct({
  ...Workspace.Change.fields,
  added: Schema.NullOr(Schema.Int).annotations({ description: "Lines that are new; null for what is no text" }),
  removed: Schema.NullOr(Schema.Int).annotations({ description: "Lines that are gone; null for what is no text" }),
  patch: Schema.NullOr(Schema.String).annotations({
    description: "What differs, as text; null under --stat, and for what is no text"
  })
})

/**
 * What `diff --format json` prints.
 *
 * - `up`: whether the bottle is, and may change more
 * - `added`, `removed`: lines; null for what is no text, and for what is too large to compare
 * - `patch`: the lines that differ with some around them; null there too, and under `--stat`
 *
 * @since 0.1.0
 * @category models
 */
export const DiffDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  id: Schema.String.annotations({ description: "The bottle" }),
  source: Schema.String.annotations({ description: "The directory that was copied" }),
  tree: Schema.String.annotations({ description: "The copy; what is in it was written by a guest" }),
  up: Schema.Boolean.annotations({ description: "Whether the bottle is up, and may change more" }),
  changes: Schema.Array(DiffChange).annotations({
    description: "What is not as it was when the copy was made, sorted by path"
  })
})

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(DiffDocument)))
const encodeChange = lazy(() => Schema.encodeSync(Schema.parseJson(DiffChange)))

/** What comes after the changes. */
const END = "]}"

/**
 * A change of contents is compared with what is here; one of a mode, a link or a directory says all by itself, and one
 * that is taken already leaves nothing to compare.
 */
const differenceOf = (all: Workspace.Changes, change: Workspace.Change) =>
  Effect.gen(function* () {
    const { after, before, here, path, refused } = change
    if (refused !== null || here === "as-after" || (before?.kind !== "file" && after?.kind !== "file")) return null
    const read = (side: "here" | "after") => Effect.map(Workspace.contents(all, path, side), Option.getOrNull)
    const old = before?.kind === "file" ? yield* read("here") : null
    return DiffText.compare(old, after?.kind === "file" ? yield* read("after") : null)
  })

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`

const writeText = (all: Workspace.Changes, { stat }: DiffRequest) =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    const { environment } = yield* Invocation
    const isColoured = stdio.isInteractive && (environment["NO_COLOR"] ?? "") === "" && environment["TERM"] !== "dumb"
    const rows: Array<ReadonlyArray<string>> = []
    let [added, removed] = [0, 0]
    for (const change of all.changes) {
      const difference = yield* differenceOf(all, change)
      if (difference?._tag === "Lines") [added, removed] = [added + difference.added, removed + difference.removed]
      if (stat) rows.push(DiffText.statOf(change, difference))
      else {
        const lines = DiffText.render(change, difference)
        // Every line is printable already; the colours are ours.
        yield* stdio.stdout(Buffer.from(`${(isColoured ? lines.map(DiffText.coloured) : lines).join("\n")}\n`))
      }
    }
    if (rows.length > 0) yield* Stdio.outputText(Columns.render(rows).join("\n"))
    const summary =
      all.changes.length === 0
        ? "nothing was changed"
        : `${plural(all.changes.length, "change")}, ${plural(added, "line")} added, ${plural(removed, "line")} removed`
    const upText = all.isUp ? "; the bottle is up, and may change more" : ""
    yield* Stdio.errorLine(`bottle: ${summary} in the copy of ${Printable.line(all.source)}${upText}`)
  })

/** One change after the other: what a guest wrote may be more than one text can be long. */
const writeJson = (all: Workspace.Changes, { stat }: DiffRequest) =>
  Effect.gen(function* () {
    const { stdout } = yield* Stdio.Stdio
    const empty = encode({ version: 1, id: all.id, source: all.source, tree: all.tree, up: all.isUp, changes: [] })
    yield* stdout(Buffer.from(empty.slice(0, -END.length)))
    for (const [at, change] of all.changes.entries()) {
      const difference = yield* differenceOf(all, change)
      const lines = difference?._tag === "Lines" ? difference : null
      const text = encodeChange({
        ...change,
        added: lines?.added ?? null,
        removed: lines?.removed ?? null,
        patch: stat || lines === null ? null : DiffText.render(change, difference).join("\n")
      })
      yield* stdout(Buffer.from(at === 0 ? text : `,${text}`))
    }
    yield* Stdio.outputText(END)
  })

const print = (request: DiffRequest) =>
  Effect.gen(function* () {
    const directories = Directories.fromEnvironment((yield* Invocation).environment)
    const named = yield* Named.find(request.bottle, directories)
    const told = Named.toldOf(named)
    if (told !== undefined && request.format === "text") yield* Stdio.errorLine(told)
    const all = yield* Workspace.changes({ directories, id: named.id })
    yield* request.format === "json" ? writeJson(all, request) : writeText(all, request)
    return ExitStatus.success
  })

/**
 * Prints what was changed, and gives the exit code: 0, whether anything was.
 *
 * @since 0.1.0
 * @category constructors
 */
export const diff = (request: DiffRequest): Effect.Effect<number, never, Invocation | Stdio.Stdio | FileSystem> =>
  Effect.catchAllCause(print(request), (cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" }))
