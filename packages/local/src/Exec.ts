/**
 * Running the guest's commands: `machine exec` and `machine run`, as processes of the executor below.
 *
 * The guest's command gets pipes of ours for its standard streams, or a terminal made for it; never a stream, file or
 * terminal of the caller's.
 *
 * @since 0.1.0
 */
import type { Program } from "@bottle/process/Program"
import * as Reader from "@bottle/process/Reader"
import type { Invocation } from "@bottle/smolvm/Grammar"
import * as Timeout from "@bottle/smolvm/Timeout"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as GuestEnvironment from "./GuestEnvironment.js"
import * as Ending from "./internal/ending.js"
import * as OwnStreams from "./internal/ownStreams.js"
import { printable } from "./internal/printable.js"
import * as Join from "./Join.js"
import { type LocalError, OperationFailed, render, ValueRefused } from "./LocalError.js"
import * as Pipes from "./Pipes.js"
import * as Runtime from "./Runtime.js"

/** How the caller wants the command's streams. */
type Stdio = Pick<Command.StandardCommand, "stdin" | "stdout" | "stderr">

/** A command in a machine that runs, ready to be started. */
interface Prepared {
  readonly program: Program
  readonly timeoutMillis: number | undefined
  readonly interactive: boolean
  readonly tty: boolean
  /** Whether the program makes real pipes for its streams. */
  readonly piped: boolean
}

const usage = (command: string, what: string, reason: string) =>
  new ValueRefused({ command, what, reason, fix: "see --help" })

const prepare = (
  context: Runtime.Context,
  invocation: Invocation,
  name: string,
  hasInput: boolean
): Effect.Effect<Prepared, LocalError> =>
  Effect.gen(function* () {
    const command = invocation.command
    const { machine, run } = yield* Runtime.running(context, name)
    const references = yield* GuestEnvironment.parseReferences(
      command,
      Runtime.all(invocation, "--secret-env"),
      Runtime.all(invocation, "--secret-file")
    )
    const secrets = yield* GuestEnvironment.resolveSecrets(
      command,
      [...machine.secretEnv, ...references.variables],
      [...machine.secretFiles, ...references.files],
      context.env
    )
    const tty = invocation.flags.has("--tty")
    const given = GuestEnvironment.parsePairs(Runtime.all(invocation, "--env"))
    const terminal: GuestEnvironment.Pairs = tty
      ? [
          ["TERM", context.env["TERM"] ?? "xterm"],
          // It goes by the guest's own env, which a stranger's root may not have.
          ...(machine.source._tag === "Host" ? ([["LANG", "C.UTF-8"]] as const) : [])
        ]
      : []
    const env = yield* GuestEnvironment.split([...terminal, ...machine.env, ...given], secrets)
    const workdir = Runtime.one(invocation, "--workdir") ?? machine.workdir ?? "/"
    if (workdir.includes("\0")) return yield* usage(command, "--workdir", "it holds a NUL byte")
    const timeout = Runtime.one(invocation, "--timeout")
    const interactive = invocation.flags.has("--interactive")
    const piped = !tty && !invocation.flags.has("--detach") && context.host.tools.perl !== undefined
    return {
      program: yield* Join.program(context.host, machine, run, {
        words: invocation.trailing,
        env,
        workdir: workdir.startsWith("/") ? workdir : `/${workdir}`,
        tty,
        ...(piped ? { before: [Pipes.step(interactive && hasInput)] } : {})
      }),
      timeoutMillis: timeout === undefined ? undefined : Timeout.parseMillis(timeout),
      interactive,
      tty,
      piped
    }
  })

const isEmptyStdin = (stdin: Command.StandardCommand["stdin"]): boolean => stdin === Stream.empty

const hostStdin: Stream.Stream<Uint8Array> = Stream.orDie(NodeStream.stdin)

/** What the guest's command is fed: nothing unless asked for, and never the caller's own stream. */
const inputOf = (prepared: Prepared, stdio: Stdio): Command.StandardCommand["stdin"] => {
  if (!prepared.interactive || isEmptyStdin(stdio.stdin)) return Stream.empty
  return stdio.stdin === "inherit" && !prepared.tty ? hostStdin : stdio.stdin
}

/** The command for the executor below: with a terminal its own streams as they are, otherwise pipes of ours only. */
const toCommand = (prepared: Prepared, stdio: Stdio): Command.Command => {
  const { program } = prepared
  return Command.make(program.program, ...program.args).pipe(
    Command.env(program.env ?? {}, { extendEnv: false }),
    Command.workingDirectory(program.cwd ?? "/"),
    Command.stdin(prepared.piped ? "pipe" : inputOf(prepared, stdio)),
    Command.stdout(prepared.tty ? stdio.stdout : "pipe"),
    Command.stderr(prepared.tty ? stdio.stderr : "pipe")
  )
}

/** Makes real pipes the streams of a process that waits for that. */
const connect = (
  started: CommandExecutor.Process,
  stdin: Command.StandardCommand["stdin"]
): Effect.Effect<CommandExecutor.Process, PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const streams = yield* Pipes.connect(started)
    if (typeof stdin !== "string" && !isEmptyStdin(stdin)) {
      const feed = Effect.ignore(Stream.run(stdin, streams.stdin))
      yield* Effect.forkScoped(Effect.raceFirst(feed, Effect.ignore(started.exitCode)))
    }
    return Object.assign(Object.create(Object.getPrototypeOf(started)), started, streams)
  })

const complaintStart = new TextEncoder().encode("nsenter: ")
const complaintBytesMax = 8192

const startsLike = (bytes: Uint8Array): boolean =>
  bytes.subarray(0, complaintStart.length).every((byte, index) => byte === complaintStart[index])

const concat = (left: Uint8Array, right: Uint8Array): Uint8Array => {
  const whole = new Uint8Array(left.length + right.length)
  whole.set(left)
  whole.set(right, left.length)
  return whole
}

// nsenter 2.38: all that it says after its arguments are understood, each with the system's reason.
const complaintPattern = new RegExp(
  "^nsenter: ((?:failed to execute [^\\n]*|cannot open /proc/[0-9]+/ns/[a-z_]+|stat of /proc/[0-9]+/ns/[a-z_]+ failed|" +
    "reassociate to namespaces? [^\\n]*failed|(?:fork|setgroups|setgid|setuid|chroot) failed|" +
    "cannot open current working directory|cannot change directory to [^\\n]*|" +
    "change directory by (?:root|working directory) file descriptor failed): [^\\n:]+)\\n$"
)

/** What the joining program says when it could not run the command: one line, alone, and then its end. */
const complaintOf = (held: Uint8Array): string | undefined =>
  complaintPattern.exec(Buffer.from(held).toString("utf8"))?.[1]

const failureOf = (complaint: string): LocalError => {
  const spawn = /^failed to execute (.*)$/.exec(complaint)?.[1]
  return new OperationFailed({
    family: "agent",
    operation: spawn === undefined ? "exec: failed to join the machine" : "exec: failed to spawn command",
    // A guest can say the same; not with its own words for a terminal.
    reason: printable(spawn ?? complaint)
  })
}

/**
 * Holds back the beginning of stderr for as long as it may be the joining program's complaint. When that is all there
 * was, and the exit code fits, smolvm's sentence takes its place; anything else is the command's own and passes.
 */
const translateStderr = (
  stderr: Stream.Stream<Uint8Array, PlatformError>,
  code: Effect.Effect<number>,
  verdict: Deferred.Deferred<boolean>
): Stream.Stream<Uint8Array, PlatformError> => {
  let held: Uint8Array | undefined = new Uint8Array(0)
  const body = Stream.mapConcat(stderr, (bytes): ReadonlyArray<Uint8Array> => {
    if (held === undefined) return [bytes]
    held = concat(held, bytes)
    const newline = held.indexOf(10)
    if (startsLike(held) && held.length <= complaintBytesMax && (newline < 0 || newline === held.length - 1)) return []
    const released = held
    held = undefined
    return [released]
  })
  const end = Stream.unwrap(
    Effect.gen(function* () {
      const complaint = held === undefined ? undefined : complaintOf(held)
      const rest = held ?? new Uint8Array(0)
      if (complaint !== undefined && [1, 126, 127].includes(yield* code)) {
        yield* Deferred.succeed(verdict, true)
        return Stream.make(new TextEncoder().encode(render(failureOf(complaint))))
      }
      yield* Deferred.succeed(verdict, false)
      return rest.length === 0 ? Stream.empty : Stream.make(rest)
    })
  )
  return Stream.concat(body, end)
}

/** How long an exit code waits for stderr to be read to its end, when that decides what it means. */
const verdictMillis = 1000

const timedOutCode = 124

/** Copies to one of this process's own streams, until nobody reads there any more. */
const pump = (
  stream: Stream.Stream<Uint8Array, PlatformError>,
  to: "stdout" | "stderr"
): Effect.Effect<Reader.Reader, never, Scope.Scope> => {
  const write = (bytes: Uint8Array) =>
    Effect.flatMap(OwnStreams.write(to, bytes), (isRead) => (isRead ? Effect.void : Effect.interrupt))
  return Effect.flatMap(Effect.scope, (scope) =>
    Reader.fork(
      Stream.catchAll(stream, () => Stream.empty),
      (chunk) => Effect.forEach(chunk, write, { discard: true }),
      scope
    )
  )
}

/** How long a background process that keeps a stream open is listened to, after the command and after its time. */
const drainMillis = 1000
const lateDrainMillis = 100

/** What is still on the way goes out, within bounds that nothing in the guest can stretch. */
const drain = (pumps: ReadonlyArray<Reader.Reader>, isTimedOut: boolean): Effect.Effect<void> =>
  isTimedOut
    ? Effect.zipRight(
        Effect.timeoutOption(Reader.drain(pumps, lateDrainMillis), drainMillis),
        Effect.forEach(pumps, ({ fiber }) => Fiber.interrupt(fiber), { discard: true })
      )
    : Reader.drain(pumps, drainMillis)

const startPrepared = (
  below: CommandExecutor.CommandExecutor,
  prepared: Prepared,
  stdio: Stdio,
  afterExit: Effect.Effect<void>
): Effect.Effect<CommandExecutor.Process, PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const started = yield* below.start(toCommand(prepared, stdio))
    // With a terminal, what is in the machine has a session of its own, and `script` around it ends it.
    const kill = prepared.tty ? started.kill : Ending.kill(started)
    if (!prepared.tty) yield* Effect.addFinalizer(() => Ending.release(started))
    const verdict = yield* Deferred.make<boolean>()
    let isTimedOut = false
    if (prepared.timeoutMillis !== undefined) {
      const expire = Effect.suspend(() => {
        isTimedOut = true
        return Effect.ignore(kill("SIGKILL"))
      })
      yield* Effect.forkScoped(Effect.delay(expire, prepared.timeoutMillis))
    }
    const process = prepared.piped ? yield* connect(started, inputOf(prepared, stdio)) : started
    const code = Effect.map(
      Effect.orElseSucceed(process.exitCode, () => CommandExecutor.ExitCode(-1)),
      (exit): number => exit
    )
    const stderr = prepared.tty ? process.stderr : translateStderr(process.stderr, code, verdict)
    const pumps: Array<Reader.Reader> = []
    if (!prepared.tty && stdio.stdout === "inherit") pumps.push(yield* pump(process.stdout, "stdout"))
    if (!prepared.tty && stdio.stderr === "inherit") pumps.push(yield* pump(stderr, "stderr"))
    const exitCode = Effect.gen(function* () {
      const exit = yield* Effect.either(process.exitCode)
      yield* afterExit
      yield* drain(pumps, isTimedOut)
      if (isTimedOut) return CommandExecutor.ExitCode(timedOutCode)
      if (exit._tag === "Left") return yield* exit.left
      const isAmbiguous = !prepared.tty && [1, 126, 127].includes(exit.right)
      const isOurs = isAmbiguous && (yield* Deferred.await(verdict).pipe(Effect.timeoutOption(verdictMillis)))
      return isOurs !== false && Option.getOrElse(isOurs, () => false) ? CommandExecutor.ExitCode(1) : exit.right
    })
    const stdout =
      typeof stdio.stdout === "string" || prepared.tty ? process.stdout : Stream.transduce(process.stdout, stdio.stdout)
    return Object.assign(Object.create(Object.getPrototypeOf(process)), process, { exitCode, kill, stdout, stderr })
  })

const detachText = String.raw`unset PWD; "$@" </dev/null >/dev/null 2>&1 & echo $!`

/** The pid that the guest knows the command by, once it is there. */
const guestPid = (hostPid: number): number | undefined => {
  try {
    const child = Fs.readFileSync(`/proc/${hostPid}/task/${hostPid}/children`, "utf8").trim().split(" ")[0]
    const status = Fs.readFileSync(`/proc/${Number(child)}/status`, "utf8")
    return Number(/^NSpid:.*\s([0-9]+)$/m.exec(status)?.[1])
  } catch {
    return undefined
  }
}

const detached = (
  below: CommandExecutor.CommandExecutor,
  prepared: Prepared
): Effect.Effect<Runtime.Reply, LocalError> =>
  Effect.gen(function* () {
    const { program } = prepared
    const command = Command.make("/bin/sh", "-c", detachText, "detach", program.program, ...program.args).pipe(
      Command.env(program.env ?? {}, { extendEnv: false }),
      Command.workingDirectory(program.cwd ?? "/"),
      Command.stdin(Stream.empty)
    )
    const text = yield* Effect.scoped(
      Effect.gen(function* () {
        const process = yield* below.start(command)
        const output = yield* Stream.runCollect(process.stdout)
        yield* process.exitCode
        return Buffer.concat(Chunk.toReadonlyArray(output)).toString("utf8")
      })
    ).pipe(
      Effect.mapError((error) => new OperationFailed({ family: "agent", operation: "exec", reason: error.message }))
    )
    const hostPid = Number(text.trim())
    for (let attempt = 0; attempt < 200; attempt++) {
      const pid = guestPid(hostPid)
      if (pid !== undefined && Number.isInteger(pid)) return { code: 0, stdout: `${pid}\n`, stderr: "" }
      if (!Fs.existsSync(`/proc/${hostPid}`)) break
      yield* Effect.sleep(5)
    }
    // It has ended already: its own number is then as good as any.
    return { code: 0, stdout: `${hostPid}\n`, stderr: "" }
  })

/** Turns a reply into a process of its own. */
type Answer = (work: Effect.Effect<Runtime.Reply>) => Effect.Effect<CommandExecutor.Process, never, Scope.Scope>

const refusal = (error: LocalError): Runtime.Reply => ({ code: 1, stdout: "", stderr: render(error) })

/**
 * Starts the command of a `machine exec`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const exec = (
  below: CommandExecutor.CommandExecutor,
  context: Runtime.Context,
  invocation: Invocation,
  stdio: Stdio,
  answer: Answer
): Effect.Effect<CommandExecutor.Process, PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const name = Runtime.nameOf(invocation)
    const prepared = yield* Effect.either(prepare(context, invocation, name, !isEmptyStdin(stdio.stdin)))
    if (prepared._tag === "Left") return yield* answer(Effect.succeed(refusal(prepared.left)))
    if (invocation.flags.has("--detach")) {
      return yield* answer(Effect.catchAll(detached(below, prepared.right), (error) => Effect.succeed(refusal(error))))
    }
    return yield* startPrepared(below, prepared.right, stdio, Effect.void)
  })

const isImageReference = (word: string): boolean => word.includes(":") || word.indexOf("/") > 0

/**
 * Starts a `machine run`: a machine of its own for one command, deleted when the command has ended; with `-d` one that
 * stays.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (
  below: CommandExecutor.CommandExecutor,
  context: Runtime.Context,
  invocation: Invocation,
  stdio: Stdio,
  answer: Answer
): Effect.Effect<CommandExecutor.Process, PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const isDetached = invocation.flags.has("--detach")
    const name = isDetached ? (Runtime.one(invocation, "--name") ?? "default") : `run-${randomBytes(6).toString("hex")}`
    const first = invocation.trailing[0]
    const provide = Effect.provideService(CommandExecutor.CommandExecutor, below)
    const check: Effect.Effect<void, LocalError> =
      first === undefined && !isDetached
        ? usage(invocation.command, "COMMAND", "there is none to run")
        : first !== undefined && !invocation.options.has("--image") && isImageReference(first)
          ? usage(invocation.command, first, "looks like an image reference, and there is no --image")
          : Effect.void
    const bringUp = check.pipe(
      Effect.zipRight(
        isDetached ? Effect.void : Effect.addFinalizer(() => Effect.ignore(Runtime.remove(context, name)))
      ),
      Effect.zipRight(Runtime.create(context, invocation, name, !isDetached)),
      Effect.zipRight(Runtime.start(context, name)),
      provide
    )
    const up = yield* Effect.either(bringUp)
    if (up._tag === "Left") return yield* answer(Effect.succeed(refusal(up.left)))
    if (first === undefined) {
      return yield* answer(
        Effect.succeed({ code: 0, stdout: `Machine '${name}' running (PID: ${up.right.pid})\n`, stderr: "" })
      )
    }
    const prepared = yield* Effect.either(prepare(context, invocation, name, !isEmptyStdin(stdio.stdin)))
    if (prepared._tag === "Left") return yield* answer(Effect.succeed(refusal(prepared.left)))
    if (isDetached) {
      return yield* answer(Effect.catchAll(detached(below, prepared.right), (error) => Effect.succeed(refusal(error))))
    }
    // Gone before the exit code is known, so that who saw the one can rely on the other; and before the streams are read
    // to their end, which what it left running could put off.
    return yield* startPrepared(below, prepared.right, stdio, Effect.ignore(Runtime.remove(context, name)))
  })
