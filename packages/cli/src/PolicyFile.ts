/**
 * The policy document of `--policy FILE`: read when a launch is decided, and again when a running bottle is told to.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import { limits, type PolicyDocument } from "@bottle/egress/PolicyDocument"
import type { DocumentInvalid, PolicyError } from "@bottle/egress/PolicyError"
import type { LaunchOptions, Mount } from "@bottle/engine/LaunchOptions"
import * as MountedPath from "@bottle/engine/MountedPath"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Printable from "./Printable.js"
import type { RunRequest } from "./RunRequest.js"

const PATH_CHARS_MAX = 200

/**
 * The file cannot be read, or holds no policy. `file` is as it was named: with its flag, where it has one.
 *
 * @since 0.1.0
 * @category errors
 */
export class PolicyFileRefused extends Schema.TaggedError<PolicyFileRefused>("@bottle/cli/PolicyFileRefused")(
  "PolicyFileRefused",
  { file: Schema.String, reason: Schema.String, advice: Schema.String }
) {
  override get message(): string {
    return `${Printable.line(this.file, PATH_CHARS_MAX)}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * The guest could write to the file, or put another one in its place, and so allow itself what it likes at the next
 * reload.
 *
 * @since 0.1.0
 * @category errors
 */
export class PolicyFileInMount extends Schema.TaggedError<PolicyFileInMount>("@bottle/cli/PolicyFileInMount")(
  "PolicyFileInMount",
  { file: Schema.String, mount: Schema.String }
) {
  override get message(): string {
    const mount = Printable.line(this.mount, PATH_CHARS_MAX)
    return `--policy ${Printable.line(this.file, PATH_CHARS_MAX)}: the guest can change it, below -v ${mount}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Keep the file outside of what the guest can write to, or mount that with :ro."
  }
}

/**
 * Why a policy file is not taken.
 *
 * @since 0.1.0
 * @category errors
 */
export type PolicyFileError = PolicyFileRefused | PolicyFileInMount

const refuseMounted = (
  file: string,
  mounts: ReadonlyArray<Mount>
): Effect.Effect<void, PolicyFileInMount, FileSystem.FileSystem> =>
  Effect.flatMap(
    MountedPath.changedThrough(file, mounts),
    Option.match({
      onNone: () => Effect.void,
      onSome: (mount) => new PolicyFileInMount({ file, mount: mount.host })
    })
  )

const readText = (fs: FileSystem.FileSystem, file: string, name: string): Effect.Effect<string, PolicyFileRefused> =>
  Effect.gen(function* () {
    const refuse = (reason: string, advice: string) => new PolicyFileRefused({ file: name, reason, advice })
    const unreadable = (error: PlatformError) =>
      error._tag === "SystemError" && error.reason === "NotFound"
        ? refuse("there is no such file", "Check its name, and the directory that it is looked for in.")
        : refuse("it cannot be read", "Name a file that you may read.")
    const info = yield* Effect.mapError(fs.stat(file), unreadable)
    // A pipe would be read once, and a reload would wait for it.
    if (info.type !== "File")
      return yield* refuse("it is not a file", "Name a regular file, it is read again on SIGUSR2.")
    if (info.size > limits.bytes) {
      return yield* refuse(`it is longer than ${limits.bytes} bytes`, "Allow *.HOST instead of every host below it.")
    }
    return yield* Effect.mapError(fs.readFileString(file), unreadable)
  })

const refused =
  (file: string) =>
  (error: DocumentInvalid | PolicyError): PolicyFileRefused =>
    new PolicyFileRefused({ file, reason: error.message, advice: error.suggestion })

/**
 * Reads the document of a file that the guest cannot change.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  file: string,
  mounts: ReadonlyArray<Mount>
): Effect.Effect<PolicyDocument, PolicyFileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    yield* refuseMounted(file, mounts)
    const name = `--policy ${file}`
    const text = yield* readText(fs, file, name)
    return Policy.toDocument(yield* Effect.mapError(Policy.fromJson(text), refused(name)))
  })

/**
 * Reads what is made of the document of a file, whoever can change it; `name` is how it was named.
 *
 * @since 0.1.0
 * @category constructors
 */
export const readAs = <A>(
  file: string,
  name: string,
  make: (document: PolicyDocument) => Either.Either<A, PolicyError>
): Effect.Effect<A, PolicyFileRefused, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const text = yield* readText(yield* FileSystem.FileSystem, file, name)
    return yield* Effect.mapError(Either.flatMap(Policy.documentFromJson(text), make), refused(name))
  })

/**
 * What a request asks of a launch, its policy file read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const applied = ({
  options,
  policyFile
}: RunRequest): Effect.Effect<LaunchOptions, PolicyFileError, FileSystem.FileSystem> =>
  policyFile === null
    ? Effect.succeed(options)
    : Effect.map(read(policyFile, options.mounts ?? []), (policy) => ({ ...options, policy, policyFile }))
