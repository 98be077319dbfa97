import * as Capture from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import * as Survivors from "@bottle/testing/Survivors"
import { waitUntil } from "@bottle/testing/Wait"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import { afterAll, assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import * as LocalExecutor from "../../src/LocalExecutor.js"

/** What a call gave. */
export interface Called {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly bytes: Uint8Array
}

export interface CallOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Uint8Array | Stream.Stream<Uint8Array>
  readonly timeoutMillis?: number
  readonly capBytes?: number
}

/** One way to call the runtime, as one user, with a state of its own. */
export interface Runner {
  readonly uid: number
  /** A directory of the user's; the state is in it. Its path is in nobody else's. */
  readonly directory: string
  readonly state: string
  readonly env: Readonly<Record<string, string>>
  readonly call: (
    args: ReadonlyArray<string>,
    options?: CallOptions
  ) => Effect.Effect<Called, never, CommandExecutor.CommandExecutor>
  /** The program and first words that call the runtime as a program. */
  readonly words: ReadonlyArray<string>
}

/** A runner by the program, started by other words: with another umask, another limit. */
export const startedBy = (runner: Runner, ...before: ReadonlyArray<string>): Runner => {
  const words = [...before, ...runner.words]
  const [program = process.execPath, ...first] = words
  return { ...runner, words, call: calling(program, first, runner.env) }
}

/** Who makes the calls: ourselves in this process, or an ordinary user with the program. */
export interface Who {
  readonly name: string
  readonly make: Effect.Effect<Runner, never, Scope.Scope | CommandExecutor.CommandExecutor>
}

export const isRoot = process.getuid?.() === 0

/** The ordinary user that root's tests become. */
const ordinaryUid = 61_234

const source = fileURLToPath(new URL("../../src/bin.ts", import.meta.url))

let bundled: Promise<string> | undefined
let bundleDirectory: string | undefined

// A test runner ends its workers by a signal, so nothing that waits for "exit" would run.
afterAll(() => {
  if (bundleDirectory !== undefined) Fs.rmSync(bundleDirectory, { recursive: true, force: true })
})

/** The program in one file that every user may read; made once per test file. */
const bundle = (): Promise<string> => {
  bundled ??= (async () => {
    const directory = Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "bottle-local-bin-"))
    bundleDirectory = directory
    Fs.chmodSync(directory, 0o755)
    const file = Path.join(directory, "smolvm-local.mjs")
    const build = await rolldown({
      input: source,
      platform: "node",
      resolve: { conditionNames: ["@bottle/source", "node", "import", "default"] },
      logLevel: "silent"
    })
    await build.write({ file, format: "esm", minify: true, codeSplitting: false })
    await build.close()
    Fs.chmodSync(file, 0o644)
    return file
  })()
  return bundled
}

const ownDirectory = (uid: number): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "bottle-local-"))
      Fs.chmodSync(directory, 0o755)
      if (isRoot) Fs.chownSync(directory, uid, uid)
      return directory
    }),
    (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
  )

const called = (captured: Capture.Captured): Called => ({
  code: captured.exit.code,
  stdout: Capture.stdoutText(captured),
  stderr: Capture.stderrText(captured),
  bytes: captured.stdout
})

const captureOptions = (options: CallOptions) => ({
  timeoutMillis: options.timeoutMillis ?? 60_000,
  graceMillis: 1000,
  ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
  ...(options.capBytes === undefined ? {} : { capBytes: options.capBytes })
})

const calling =
  (program: string, first: ReadonlyArray<string>, env: Readonly<Record<string, string>>): Runner["call"] =>
  (args, options = {}) =>
    Capture.capture(
      { program, args: [...first, ...args], env: { ...env, ...options.env }, cwd: "/" },
      captureOptions(options)
    ).pipe(Effect.map(called), Effect.orDie)

/** The runtime, in this process, as the user who runs the tests. */
const inProcess: Effect.Effect<Runner, never, Scope.Scope> = Effect.gen(function* () {
  const uid = process.getuid?.() ?? 0
  const directory = yield* ownDirectory(uid)
  const state = Path.join(directory, "state")
  const env = { XDG_STATE_HOME: state, PATH: "/usr/bin:/bin" }
  return {
    uid,
    directory,
    state,
    env,
    words: [LocalExecutor.defaultProgram],
    call: (args, options = {}) =>
      Capture.capture(
        { program: LocalExecutor.defaultProgram, args, env: { ...env, ...options.env } },
        captureOptions(options)
      ).pipe(Effect.map(called), Effect.orDie)
  }
})

/** The program, as some user. */
const byProgram = (uid: number): Effect.Effect<Runner, never, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* ownDirectory(uid)
    const state = Path.join(directory, "state")
    const env = { XDG_STATE_HOME: state, PATH: "/usr/bin:/bin" }
    const file = yield* Effect.promise(bundle)
    const become =
      uid === process.getuid?.()
        ? []
        : ["/usr/bin/setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups", "--"]
    const words = [...become, process.execPath, file]
    const [program = process.execPath, ...first] = words
    return { uid, directory, state, env, words, call: calling(program, first, env) }
  })

export const asOrdinaryUser: Who["make"] = byProgram(isRoot ? ordinaryUid : (process.getuid?.() ?? 0))

/** Everybody as whom the tests can run here; who is missing is said by name. */
export const everybody: ReadonlyArray<Who> = [
  ...(isRoot ? [{ name: "as root, in this process", make: inProcess }] : []),
  { name: "as an ordinary user, by the program", make: asOrdinaryUser }
]

/** Root, by the program. */
export const rootByProgram: Who["make"] = byProgram(0)

/** The same, all of them by the program. */
export const everybodyByProgram: ReadonlyArray<Who> = [
  ...(isRoot ? [{ name: "as root, by the program", make: rootByProgram }] : []),
  { name: "as an ordinary user, by the program", make: asOrdinaryUser }
]

/** The fastest of them, for what does not depend on who calls. */
export const ourselves: Who = { name: "in this process", make: inProcess }

export const layer: Layer.Layer<CommandExecutor.CommandExecutor> = LocalExecutor.layer().pipe(
  Layer.provide(Executor.layer)
)

export const freshName = (): string => `m-${randomUUID().slice(0, 18)}`

/** A machine that runs for as long as the scope lasts. */
export interface Running {
  readonly name: string
  readonly exec: (
    words: ReadonlyArray<string>,
    options?: CallOptions & { readonly flags?: ReadonlyArray<string> }
  ) => Effect.Effect<Called, never, CommandExecutor.CommandExecutor>
  readonly sh: (
    script: string,
    ...args: ReadonlyArray<string>
  ) => Effect.Effect<Called, never, CommandExecutor.CommandExecutor>
}

export const expectOk = (result: Called): void => {
  assert.strictEqual(result.code, 0, `${result.stdout}${result.stderr}`)
}

/** A handle on a machine that is there. */
export const handle = (runner: Runner, name: string): Running => ({
  name,
  exec: (words, options = {}) =>
    runner.call(["machine", "exec", "--name", name, ...(options.flags ?? []), "--", ...words], options),
  sh: (script, ...args) =>
    runner.call(["machine", "exec", "--name", name, "--", "/bin/sh", "-c", script, "sh", ...args])
})

export const machine = (
  runner: Runner,
  create: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Running, never, Scope.Scope | CommandExecutor.CommandExecutor> =>
  Effect.gen(function* () {
    const name = freshName()
    yield* Effect.addFinalizer(() => Effect.ignore(runner.call(["machine", "delete", "-f", "--name", name])))
    expectOk(yield* runner.call(["machine", "create", "--name", name, ...create], { env }))
    expectOk(yield* runner.call(["machine", "start", "--name", name], { env }))
    return handle(runner, name)
  })

/** Fails when anything that bears the marker is left: a process, mount, namespace or socket. What ends may take a moment. */
export const nothingLeft = (marker: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const isNone = Effect.map(Survivors.find(marker), (survivors) => Survivors.count(survivors) === 0)
    yield* Effect.ignore(waitUntil(isNone, { boundMillis: 20_000 }))
    assert.deepStrictEqual(yield* Survivors.find(marker), { processes: [], mounts: [], namespaces: [], sockets: [] })
  })

/** Every file below a directory. */
export const filesBelow = (directory: string): ReadonlyArray<string> =>
  Fs.existsSync(directory)
    ? Fs.readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => Path.join(entry.parentPath, entry.name))
    : []
