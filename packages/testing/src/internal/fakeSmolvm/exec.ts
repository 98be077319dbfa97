import * as Timeout from "@bottle/smolvm/Timeout"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { GuestExit } from "../../FakeGuest.js"
import type { Machine } from "../../FakeMachine.js"
import { all, type Call, type Done, done, fail, findRunning, has, one, type Stop } from "./call.js"
import * as Guests from "./guests.js"
import { pairs, references } from "./lifecycle.js"
import type { Running } from "./world.js"

/** What a buffered exec keeps of each stream, and `--stream` carries of both. */
export const capBytes = 11_534_336

/** What a buffered exec in an image's machine keeps of both. */
const imageCapBytes = 20 * 1024 * 1024

/** What `-i` takes before 1.8.1 without a deadlock. */
const stdinBytes = 256 * 1024

/** How much longer than its time a client waits where the guest does not enforce it. */
const clientMarginMillis = 5000

/** `machine exec`. */
export const exec = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.flatMap(findRunning(call), (machine) => inMachine(call, machine, call.invocation.trailing))

/** `machine shell`: its help says that it starts a machine; it does not. */
export const shell = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.flatMap(findRunning(call), (machine) =>
    inMachine({ ...call, invocation: { ...call.invocation, flags: new Set(["--interactive", "--tty"]) } }, machine, [
      "sh"
    ])
  )

/** Runs a command in a machine by the options of the command line. */
export const inMachine = (call: Call, machine: Machine, words: ReadonlyArray<string>): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const { since } = call.world.release
    const secrets = yield* Guests.secretsOf(
      call,
      [...machine.secretEnv, ...references(call, "--secret-env")],
      [...machine.secretFiles, ...references(call, "--secret-file")]
    )
    const isLive = ["--interactive", "--tty", "--stream"].some((flag) => has(call, flag))
    const isDetached = call.invocation.command === "machine exec" && has(call, "--detach")
    const output = yield* outputOf(call, isLive, isDetached)
    yield* Guests.hasRun(call.world, machine.name)
    const running = yield* Guests.spawn(call.world, {
      machine: call.world.machines.get(machine.name) ?? machine,
      words,
      env: Guests.environment(machine, [...secrets, ...pairs(all(call, "--env"))]),
      workdir: one(call, "--workdir") ?? machine.workdir ?? "/",
      tty: has(call, "--tty"),
      stdin: has(call, "--interactive") ? (since("1.8.1") ? call.stdin : limited(call.stdin)) : Stream.empty,
      write: output.write
    })
    if (isDetached) return done(`${running.pid}\n`)
    // Of a buffered command smolvm's agent sees that its client has gone; of the others nothing is known, and the worst
    // is taken for granted.
    const waited = waitFor(call, machine, running)
    const ended = yield* Effect.raceFirst(
      isLive ? waited : Effect.onInterrupt(waited, () => Fiber.interrupt(running.fiber)),
      Effect.tapError(Deferred.await(output.overflowed), () => Fiber.interrupt(running.fiber))
    )
    yield* call.moment("half-way")
    const code = yield* codeOf(call, machine, ended)
    return yield* output.result(machine, code)
  })

/** How a wait for a command ended. */
type Waited = GuestExit | "lost" | "timed out"

const waitFor = (call: Call, machine: Machine, running: Running): Effect.Effect<Waited, Stop> =>
  Effect.gen(function* () {
    const { since } = call.world.release
    const text = one(call, "--timeout")
    const millis = text === undefined ? undefined : Timeout.parseMillis(text)
    const end = Guests.ending(running)
    if (millis === undefined) return yield* end
    const isEnforced = !isImage(machine) || !since("1.4.1") || since("1.7.0")
    const waited = yield* Effect.timeoutOption(end, isEnforced ? millis : millis + clientMarginMillis)
    if (Option.isSome(waited)) return waited.value
    if (!isEnforced) return yield* fail("io operation failed: read: Resource temporarily unavailable (os error 11)")
    yield* Fiber.interrupt(running.fiber)
    if (isImage(machine)) yield* call.write("stderr", `timed out after ${millis}ms\n`)
    return "timed out"
  })

const isImage = ({ from, image }: Machine): boolean => image !== null || from !== null

const codeOf = (call: Call, machine: Machine, ended: Waited): Effect.Effect<number, Stop> => {
  if (ended === "lost") return fail("agent operation failed: exec: connection closed")
  if (ended === "timed out") return Effect.succeed(124)
  if (ended === "not found") {
    return isImage(machine)
      ? // No test of smolvm's pins what crun ends with.
        Effect.as(call.write("stderr", "crun: executable file not found in $PATH: No such file or directory\n"), 255)
      : fail("agent operation failed: exec: failed to spawn command: No such file or directory (os error 2)")
  }
  if ("code" in ended) return Effect.succeed(ended.code & 255)
  return Effect.succeed(call.world.release.since("0.8.1") ? 128 + ended.signal : 255)
}

/** Where a command's output goes, and what becomes of it at the end. */
interface Output {
  readonly write: Call["write"]
  /** Failed when there was more than `--stream` carries. */
  readonly overflowed: Deferred.Deferred<never, Stop>
  readonly result: (machine: Machine, code: number) => Effect.Effect<Done, Stop>
}

const outputOf = (call: Call, isLive: boolean, isDetached: boolean): Effect.Effect<Output> =>
  Effect.map(Deferred.make<never, Stop>(), (overflowed) => {
    const nothing = (_: Machine, code: number) => Effect.succeed({ code, stdout: "", stderr: "" })
    if (isDetached) return { write: () => Effect.void, overflowed, result: nothing }
    if (isLive) return { write: live(call, overflowed), overflowed, result: nothing }
    const held = { stdout: Array<Uint8Array>(), stderr: Array<Uint8Array>() }
    return {
      write: (stream, content) => Effect.sync(() => held[stream].push(bytesOf(content))),
      overflowed,
      result: (machine, code) =>
        deliver(call, machine, { stdout: Buffer.concat(held.stdout), stderr: Buffer.concat(held.stderr) }, code)
    }
  })

const live = (call: Call, overflowed: Deferred.Deferred<never, Stop>): Call["write"] => {
  const isMerged = has(call, "--tty")
  const isCapped =
    has(call, "--stream") && !has(call, "--interactive") && !isMerged && call.world.release.since("1.3.8")
  let written = 0
  return (stream, content) =>
    Effect.suspend(() => {
      written += bytesOf(content).length
      return isCapped && written > capBytes
        ? Effect.zipRight(
            Deferred.fail(overflowed, { code: 1, stderr: `error: output exceeds ${capBytes} bytes\n` }),
            // Whoever writes on has nobody who reads, and is ended.
            Effect.never
          )
        : call.write(isMerged ? "stdout" : stream, content)
    })
}

/** Prints what was kept of a buffered command's output. */
const deliver = (
  call: Call,
  machine: Machine,
  output: { readonly stdout: Uint8Array; readonly stderr: Uint8Array },
  code: number
): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const { since } = call.world.release
    const isCut = output.stdout.length > capBytes || output.stderr.length > capBytes
    const tooLarge = fail(`agent operation failed: exec: output exceeds ${capBytes} bytes`)
    if (!isImage(machine) && isCut && since("1.0.0")) return yield* tooLarge
    if (isImage(machine) && isCut && since("1.4.1") && !since("1.6.12")) {
      return yield* fail("agent operation failed: exec: frame too large")
    }
    const total = output.stdout.length + output.stderr.length
    if (isImage(machine) && total > imageCapBytes && since("1.0.0")) return yield* tooLarge
    if (output.stdout.length > 0) yield* call.write("stdout", output.stdout.subarray(0, capBytes))
    if (output.stderr.length > 0) yield* call.write("stderr", output.stderr.subarray(0, capBytes))
    // Who writes on after that is told by a signal.
    return { code: isImage(machine) && isCut ? 141 : code, stdout: "", stderr: "" }
  })

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

/** Before 1.8.1 a client that has more than this to send can wait for ever for its command, which waits for it. */
const limited = (stdin: Stream.Stream<Uint8Array>): Stream.Stream<Uint8Array> =>
  Stream.suspend(() => {
    let taken = 0
    return Stream.flatMap(stdin, (bytes) => {
      taken += bytes.length
      return taken > stdinBytes ? Stream.never : Stream.make(bytes)
    })
  })
