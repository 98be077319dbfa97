/**
 * `bottle init`: writes a manifest to begin with.
 *
 * @since 0.1.0
 */
import { lazy } from "@bottle/process/Lazy"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import * as Path from "node:path"
import type { InitFlags } from "../Commands.js"
import { ExitStatus } from "../ExitStatus.js"
import { formatOf, usage } from "../FlagValues.js"
import { Invocation } from "../Invocation.js"
import * as ManifestFile from "../ManifestFile.js"
import * as ManifestPlace from "../ManifestPlace.js"
import { template } from "../ManifestTemplate.js"
import * as Printable from "../Printable.js"
import * as ShellQuote from "../ShellQuote.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import * as Unwritable from "../Unwritable.js"

/**
 * There is a manifest already, which is not overwritten.
 *
 * @since 0.1.0
 * @category errors
 */
export class ManifestExists extends Schema.TaggedError<ManifestExists>("@bottle/cli/ManifestExists")("ManifestExists", {
  file: Schema.String
}) {
  override get message(): string {
    return `${Printable.line(this.file, 200)}: there is a file already`
  }
  /** What to do next. */
  get suggestion(): string {
    return "bottle init --force replaces it; bottle config prints what it says"
  }
}

/**
 * The manifest cannot be written.
 *
 * @since 0.1.0
 * @category errors
 */
export class ManifestUnwritable extends Schema.TaggedError<ManifestUnwritable>("@bottle/cli/ManifestUnwritable")(
  "ManifestUnwritable",
  { file: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `${Printable.line(this.file, 200)} cannot be written: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Name a file in a directory of your own: bottle init --manifest FILE"
  }
}

/**
 * The document of a manifest that was written.
 *
 * @since 0.1.0
 * @category models
 */
export const InitDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  init: Schema.Struct({
    manifest: Schema.String.annotations({ description: "The file that was written, an absolute path" }),
    next: Schema.String.annotations({ description: "A command to try with it" })
  }).annotations({ description: "What was written" })
})

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(InitDocument)))

const unwritable = (file: string) => (error: PlatformError) =>
  new ManifestUnwritable({ file, reason: Unwritable.reasonOf(error) })

/** The whole file at once, under its name only when it is complete; `isForced` where it may take another's place. */
const write = (file: string, isForced: boolean) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // Where a link stands, what it leads to is replaced, and the link stays.
    const target = isForced ? yield* Effect.orElseSucceed(fs.realPath(file), () => file) : file
    const directory = Path.dirname(target)
    const aside = Path.join(directory, `.${Path.basename(target)}.${randomBytes(6).toString("hex")}`)
    const failed = Effect.mapError(unwritable(file))
    yield* failed(fs.makeDirectory(directory, { recursive: true, mode: 0o700 }))
    yield* Effect.gen(function* () {
      yield* failed(fs.writeFileString(aside, template, { flag: "wx", mode: 0o600 }))
      if (isForced) return yield* failed(fs.rename(aside, target))
      // A rename would take the place of what is there; a second name does not.
      yield* Effect.mapError(fs.link(aside, target), (error) =>
        error._tag === "SystemError" && error.reason === "AlreadyExists"
          ? new ManifestExists({ file })
          : unwritable(file)(error)
      )
    }).pipe(Effect.ensuring(Effect.ignore(fs.remove(aside, { force: true }))))
  })

const print = (flags: InitFlags) =>
  Effect.gen(function* () {
    const invocation = yield* Invocation
    const place = ManifestPlace.of(flags.manifest, invocation)
    if (place === null) {
      return yield* usage("there is no home directory for a manifest", "bottle init --manifest FILE")
    }
    yield* write(place.file, flags.force)
    // What it was written to may be a place that others can write to, where it is not taken from.
    yield* ManifestFile.read(place.file)
    const named = place.isNamed ? ` --manifest ${ShellQuote.word(place.file)}` : ""
    const next = `bottle run${named} --bottle dev -- uname -a`
    yield* Stdio.outputText(
      formatOf(flags.format) === "json"
        ? encode({ version: 1, init: { manifest: place.file, next } })
        : `${Printable.line(place.file)}\ntry: ${next}`
    )
    return ExitStatus.success
  })

/**
 * Writes the manifest, prints its path and what to try next, and gives the exit code.
 *
 * @since 0.1.0
 * @category constructors
 */
export const init = (
  flags: InitFlags
): Effect.Effect<number, never, Invocation | Stdio.Stdio | FileSystem.FileSystem> =>
  Effect.catchAllCause(print(flags), (cause) =>
    Told.failWith(cause, { format: formatOf(flags.format), jsonOn: "stdout" })
  )
