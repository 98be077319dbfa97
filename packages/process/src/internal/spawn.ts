import type * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { type PlatformError, SystemError, type SystemErrorReason } from "@effect/platform/Error"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Pipe from "../Pipe.js"
import { detachedGroup, foregroundTree, type Members, MembersKey } from "./members.js"
import * as Terminal from "./terminal.js"
import { defaultGraceMillis, terminate } from "./terminate.js"

/** A child of ours and how it ended. */
interface Child {
  readonly handle: ChildProcess.ChildProcess
  readonly ended: Deferred.Deferred<Ended>
  readonly members: Members
}

type Ended = readonly [code: number | null, signal: NodeJS.Signals | null]

/** Whether the child is to own the caller's terminal. */
export const isForeground = (command: Command.StandardCommand): boolean =>
  command.stdin === "inherit" && command.stdout === "inherit"

const reasons: Readonly<Record<string, SystemErrorReason>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  ENOTDIR: "BadResource",
  EISDIR: "BadResource",
  ELOOP: "BadResource",
  EBUSY: "Busy"
}

/** An error that names the program, never its arguments; `syscall` carries the system's name for the cause. */
const systemError = (command: Command.StandardCommand, method: string, cause: unknown, module?: "FileSystem") => {
  const code = errorCode(cause)
  return new SystemError({
    module: module ?? "Command",
    method,
    reason: reasons[code] ?? "Unknown",
    pathOrDescriptor: command.command,
    syscall: code,
    description: code
  })
}

const errorCode = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "UNKNOWN"

// ENOENT does not say whether the program or its working directory is missing.
const spawnError = (command: Command.StandardCommand, cause: unknown): SystemError => {
  const cwd = Option.getOrUndefined(command.cwd)
  return errorCode(cause) === "ENOENT" && cwd !== undefined && !Fs.existsSync(cwd)
    ? systemError(command, "access", cause, "FileSystem")
    : systemError(command, "spawn", cause)
}

const stdin = (input: Command.Command.Input): "pipe" | "inherit" | "ignore" => {
  if (typeof input === "string") return input
  return input === Stream.empty ? "ignore" : "pipe"
}

const output = (sink: Command.Command.Output): "pipe" | "inherit" => (typeof sink === "string" ? sink : "pipe")

const spawn = (command: Command.StandardCommand): Effect.Effect<Child, PlatformError> =>
  Effect.flatMap(Deferred.make<Ended>(), (ended) =>
    Effect.async<Child, PlatformError>((resume) => {
      const foreground = isForeground(command)
      let handle: ChildProcess.ChildProcess
      try {
        handle = ChildProcess.spawn(command.command, command.args, {
          stdio: [stdin(command.stdin), output(command.stdout), output(command.stderr)],
          cwd: Option.getOrUndefined(command.cwd),
          shell: command.shell,
          env: command.extendEnv
            ? { ...process.env, ...Object.fromEntries(command.env) }
            : Object.fromEntries(HashMap.toEntries(command.env)),
          // A session of its own makes the child's group ours to end; one that owns the terminal must stay in ours.
          detached: !foreground
        })
      } catch (cause) {
        // Node throws what fork would only report later (E2BIG, ENOTDIR, a NUL byte).
        resume(Effect.fail(spawnError(command, cause)))
        return
      }
      // A pipe without a listener turns a child that leaves early (EPIPE) into an uncaught exception.
      handle.stdin?.on("error", () => {})
      handle.on("error", (cause) => resume(Effect.fail(spawnError(command, cause))))
      handle.on("exit", (code, signal) => Deferred.unsafeDone(ended, Effect.succeed([code, signal])))
      handle.on("spawn", () => {
        const members = foreground ? foregroundTree(handle) : detachedGroup(handle)
        endWithUs(handle, members)
        resume(Effect.succeed({ handle, ended, members }))
      })
    })
  )

const running = new Set<Members>()

// Should this process exit without closing its scopes (a second Ctrl-C), its children must not outlive it.
const endWithUs = (handle: ChildProcess.ChildProcess, members: Members) => {
  if (running.size === 0) process.on("exit", killRunning)
  running.add(members)
  handle.on("exit", () => {
    running.delete(members)
    if (running.size === 0) process.off("exit", killRunning)
  })
}

const killRunning = () => {
  for (const members of running) members.signal("SIGKILL")
}

const ProcessProto = {
  [CommandExecutor.ProcessTypeId]: CommandExecutor.ProcessTypeId,
  ...Inspectable.BaseProto,
  toJSON(this: CommandExecutor.Process) {
    return { _id: "@effect/platform/CommandExecutor/Process", pid: this.pid }
  }
}

const toProcess = (command: Command.StandardCommand, { handle, ended, members }: Child): CommandExecutor.Process => {
  const kill: CommandExecutor.Process["kill"] = (signal = "SIGTERM") =>
    Effect.suspend(() =>
      members.signal(signal)
        ? Effect.asVoid(Deferred.await(ended))
        : Effect.fail(systemError(command, "kill", { code: "ESRCH" }))
    )
  const exitCode: CommandExecutor.Process["exitCode"] = Effect.flatMap(Deferred.await(ended), ([code, signal]) =>
    code !== null
      ? Effect.succeed(CommandExecutor.ExitCode(code))
      : Effect.fail(
          new SystemError({
            module: "Command",
            method: "exitCode",
            reason: "Unknown",
            pathOrDescriptor: command.command,
            description: `Process interrupted due to receipt of signal: ${signal}`
          })
        )
  )
  const onError = (method: string) => (cause: unknown) => systemError(command, method, cause)
  const stdout = Pipe.fromReadable(handle.stdout, onError("stdout"))
  return Object.assign(Object.create(ProcessProto), {
    pid: CommandExecutor.ProcessId(handle.pid ?? 0),
    exitCode,
    isRunning: Effect.negate(Deferred.isDone(ended)),
    kill,
    stdin: Pipe.toWritable(handle.stdin, onError("stdin")),
    stdout: typeof command.stdout === "string" ? stdout : Stream.transduce(stdout, command.stdout),
    stderr: Pipe.fromReadable(handle.stderr, onError("stderr")),
    [MembersKey]: members
  })
}

// Callers that have a grace of their own end their children before this; it is for those who only close the scope.
const release = ({ ended, handle, members }: Child): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (yield* Deferred.isDone(ended)) return
    const kill = (signal: NodeJS.Signals) =>
      Effect.suspend(() => (members.signal(signal) ? Deferred.await(ended) : Effect.void))
    yield* terminate({ kill, members, graceMillis: defaultGraceMillis })
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        for (const pipe of [handle.stdin, handle.stdout, handle.stderr]) pipe?.destroy()
      })
    )
  )

/** Starts a command as a child of this process; the scope ends it. */
export const start = (
  command: Command.StandardCommand
): Effect.Effect<CommandExecutor.Process, PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    if (isForeground(command)) yield* Terminal.lend
    const child = yield* Effect.acquireRelease(spawn(command), release)
    const started = toProcess(command, child)
    if (typeof command.stdin !== "string" && command.stdin !== Stream.empty) {
      const pump = Stream.run(command.stdin, started.stdin)
      yield* Effect.forkScoped(Effect.raceFirst(pump, Deferred.await(child.ended)))
    }
    return started
  })
