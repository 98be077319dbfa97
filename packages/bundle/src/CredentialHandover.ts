/**
 * How the values of credentials come into a bundle's container: on the standard input of `bottle-bundle credentials`,
 * which the launch runs in it (`docker exec`), and from there over a socket in the container's own memory to the daemon
 * that waits for them. So they are in no file, no argv, no environment and nothing that the container engine keeps.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Handover from "./internal/handover.js"

/**
 * What is run in the container for it.
 *
 * @since 0.1.0
 * @category models
 */
export const command = ["node", "/opt/bottle/bottle-bundle.mjs", "credentials"] as const

/**
 * The values did not come: nobody handed them over in time, or the socket for it could not be made. `code` is the
 * system's name for the cause where it has one.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialsNotReceived extends Schema.TaggedError<CredentialsNotReceived>(
  "@bottle/bundle/CredentialsNotReceived"
)("CredentialsNotReceived", {
  reason: Schema.Literal("no-socket", "nobody-came"),
  code: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    return this.reason === "no-socket"
      ? `there is no place to take credentials at: the system says ${this.code ?? "no"}`
      : `nobody handed the credentials over within ${RECEIVE_TIMEOUT_MILLIS / 1000} s`
  }

  /** What to do next. */
  get suggestion(): string {
    return "Start the container with a writable /run, and run `bottle-bundle credentials` in it with the values to read"
  }
}

/** The launch hands them over as soon as the container is there. */
const RECEIVE_TIMEOUT_MILLIS = 60_000

const Values = Schema.Record({ key: Schema.String, value: Schema.String })

const document = () => Schema.parseJson(Schema.Struct({ version: Schema.Literal(1), credentials: Values }))

/**
 * What the program reads: the values by name, on one line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const encode = (credentials: ReadonlyMap<string, Redacted.Redacted>): Redacted.Redacted =>
  Redacted.make(
    `${Schema.encodeSync(document())({
      version: 1,
      credentials: Object.fromEntries([...credentials].map(([name, value]) => [name, Redacted.value(value)]))
    })}\n`
  )

/** The values that a line holds, or in words that say nothing of them why they are not taken. */
const taken = (line: string, names: ReadonlyArray<string>): Either.Either<Received, string> =>
  Either.gen(function* () {
    const { credentials } = yield* Either.mapLeft(
      Schema.decodeEither(document())(line),
      () => "that is no document of credentials"
    )
    const missing = names.find((name) => !Object.hasOwn(credentials, name))
    if (missing !== undefined) return yield* Either.left(`the credential ${missing} has no value`)
    return new Map(names.map((name) => [name, Redacted.make(credentials[name] ?? "")]))
  })

type Received = ReadonlyMap<string, Redacted.Redacted>

const listen = (path: string, onLine: (line: string) => string) =>
  Effect.acquireRelease(
    Effect.async<Net.Server, CredentialsNotReceived>((resume) => {
      const server = Net.createServer((socket) => {
        let text = ""
        socket.setEncoding("utf8")
        socket.on("error", () => {})
        socket.on("data", (part: string) => {
          text += part
          if (text.length > Handover.BYTES_MAX) {
            socket.destroy()
            return
          }
          const end = text.indexOf("\n")
          if (end < 0) return
          socket.removeAllListeners("data").resume()
          socket.end(`${onLine(text.slice(0, end))}\n`)
        })
      })
      server.once("error", (error: NodeJS.ErrnoException) =>
        resume(new CredentialsNotReceived({ reason: "no-socket", code: error.code ?? "UNKNOWN" }))
      )
      server.listen(path, () => {
        Fs.chmodSync(path, 0o600)
        resume(Effect.succeed(server))
      })
    }),
    // What it has answered goes out all the same; the socket's file goes with the server.
    (server) => Effect.sync(() => server.close())
  )

/**
 * Waits until the values of these credentials are handed over, once, and gives them. `directory` is where init keeps its
 * state.
 *
 * @since 0.1.0
 * @category constructors
 */
export const receive = (
  directory: string,
  names: ReadonlyArray<string>
): Effect.Effect<Received, CredentialsNotReceived> =>
  Effect.scoped(
    Effect.gen(function* () {
      const received = yield* Deferred.make<Received>()
      yield* listen(Handover.socketIn(directory), (line) =>
        Either.match(taken(line, names), {
          onLeft: (reason) => reason,
          onRight: (values) => {
            Deferred.unsafeDone(received, Effect.succeed(values))
            return Handover.TAKEN
          }
        })
      )
      return yield* Deferred.await(received)
    })
  ).pipe(
    Effect.timeoutFail({
      duration: RECEIVE_TIMEOUT_MILLIS,
      onTimeout: () => new CredentialsNotReceived({ reason: "nobody-came", code: null })
    })
  )
