/**
 * Real pipes for a guest's standard output and error.
 *
 * Node connects a child by socket pairs, and a socket cannot be opened by its name: `echo x >/dev/stderr`, of which
 * scripts are full, fails on it. So the two are FIFOs, without a name from before the command starts. Standard input
 * stays as Node makes it: opened by name, a FIFO whose writer has left already would wait for ever.
 *
 * @since 0.1.0
 */
import * as Capture from "@bottle/process/Capture"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { type PlatformError, SystemError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { attempt, reasonOf } from "./internal/files.js"
import { hostEnvironment } from "./Lifecycle.js"
import { OperationFailed } from "./LocalError.js"

/**
 * The caller's ends, and what puts the others in place.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pipes {
  readonly stdout: Stream.Stream<Uint8Array, PlatformError>
  readonly stderr: Stream.Stream<Uint8Array, PlatformError>
  /** Words to put before the program that is to have the other ends. */
  readonly words: ReadonlyArray<string>
  /**
   * Lets go of the ends that were kept open until the program had its own. To be run when that has ended: only then can
   * its streams come to theirs.
   */
  readonly letGo: Effect.Effect<void>
}

const failure =
  (method: string) =>
  (cause: unknown): PlatformError =>
    new SystemError({
      module: "Command",
      method,
      reason: "Unknown",
      pathOrDescriptor: method,
      description: reasonOf(cause)
    })

/** The guest can read the name that its streams once had: it must tell nothing of the caller. */
const namesDirectory = "/tmp"

// A shell opens them anew through our own descriptors: by then they have no name.
const redirectText = String.raw`exec >"$1" 2>"$2"; shift 2; unset PWD; exec "$@"`

/** One FIFO: our end to read, and one to write that is kept so that opening it anew never waits. */
interface Fifo {
  readonly readable: Net.Socket
  readonly path: string
  readonly letGo: Effect.Effect<void>
}

const openFifo = (path: string, owner: number): Effect.Effect<Fifo, OperationFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const open = (flags: number) => attempt("open a pipe", () => Fs.openSync(path, flags | Fs.constants.O_NONBLOCK))
    const readable = yield* Effect.acquireRelease(
      Effect.map(open(Fs.constants.O_RDONLY), (descriptor) => {
        // The guest may open its streams by name, as the user that it is.
        if (process.getuid?.() === 0) Fs.fchownSync(descriptor, owner, owner)
        const socket = new Net.Socket({ fd: descriptor, readable: true, writable: false })
        // Without a listener, an end that fails after it was left is an uncaught exception.
        return socket.on("error", () => {})
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
    let isKept = true
    const close = (descriptor: number) =>
      Effect.sync(() => {
        if (isKept) Fs.closeSync(descriptor)
        isKept = false
      })
    const kept = yield* Effect.acquireRelease(open(Fs.constants.O_WRONLY), close)
    return { readable, path: `/proc/${process.pid}/fd/${kept}`, letGo: close(kept) }
  })

/**
 * Makes pipes for the streams of one command. `owner` is the guest's user. Closed with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly below: CommandExecutor.CommandExecutor
  readonly sh: string
  readonly mkfifo: string
  readonly owner: number
}): Effect.Effect<Pipes, OperationFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* attempt("make a directory for pipes", () =>
      Fs.mkdtempSync(Path.join(namesDirectory, "bottle-io-"))
    )
    const removeNames = Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
    return yield* Effect.ensuring(open(options, directory), removeNames)
  })

const open = (
  options: Parameters<typeof make>[0],
  directory: string
): Effect.Effect<Pipes, OperationFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const names = ["out", "err"].map((name) => Path.join(directory, name))
    const made = yield* Capture.capture(
      { program: options.mkfifo, args: ["-m", "600", ...names], env: hostEnvironment, cwd: "/" },
      { timeoutMillis: 10_000 }
    ).pipe(
      Effect.provideService(CommandExecutor.CommandExecutor, options.below),
      Effect.mapError((error) => new OperationFailed({ family: "io", operation: "make pipes", reason: error.message }))
    )
    if (made.exit.code !== 0) {
      return yield* new OperationFailed({ family: "io", operation: "make pipes", reason: Capture.stderrText(made) })
    }
    const stdout = yield* openFifo(Path.join(directory, "out"), options.owner)
    const stderr = yield* openFifo(Path.join(directory, "err"), options.owner)
    const read = (readable: Net.Socket, method: string) =>
      NodeStream.fromReadable<PlatformError, Uint8Array>(() => readable, failure(method))
    return {
      stdout: read(stdout.readable, "stdout"),
      stderr: read(stderr.readable, "stderr"),
      words: [options.sh, "-c", redirectText, "pipes", stdout.path, stderr.path],
      letGo: Effect.all([stdout.letGo, stderr.letGo], { discard: true })
    }
  })
