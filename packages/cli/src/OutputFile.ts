/**
 * A file that a line names for a document, which is written when all is over. A guest may have had its directory until
 * then: what it put there is neither written to nor followed.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { randomBytes } from "node:crypto"
import * as Path from "node:path"
import * as Unwritable from "./Unwritable.js"

/**
 * Where a document goes, as it was found before the launch.
 *
 * - `directory`: where the file's own leads by every link
 * - `stream`: which pipe, device or open file it is; `null` where it is a file of that name, or none yet
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  readonly file: string
  readonly directory: string
  readonly stream: string | null
}

/** Where names lead to what is open already: `/dev/stderr`, `/dev/fd/3`, whatever that is. */
const isDescriptor = /^\/dev$|^\/proc\//

const identityOf = ({ dev, ino }: FileSystem.File.Info): string => `${dev} ${Option.getOrElse(ino, () => -1)}`

/** The directory of a file, by every link; one of a process's own descriptors may lead nowhere. */
const directoryOf = (fs: FileSystem.FileSystem, file: string): Effect.Effect<string> =>
  Effect.orElseSucceed(fs.realPath(Path.dirname(file)), () => Path.dirname(file))

/**
 * Looks at the file before a launch; fails with the reason why it cannot be written.
 *
 * @since 0.1.0
 * @category constructors
 */
export const locate = (file: string): Effect.Effect<Place, string, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const there = Option.getOrNull(yield* Effect.option(fs.stat(file)))
    if (there?.type === "Directory") return yield* Effect.fail("it is a directory")
    if (there?.type === "BlockDevice") return yield* Effect.fail("it is a disk")
    const written = there === null ? Path.dirname(file) : file
    yield* Effect.mapError(fs.access(written, { writable: true }), Unwritable.reasonOf)
    const directory = yield* directoryOf(fs, file)
    const isStream = there !== null && (there.type !== "File" || isDescriptor.test(directory))
    return { file, directory, stream: isStream ? identityOf(there) : null }
  })

/**
 * Writes the document, readable by its owner only. A file appears whole or not at all; what was a stream before the
 * launch, and is the same one still, is written to and never replaced.
 *
 * @since 0.1.0
 * @category constructors
 */
export const write = (
  { directory, file, stream }: Place,
  text: string
): Effect.Effect<void, string, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const there = yield* Effect.option(fs.stat(file))
    if (stream !== null && Option.exists(there, (info) => identityOf(info) === stream)) {
      return yield* Effect.mapError(fs.writeFileString(file, text, { flag: "a" }), Unwritable.reasonOf)
    }
    if ((yield* directoryOf(fs, file)) !== directory) {
      return yield* Effect.fail("its directory is not the one that it was before the launch")
    }
    const aside = `${file}.${randomBytes(6).toString("hex")}.tmp`
    yield* fs.writeFileString(aside, text, { mode: 0o600, flag: "wx" }).pipe(
      Effect.zipRight(fs.rename(aside, file)),
      Effect.onError(() => Effect.ignore(fs.remove(aside, { force: true }))),
      Effect.mapError(Unwritable.reasonOf)
    )
  })
