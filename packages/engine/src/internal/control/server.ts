import * as Release from "@bottle/process/Release"
import * as Policy from "@bottle/egress/Policy"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Scope from "effect/Scope"
import type * as Net from "node:net"
import {
  Description,
  type DownReason,
  type ReleaseFailure,
  type ServeOptions,
  type Serving,
  Status
} from "../../Control.js"
import type { Committed } from "../../Bottle.js"
import { CommitRefused } from "../../CommitError.js"
import {
  AllowRefused,
  BottleGone,
  type ControlFailed,
  ControlRefused,
  ControlUnreachable,
  OwnerFailed
} from "../../ControlError.js"
import * as Ran from "../../Ran.js"
import * as Lines from "./lines.js"
import { listen } from "./listen.js"
import * as Wire from "./wire.js"

/** Those that have come and not yet said what they want, and how long they may take for it. */
const UNSPOKEN_MAX = 64
const CALL_TIMEOUT_MILLIS = 5000

/** All that are connected. */
const OPEN_MAX = 512

/** Calls that last as long as their client likes. */
const LASTING_MAX = 240

/** How long what goes on may take to end when the bottle goes down: a guest's command has to be ended. */
const CLOSING_TIMEOUT_MILLIS = 60_000

/** Entries that one call adds to the policy in force. */
const ENTRIES_MAX = 64

/** How long those who asked for it may take to hear that the bottle is down. */
const FAREWELL_TIMEOUT_MILLIS = 3000

// Not before it is used: `Control` imports this module, and may not have been evaluated yet.
const encodeCommitted = (committed: Committed) => Schema.encodeSync(Wire.Committed)(committed)
const encodeStatus = (status: Status) => Schema.encodeSync(Status)(status)
const encodeDescription = (description: Description) => Schema.encodeSync(Description)(description)

/** Serves the control of a bottle on a socket until the scope closes. */
export const serve = (path: string, options: ServeOptions): Effect.Effect<Serving, ControlFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const server = yield* make(options)
    const run = yield* FiberSet.makeRuntime<never>()
    let unspoken = 0
    let open = 0
    yield* listen(path, (socket) => {
      // Without a listener, a peer that breaks its connection would end this process.
      socket.on("error", () => {})
      if (unspoken >= UNSPOKEN_MAX || open >= OPEN_MAX) return void socket.destroy()
      unspoken += 1
      open += 1
      socket.on("close", () => void (open -= 1))
      const spoken = (): void => void (unspoken -= 1)
      // Whoever serves may not be interruptible, and its fibers inherit that.
      run(Effect.interruptible(serveOne(server, socket, spoken)))
    })
    return server.serving
  })

interface Server {
  readonly greeting: string
  readonly answer: (call: Wire.Call, lines: Lines.LineSocket) => Effect.Effect<void>
  readonly serving: Serving
}

/** One connection: greeting, call, answers. */
const serveOne = ({ answer, greeting }: Server, socket: Net.Socket, spoken: () => void): Effect.Effect<void> =>
  Effect.gen(function* () {
    const lines = yield* Lines.make(socket, Wire.CALL_BYTES_MAX)
    lines.say(greeting)
    const read = yield* lines.next.pipe(Effect.timeoutOption(CALL_TIMEOUT_MILLIS), Effect.ensuring(Effect.sync(spoken)))
    if (Option.isNone(read) || read.value._tag === "Ended" || read.value._tag === "Broken") return
    const call = read.value._tag === "Line" ? Wire.readCall(read.value.text) : undefined
    if (call !== undefined) yield* answer(call, lines)
    else lines.say(refusal(read.value))
    yield* lines.leave
  }).pipe(Effect.scoped)

const refusal = (read: Lines.LineRead): string => {
  const isCall = read._tag === "Line" && /^\{"call":"[a-z-]{1,32}"[,}]/.test(read.text)
  const reason = isCall ? "unknown-call" : "malformed"
  return Wire.writeAnswer({ error: new ControlRefused({ id: "", reason, detail: null }) })
}

const make = (options: ServeOptions): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { about, bottle } = options
    const { id } = bottle
    const readyAt = yield* DateTime.now
    const downed = yield* Deferred.make<ReadonlyArray<ReleaseFailure>>()
    const working = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
    const commits = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
    const farewells = new Set<Deferred.Deferred<void>>()
    const onClosing = new Set<(reason: DownReason) => void>()
    let closing: DownReason | null = null
    let sessions = 0
    let goingOn = 0
    let lasting = 0
    let isCommitting = false
    let proof = bottle.proof

    // The record has the policies in the order in which they came into force.
    const noting = yield* Effect.makeSemaphore(1)
    const noted = Effect.gen(function* () {
      const policy = Policy.toDocument(yield* bottle.policy)
      yield* options.reloaded?.(policy) ?? Effect.void
      return policy
    })

    /** The newest decision that there was when it was asked for. */
    let latest = 0
    yield* Stream.runForEach(bottle.events, (event) => Effect.sync(() => void (latest = event.sequence))).pipe(
      Effect.interruptible,
      Effect.forkScoped
    )
    const newest = Effect.sync(() => latest)

    const refused = (reason: ControlRefused["reason"], detail: string | null = null) =>
      new ControlRefused({ id, reason, detail })

    const status = Effect.gen(function* () {
      const left = yield* options.left ?? Effect.succeed({ ttlLeftMillis: null, idleLeftMillis: null })
      const policy = yield* bottle.policy
      return new Status({
        version: 1,
        id,
        name: about.name,
        kind: about.kind,
        pid: process.pid,
        readyAt,
        ttlMillis: about.ttlMillis,
        idleMillis: about.idleMillis,
        ...left,
        sessions,
        rules: policy.allow.length,
        credentials: [...policy.credentials.keys()],
        main:
          options.main === undefined
            ? null
            : {
                command: options.main.command,
                interactive: options.main.input !== null,
                exit: options.main.output.exit()
              },
        committing: isCommitting,
        closing
      })
    })

    const describe = Effect.zipWith(
      status,
      bottle.policy,
      (now, policy) => new Description({ ...now, plan: bottle.plan, proof, policy: Policy.toDocument(policy) })
    )

    /** Tells the client that the bottle goes down, for as long as the scope lives. */
    const tellClosing = (lines: Lines.LineSocket): Effect.Effect<void, never, Scope.Scope> => {
      const tell = (reason: DownReason): void => lines.say(Wire.writeAnswer({ closing: reason }))
      return Effect.acquireRelease(
        Effect.sync(() => {
          onClosing.add(tell)
          if (closing !== null) tell(closing)
        }),
        () => Effect.sync(() => onClosing.delete(tell))
      )
    }

    /** A place among the calls that last; they leave some for those that do not. */
    const lastingPlace = Effect.acquireRelease(
      Effect.suspend((): Effect.Effect<void, ControlUnreachable> => {
        if (lasting >= LASTING_MAX) return new ControlUnreachable({ id, reason: "too-many", detail: null })
        lasting += 1
        return Effect.void
      }),
      () => Effect.sync(() => void (lasting -= 1))
    )

    const orGone = Effect.suspend(() =>
      closing === null ? Effect.void : Effect.fail(new BottleGone({ id, reason: closing }))
    )

    /** Something that changes the bottle: it ends when its client goes, and before the bottle does, or with it. */
    const work = <A, E>(
      lines: Lines.LineSocket,
      effect: Effect.Effect<A, E>,
      among: Set<Fiber.RuntimeFiber<unknown, unknown>> = working
    ): Effect.Effect<A, E | BottleGone> =>
      Effect.gen(function* () {
        yield* orGone
        yield* busy
        const fiber = yield* Effect.fork(effect)
        among.add(fiber)
        return yield* Fiber.join(fiber).pipe(
          Effect.catchAllCause((cause): Effect.Effect<never, E | BottleGone> =>
            closing !== null && Cause.isInterrupted(cause)
              ? Effect.fail(new BottleGone({ id, reason: closing }))
              : Effect.failCause(cause)
          ),
          Effect.raceFirst(Effect.zipRight(lines.next, Effect.interrupt)),
          Effect.raceFirst(alive(lines)),
          Effect.onExit(() => Fiber.interrupt(fiber)),
          Effect.ensuring(Effect.sync(() => among.delete(fiber)))
        )
      }).pipe(Effect.scoped)

    const countSession = (by: 1 | -1) => Effect.sync(() => void (sessions += by))

    /** Somebody has to do with the bottle, as long as the scope lives. */
    const busy = Effect.acquireRelease(
      Effect.sync(() => options.onBusy?.((goingOn += 1))),
      () => Effect.sync(() => options.onBusy?.((goingOn -= 1)))
    )

    const session = (lines: Lines.LineSocket, witness: string | null) =>
      Effect.gen(function* () {
        yield* orGone
        if (isCommitting) return yield* refused("committing")
        yield* lastingPlace
        yield* Effect.acquireRelease(countSession(1), () => countSession(-1))
        yield* busy
        lines.say(Wire.writeAnswer({ started: true }))
        yield* tellClosing(lines)
        const read = yield* lines.next
        const word = read._tag === "Line" ? Wire.readWord(read.text) : undefined
        // Its client has died, or is none: what it ran goes on in the guest unless somebody ends it.
        const isEnded = word !== undefined && "end" in word
        if (!isEnded && witness !== null && options.reap !== undefined && closing === null) yield* options.reap(witness)
      }).pipe(Effect.scoped)

    const watch = (lines: Lines.LineSocket) =>
      Effect.gen(function* () {
        yield* lastingPlace
        lines.say(Wire.writeAnswer({ started: true }))
        yield* tellClosing(lines)
        yield* lines.next
      }).pipe(Effect.scoped)

    const down = (lines: Lines.LineSocket) =>
      Effect.gen(function* () {
        const told = yield* Deferred.make<void>()
        farewells.add(told)
        yield* Effect.addFinalizer(() =>
          Effect.zipRight(
            Effect.sync(() => farewells.delete(told)),
            Deferred.succeed(told, undefined)
          )
        )
        yield* options.down
        const failures = yield* Deferred.await(downed).pipe(
          Effect.raceFirst(alive(lines)),
          // Whoever asked for it may leave; the bottle goes down all the same.
          Effect.raceFirst(Effect.as(lines.next, null))
        )
        if (failures !== null) lines.say(Wire.writeAnswer({ ok: failures }))
        yield* lines.leave
      }).pipe(Effect.scoped)

    const commit = (lines: Lines.LineSocket, { force, output }: { readonly force: boolean; readonly output: string }) =>
      Effect.gen(function* () {
        if (options.commit === undefined) return yield* refused("unsupported")
        if (isCommitting) return yield* refused("committing")
        // Also when it is forced: with its main command the bottle goes down, under the commit or right after it.
        if (options.main !== undefined) return yield* new CommitRefused({ id, output, reason: "main-command" })
        // The bottle itself knows of its own commands only.
        if (!force && sessions > 0) return yield* new CommitRefused({ id, output, reason: "busy" })
        isCommitting = true
        const committed = yield* work(lines, options.commit({ output, force }), commits).pipe(
          Effect.ensuring(Effect.sync(() => void (isCommitting = false)))
        )
        proof = committed.proof
        return encodeCommitted(committed)
      })

    const reload = (lines: Lines.LineSocket, document: Policy.PolicyDocument) =>
      Effect.gen(function* () {
        yield* bottle.reload(yield* Policy.fromDocument(document))
        yield* noted
        return null
      }).pipe(
        // What came into force is noted, also when nobody waits for it any more.
        Effect.uninterruptible,
        noting.withPermits(1),
        Effect.mapError((error) => (error._tag === "ReloadFailed" ? error : failureOf(id, error))),
        (reloading) => work(lines, reloading)
      )

    const allow = (lines: Lines.LineSocket, entries: ReadonlyArray<string>) =>
      Effect.zipRight(addable(entries), Effect.zipRight(bottle.allow(entries), noted)).pipe(
        Effect.uninterruptible,
        noting.withPermits(1),
        Effect.mapError((error) =>
          error._tag === "ReloadFailed" || error._tag === "AllowRefused" ? error : failureOf(id, error)
        ),
        (allowing) => work(lines, allowing)
      )

    const events = (lines: Lines.LineSocket, { since, verdict }: Extract<Wire.Call, { readonly call: "events" }>) =>
      Effect.gen(function* () {
        yield* lastingPlace
        const before = since === "now" ? yield* newest : 0
        lines.say(Wire.writeAnswer({ started: true }))
        yield* tellClosing(lines)
        const telling = Stream.runForEach(bottle.events, (event) => {
          if (event.sequence <= before || (verdict !== null && event.verdict !== verdict)) return Effect.void
          lines.say(Wire.writeAnswer({ event }))
          return lines.drained
        })
        yield* Effect.raceFirst(telling, lines.next)
      }).pipe(Effect.scoped)

    const attach = (lines: Lines.LineSocket, wantsInput: boolean) =>
      Effect.gen(function* () {
        const { main } = options
        if (main === undefined) return yield* refused("no-main")
        if (wantsInput && main.input === null) return yield* refused("no-input")
        yield* lastingPlace
        yield* busy
        lines.say(Wire.writeAnswer({ started: true }))
        yield* tellClosing(lines)
        const listening = Effect.gen(function* () {
          for (;;) {
            const read = yield* lines.next
            const word = read._tag === "Line" ? Wire.readWord(read.text) : undefined
            if (word === undefined || "end" in word || !wantsInput || main.input === null) return
            yield* main.input(word.in)
          }
        })
        yield* Effect.raceFirst(tellOutput(lines, main.output), listening)
      }).pipe(Effect.scoped)

    const replying = (lines: Lines.LineSocket, effect: Effect.Effect<unknown, Wire.Failure>): Effect.Effect<void> =>
      Effect.matchEffect(effect, {
        onFailure: (error) => Effect.sync(() => lines.say(Wire.writeAnswer({ error }))),
        onSuccess: (value) =>
          Effect.sync(() => {
            if (value !== undefined) lines.say(Wire.writeAnswer({ ok: value }))
          })
      })

    const answer: Server["answer"] = (call, lines) => {
      switch (call.call) {
        case "watch":
          return replying(lines, watch(lines))
        case "status":
          return replying(lines, Effect.map(status, encodeStatus))
        case "describe":
          return replying(lines, Effect.map(describe, encodeDescription))
        case "secrets":
          return replying(
            lines,
            Effect.zipRight(
              orGone,
              Effect.sync(() =>
                Object.fromEntries([...options.secrets].map(([name, value]) => [name, Redacted.value(value)]))
              )
            )
          )
        case "session":
          return replying(lines, session(lines, call.witness))
        case "down":
          return down(lines)
        case "commit":
          return replying(lines, commit(lines, call))
        case "reload":
          return replying(lines, reload(lines, call.policy))
        case "allow":
          return replying(lines, allow(lines, call.entries))
        case "events":
          return replying(lines, events(lines, call))
        case "attach":
          return replying(lines, attach(lines, call.input))
      }
    }

    const serving: Serving = {
      sessions: Effect.sync(() => sessions),
      committing: Effect.sync(() => isCommitting),
      closing: (reason) =>
        Effect.suspend(() => {
          if (closing !== null) return Effect.void
          closing = reason
          for (const tell of onClosing) tell(reason)
          return Effect.zipRight(
            // Not waited for: a runtime that hangs under a commit is ended with the machine, which is released after this.
            Effect.forEach(commits, Fiber.interruptFork, { discard: true }),
            Effect.asVoid(Release.within(CLOSING_TIMEOUT_MILLIS)(Fiber.interruptAll([...working])))
          )
        }),
      closed: (failures) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(downed, failures)
          const all = [...farewells]
          yield* Effect.forEach(all, Deferred.await, { discard: true }).pipe(Release.within(FAREWELL_TIMEOUT_MILLIS))
        })
    }
    const greeting = Wire.writeGreeting({ protocol: Wire.PROTOCOL, bottle: id, pid: process.pid })
    return { greeting, answer, serving }
  })

/** Each of them is looked for among those that there are. */
const addable = (entries: ReadonlyArray<string>): Effect.Effect<void, AllowRefused> =>
  entries.length <= ENTRIES_MAX
    ? Effect.void
    : new AllowRefused({ entry: entries[0] ?? "", reason: "too-many", detail: `one call adds ${ENTRIES_MAX} at most` })

/** Says again and again that what was asked goes on. */
const alive = (lines: Lines.LineSocket): Effect.Effect<never> =>
  Effect.zipRight(
    Effect.repeat(
      Effect.sync(() => lines.say(Wire.writeAnswer({ alive: true }))),
      Schedule.spaced(Wire.ALIVE_EVERY_MILLIS)
    ),
    Effect.never
  )

/** A command's output to one client, as fast as that one reads, to the command's end. */
const tellOutput = (
  lines: Lines.LineSocket,
  output: NonNullable<ServeOptions["main"]>["output"]
): Effect.Effect<void> =>
  Effect.gen(function* () {
    let place = output.start()
    for (;;) {
      const batch = output.read(place)
      place = batch.next
      if (batch.lostBytes > 0) lines.say(Wire.writeAnswer({ lost: batch.lostBytes }))
      for (const { bytes, from } of batch.pieces) {
        lines.say(Wire.writeAnswer(from === "out" ? { out: bytes } : { err: bytes }))
      }
      yield* lines.drained
      yield* output.changed(place)
      const exit = output.exit()
      if (exit !== null && output.read(place).next === place) return lines.say(Wire.writeAnswer({ exit }))
    }
  })

const textOf = (error: unknown, key: string): string | null => {
  const found: unknown = typeof error === "object" && error !== null ? Reflect.get(error, key) : undefined
  return typeof found === "string" ? found : null
}

/** A failure of the owner's, so far as it can be told to another process. */
export const failureOf = (id: string, error: unknown): OwnerFailed =>
  new OwnerFailed({
    id,
    error: textOf(error, "_tag") ?? "Unknown",
    reason: textOf(error, "message") ?? "it failed",
    advice: textOf(error, "suggestion"),
    stage: textOf(error, "stage"),
    ...Ran.of(error)
  })
