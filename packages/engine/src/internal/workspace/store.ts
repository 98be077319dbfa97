import { lazy } from "@bottle/process/Lazy"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import { BottleId } from "../../BottleId.js"
import { HostFileFailed } from "../../LaunchError.js"
import { WorkspaceMissing, WorkspaceTooLarge, WorkspaceUnread, WorkspaceUnusable } from "../../WorkspaceError.js"
import { Entry } from "./entry.js"
import { codeOf, NotAFile } from "./tree.js"

const baseOf = (place: string): string => `${place}/base.json`

/** What a copy was when it was made: beside the tree, where no guest comes. */
export const Base = Schema.Struct({
  version: Schema.Literal(1),
  id: BottleId,
  /** The real path of the directory that was copied. */
  source: Schema.String,
  /** Milliseconds since 1970. */
  madeAt: Schema.Number,
  skipped: Schema.Array(Schema.Struct({ path: Schema.String, reason: Schema.String })),
  entries: Schema.Array(Entry)
})

export type Base = typeof Base.Type

const Text = Schema.parseJson(Base)
const decode = lazy(() => Schema.decodeUnknownEither(Text))
const encode = lazy(() => Schema.encodeSync(Text))

/** Written last, and at once: a copy without it was never finished. */
export const writeBase = (place: string, base: Base): void => {
  const partial = `${baseOf(place)}.partial`
  Fs.writeFileSync(partial, encode(base), { mode: 0o600 })
  Fs.renameSync(partial, baseOf(place))
}

/** Whether a copy was finished; what was not nobody misses. */
export const isFinished = (place: string): boolean => Fs.existsSync(baseOf(place))

export const readBase = (
  place: string,
  id: BottleId
): Effect.Effect<Base, WorkspaceMissing | WorkspaceUnread | HostFileFailed> =>
  Effect.gen(function* () {
    const text = yield* Effect.try({
      try: () => Fs.readFileSync(baseOf(place), "utf8"),
      catch: (cause) =>
        codeOf(cause) === "ENOENT" || codeOf(cause) === "ENOTDIR"
          ? new WorkspaceMissing({ id })
          : fileFailed(baseOf(place), cause)
    })
    const base = decode(text)
    if (Either.isRight(base) && base.right.id === id) return base.right
    return yield* new WorkspaceUnread({ id, path: place, reason: "what it was made of is not written as it should be" })
  })

const wordOf = (cause: unknown): string =>
  cause instanceof NotAFile ? cause.message : (codeOf(cause) ?? "it cannot be read")

/** A failed call without its own message, which names the call. */
export const fileFailed = (path: string, cause: unknown): HostFileFailed =>
  new HostFileFailed({ path, reason: wordOf(cause) })

/** What steps have thrown: an error of ours as it is, one of the system's about `path`. */
export const failedAt =
  (path: string) =>
  (cause: unknown): WorkspaceTooLarge | WorkspaceUnusable | HostFileFailed =>
    cause instanceof WorkspaceTooLarge || cause instanceof WorkspaceUnusable ? cause : fileFailed(path, cause)
