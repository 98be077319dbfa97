import type { EgressEvent } from "@bottle/egress/EgressEvent"
import { PolicyDocument } from "@bottle/egress/PolicyDocument"
import * as Span from "@bottle/process/Span"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import type { ReloadFailed } from "../../BundleError.js"
import {
  type AttachOutput,
  type ConnectOptions,
  type ControlAddress,
  type ControlClient,
  Description,
  type EventsOptions,
  ReleaseFailure,
  type Session,
  Status,
  socketOf
} from "../../Control.js"
import type { CommitError } from "../../CommitError.js"
import {
  type AllowRefused,
  BottleGone,
  type ControlError,
  ControlRefused,
  ControlUnreachable,
  type DownReason,
  type OwnerFailed
} from "../../ControlError.js"
import * as OwnDirectory from "../ownDirectory.js"
import * as Lines from "./lines.js"
import * as Wire from "./wire.js"

/** An owner that lives and is not stopped says its first word in milliseconds, but for a machine that is very busy. */
const CONNECT_TIMEOUT_MILLIS = 5000

/** An owner says every second that it is still about what takes long. */
const SILENT_TIMEOUT_MILLIS = 10_000

/** A call that an owner has taken. */
interface Opened {
  readonly pid: number
  readonly lines: Lines.LineSocket
  /** What it says next; the end of the connection is the end of the bottle, unless something else was said before. */
  readonly next: Effect.Effect<Wire.Answer, ControlError>
}

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "UNKNOWN"

const reasons: Readonly<Record<string, ControlUnreachable["reason"]>> = {
  ENOENT: "no-socket",
  ENOTDIR: "no-socket",
  ECONNREFUSED: "refused",
  // The owner does not accept, and as many wait as may.
  EAGAIN: "silent",
  EACCES: "not-ours",
  EPERM: "not-ours"
}

const unreachable = (id: string, reason: ControlUnreachable["reason"], detail: string | null = null) =>
  new ControlUnreachable({ id, reason, detail })

const unreachableBy = (id: string, code: string) => {
  const reason = reasons[code] ?? "other"
  return unreachable(id, reason, reason === "other" ? code : null)
}

/** The socket has to be one, and ours: what we are told over it is believed. */
const checkSocket = (id: string, path: string): Effect.Effect<void, ControlUnreachable> =>
  Effect.try({ try: () => Fs.lstatSync(path), catch: (cause) => unreachableBy(id, codeOf(cause)) }).pipe(
    Effect.filterOrFail(
      (found) => found.isSocket() && found.uid === process.getuid?.(),
      () => unreachable(id, "not-ours")
    ),
    // Between this look and the connection nobody else can put another one there.
    Effect.filterOrFail(
      () => OwnDirectory.doubtOf(Path.dirname(path)) === null,
      () => unreachable(id, "not-ours")
    )
  )

const dial = (id: string, path: string): Effect.Effect<Net.Socket, ControlUnreachable, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(
      // An error without a listener would end this process.
      Effect.sync(() => Net.connect({ path }).on("error", () => {})),
      (made) => Effect.sync(() => made.destroy())
    )
    yield* Effect.async<void, ControlUnreachable>((resume) => {
      socket.once("error", (error) => resume(Effect.fail(unreachableBy(id, codeOf(error)))))
      socket.once("connect", () => resume(Effect.void))
    })
    return socket
  })

/** Asks one thing, on a connection of its own. */
const open = (
  { directory, id }: ControlAddress,
  call: Wire.Call,
  timeoutMillis: number
): Effect.Effect<Opened, ControlError, Scope.Scope> =>
  Effect.gen(function* () {
    const path = socketOf(directory)
    yield* checkSocket(id, path)
    const lines = yield* Lines.make(yield* dial(id, path), Wire.ANSWER_BYTES_MAX)
    const read = yield* lines.next
    if (read._tag === "Broken") return yield* unreachableBy(id, read.code)
    // An owner that has too many callers closes the door without a word.
    if (read._tag === "Ended") return yield* unreachable(id, "too-many")
    const { pid } = yield* greetedBy(id, read._tag === "Line" ? Wire.readGreeting(read.text) : undefined)
    lines.say(Wire.writeCall(call))
    return { pid, lines, next: nextOf(id, lines) }
  }).pipe(Effect.timeoutFail({ duration: timeoutMillis, onTimeout: () => unreachable(id, "silent") }))

/** Who greets is the owner that is meant, and can be talked to. */
const greetedBy = (
  id: string,
  greeting: typeof Wire.Greeting.Type | undefined
): Effect.Effect<typeof Wire.Greeting.Type, ControlError> => {
  if (greeting === undefined || greeting.bottle !== id) return unreachable(id, "not-ours")
  return greeting.protocol === Wire.PROTOCOL
    ? Effect.succeed(greeting)
    : new ControlRefused({ id, reason: "unknown-call", detail: `protocol ${greeting.protocol}` })
}

const nextOf = (id: string, lines: Lines.LineSocket): Effect.Effect<Wire.Answer, ControlError> =>
  Effect.flatMap(lines.next, (read): Effect.Effect<Wire.Answer, ControlError> => {
    if (read._tag === "Ended" || read._tag === "Broken") return new BottleGone({ id, reason: null })
    const answer = read._tag === "Line" ? Wire.readAnswer(read.text) : undefined
    return answer === undefined ? unreachable(id, "other", "it cannot be understood") : Effect.succeed(answer)
  })

/** The last word of a call. What it fails with has no id where the owner could not even read the call. */
const lastWord = (id: string, { next }: Opened): Effect.Effect<unknown, Wire.Failure> =>
  next.pipe(
    Effect.timeoutFail({ duration: SILENT_TIMEOUT_MILLIS, onTimeout: () => unreachable(id, "silent") }),
    Effect.flatMap((answer) => {
      if ("ok" in answer) return Effect.succeed(Option.some(answer.ok))
      return "error" in answer ? Effect.fail(named(id, answer.error)) : Effect.succeedNone
    }),
    Effect.repeat({ until: Option.isSome }),
    Effect.map(Option.getOrUndefined)
  )

const named = (id: string, error: Wire.Failure): Wire.Failure =>
  error._tag === "ControlRefused" ? new ControlRefused({ ...error, id }) : error

const garbled = (id: string, error: Wire.Failure) => unreachable(id, "other", error.message)

/** What only some calls can fail with is, from any other one, an owner that is not what it says. */
const orControl = (id: string, error: Wire.Failure): ControlError => {
  switch (error._tag) {
    case "ControlUnreachable":
    case "ControlRefused":
    case "BottleGone":
      return error
    default:
      return garbled(id, error)
  }
}

const orCommit = (id: string, error: Wire.Failure): ControlError | CommitError => {
  switch (error._tag) {
    case "CommitRefused":
    case "CommitFailed":
    case "MachineLost":
    case "LedgerFailed":
      return error
    default:
      return orControl(id, error)
  }
}

const orReload = (id: string, error: Wire.Failure): ControlError | ReloadFailed | OwnerFailed =>
  error._tag === "ReloadFailed" || error._tag === "OwnerFailed" ? error : orControl(id, error)

const orAllow = (id: string, error: Wire.Failure): ControlError | AllowRefused | ReloadFailed | OwnerFailed =>
  error._tag === "AllowRefused" ? error : orReload(id, error)

/** An owner of another version has other things to say of itself, and is told of as that. */
const described = (id: string, value: unknown): Effect.Effect<Description, ControlError> =>
  Effect.mapError(
    Schema.decodeUnknown(Description)(value),
    () => new ControlRefused({ id, reason: "unknown-call", detail: "it tells of itself in other words" })
  )

const decoded =
  <A, I>(id: string, schema: Schema.Schema<A, I>) =>
  (value: unknown): Effect.Effect<A, ControlUnreachable> =>
    Effect.mapError(Schema.decodeUnknown(schema)(value), () => unreachable(id, "other", "it cannot be understood"))

const Values = Schema.Record({ key: Schema.String, value: Schema.String })

/**
 * Waits until the owner has begun what lasts, and then for the bottle to go down. Every other word of the owner's goes to
 * `onAnswer`.
 */
const lasting = (
  id: string,
  opened: Opened,
  timeoutMillis: number
): Effect.Effect<{ readonly gone: Effect.Effect<never, BottleGone> }, ControlError, Scope.Scope> =>
  Effect.gen(function* () {
    const gone = yield* Deferred.make<never, BottleGone>()
    yield* started(id, opened, timeoutMillis)
    yield* opened.next.pipe(
      Effect.flatMap((answer) =>
        "closing" in answer ? Effect.fail(new BottleGone({ id, reason: answer.closing })) : Effect.void
      ),
      Effect.forever,
      Effect.catchAll((error) =>
        Deferred.fail(gone, error._tag === "BottleGone" ? error : new BottleGone({ id, reason: null }))
      ),
      Effect.interruptible,
      Effect.forkScoped
    )
    return { gone: Deferred.await(gone) }
  })

const started = (id: string, { next }: Opened, timeoutMillis: number): Effect.Effect<void, ControlError> =>
  next.pipe(
    Effect.timeoutFail({ duration: timeoutMillis, onTimeout: () => unreachable(id, "silent") }),
    Effect.flatMap((answer): Effect.Effect<void, ControlError> => {
      if ("started" in answer) return Effect.void
      if ("error" in answer) return Effect.fail(orControl(id, named(id, answer.error)))
      return unreachable(id, "other", "it cannot be understood")
    })
  )

/** A call in a span of its own, which says which call it was, and nothing of what was asked or answered. */
const traced = (id: string, { call }: Wire.Call) =>
  Span.around("bottle.control", { "bottle.id": id, "bottle.call": call })

/** Asks for a description, and nothing else. */
export const describe = (address: ControlAddress, timeoutMillis: number): Effect.Effect<Description, ControlError> =>
  Effect.flatMap(open(address, { call: "describe" }, timeoutMillis), (opened) => lastWord(address.id, opened)).pipe(
    Effect.mapError((error) => orControl(address.id, error)),
    Effect.flatMap((value) => described(address.id, value)),
    Effect.scoped,
    Effect.timeoutFail({ duration: timeoutMillis, onTimeout: () => unreachable(address.id, "silent") }),
    traced(address.id, { call: "describe" })
  )

const NEWLINE = 0x0a

/** Far above a greeting and a status. */
const STATUS_BYTES_MAX = 1024 * 1024

/** Greeting and answer of a call that is answered at once: the two lines, by a socket's own events. */
const twoLines = (id: string, path: string, call: Wire.Call): Effect.Effect<readonly [string, string], ControlError> =>
  Effect.async((resume) => {
    const socket = Net.connect({ path })
    const chunks: Array<Buffer> = []
    let bytes = 0
    let isGreeted = false
    const end = (result: Effect.Effect<readonly [string, string], ControlError>): void => {
      socket.destroy()
      resume(result)
    }
    socket.on("error", (error) => end(unreachableBy(id, codeOf(error))))
    // An owner that has too many callers closes the door without a word.
    socket.on("end", () => end(isGreeted ? new BottleGone({ id, reason: null }) : unreachable(id, "too-many")))
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > STATUS_BYTES_MAX) return end(unreachable(id, "other", "it says too much"))
      if (!chunk.includes(NEWLINE)) return
      const [greeting, answer, rest] = Buffer.concat(chunks).toString().split("\n")
      if (!isGreeted) {
        isGreeted = true
        socket.write(`${Wire.writeCall(call)}\n`)
      }
      if (greeting !== undefined && answer !== undefined && rest !== undefined) end(Effect.succeed([greeting, answer]))
    })
    return Effect.sync(() => socket.destroy())
  })

/**
 * Asks how a bottle is. A list asks it of each of a hundred, and neither side has many words for it: so without the
 * fibers that a call needs that goes on.
 */
export const status = (
  { directory, id }: ControlAddress,
  timeoutMillis: number
): Effect.Effect<Status, ControlError> => {
  const path = socketOf(directory)
  return checkSocket(id, path).pipe(
    Effect.zipRight(twoLines(id, path, { call: "status" })),
    Effect.tap(([first]) => greetedBy(id, Wire.readGreeting(first))),
    Effect.flatMap(([, second]): Effect.Effect<unknown, ControlError> => {
      const answer = Wire.readAnswer(second)
      if (answer !== undefined && "ok" in answer) return Effect.succeed(answer.ok)
      return answer !== undefined && "error" in answer
        ? Effect.fail(orControl(id, named(id, answer.error)))
        : unreachable(id, "other", "it cannot be understood")
    }),
    Effect.flatMap(decoded(id, Status)),
    Effect.timeoutFail({ duration: timeoutMillis, onTimeout: () => unreachable(id, "silent") }),
    traced(id, { call: "status" })
  )
}

export const connect = (
  address: ControlAddress,
  options: ConnectOptions = {}
): Effect.Effect<ControlClient, ControlError, Scope.Scope> =>
  Effect.gen(function* () {
    const { id } = address
    const timeoutMillis = options.timeoutMillis ?? CONNECT_TIMEOUT_MILLIS
    const watch = yield* open(address, { call: "watch" }, timeoutMillis)
    const { gone } = yield* lasting(id, watch, timeoutMillis)

    const ask = (call: Wire.Call): Effect.Effect<unknown, Wire.Failure> =>
      Effect.flatMap(open(address, call, timeoutMillis), (opened) => lastWord(id, opened)).pipe(
        Effect.scoped,
        traced(id, call)
      )

    const askControl = (call: Wire.Call) => Effect.mapError(ask(call), (error) => orControl(id, error))

    const session = (about: { readonly witness?: string | undefined } = {}) =>
      Effect.gen(function* (): Effect.fn.Return<Session, ControlError, Scope.Scope> {
        const opened = yield* open(address, { call: "session", witness: about.witness ?? null }, timeoutMillis)
        // Said before the connection is cut: an end without it is a client that died.
        yield* Effect.addFinalizer(() =>
          Effect.zipRight(
            Effect.sync(() => opened.lines.say(Wire.writeWord({ end: true }))),
            opened.lines.leave
          )
        )
        return yield* lasting(id, opened, timeoutMillis)
      })

    return {
      id,
      pid: watch.pid,
      gone,
      describe: Effect.flatMap(askControl({ call: "describe" }), (value) => described(id, value)),
      secrets: askControl({ call: "secrets" }).pipe(
        Effect.flatMap(decoded(id, Values)),
        Effect.map((values) => new Map(Object.entries(values).map(([name, value]) => [name, Redacted.make(value)])))
      ),
      session,
      down: Effect.flatMap(askControl({ call: "down" }), decoded(id, Schema.Array(ReleaseFailure))),
      commit: ({ force, output }) =>
        ask({ call: "commit", output, force: force === true }).pipe(
          Effect.mapError((error) => orCommit(id, error)),
          Effect.flatMap(decoded(id, Wire.Committed))
        ),
      reload: (policy) =>
        ask({ call: "reload", policy }).pipe(
          Effect.mapError((error) => orReload(id, error)),
          Effect.asVoid
        ),
      allow: (entries) =>
        ask({ call: "allow", entries }).pipe(
          Effect.mapError((error) => orAllow(id, error)),
          Effect.flatMap(decoded(id, PolicyDocument))
        ),
      events: (which = {}) => events(address, which, timeoutMillis),
      attach: (attaching = {}) => attach(address, attaching.stdin, timeoutMillis)
    }
  })

const events = (
  address: ControlAddress,
  { since = "start", verdict }: EventsOptions,
  timeoutMillis: number
): Stream.Stream<EgressEvent, ControlError> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const { id } = address
      const opened = yield* open(address, { call: "events", since, verdict: verdict ?? null }, timeoutMillis)
      yield* started(id, opened, timeoutMillis)
      const next = untilClosed(id, opened)
      return Stream.repeatEffect(Effect.map(next, (answer) => ("event" in answer ? answer.event : null))).pipe(
        Stream.filterMap(Option.fromNullable)
      )
    })
  )

/** What the owner says next; the end of the bottle has the reason that was said before. */
const untilClosed = (id: string, { next }: Opened): Effect.Effect<Wire.Answer, ControlError> => {
  let closing: DownReason | null = null
  return next.pipe(
    Effect.mapError((error) => (error._tag === "BottleGone" ? new BottleGone({ id, reason: closing }) : error)),
    Effect.tap((answer) => {
      if ("closing" in answer) closing = answer.closing
      return Effect.void
    })
  )
}

const attach = (
  address: ControlAddress,
  stdin: Stream.Stream<Uint8Array> | undefined,
  timeoutMillis: number
): Stream.Stream<AttachOutput, ControlError> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const { id } = address
      const opened = yield* open(address, { call: "attach", input: stdin !== undefined }, timeoutMillis)
      yield* started(id, opened, timeoutMillis)
      if (stdin !== undefined) yield* Effect.forkScoped(Effect.interruptible(feed(opened.lines, stdin)))
      return Stream.repeatEffect(Effect.map(untilClosed(id, opened), outputOf)).pipe(
        Stream.filterMap(Option.fromNullable),
        Stream.takeUntil((output) => output._tag === "Exit")
      )
    })
  )

const outputOf = (answer: Wire.Answer): AttachOutput | null => {
  if ("out" in answer) return { _tag: "Stdout", bytes: answer.out }
  if ("err" in answer) return { _tag: "Stderr", bytes: answer.err }
  if ("lost" in answer) return { _tag: "Lost", bytes: answer.lost }
  return "exit" in answer ? { _tag: "Exit", exit: answer.exit } : null
}

/** A line has to stay far below what an owner reads. */
const FED_BYTES_MAX = 64 * 1024

const feed = (lines: Lines.LineSocket, stdin: Stream.Stream<Uint8Array>): Effect.Effect<void> =>
  Stream.runForEach(stdin, (bytes) =>
    Effect.gen(function* () {
      for (let at = 0; at < bytes.length; at += FED_BYTES_MAX) {
        lines.say(Wire.writeWord({ in: bytes.subarray(at, at + FED_BYTES_MAX) }))
        yield* lines.drained
      }
    })
  )
