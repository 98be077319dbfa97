import { waitUntil } from "../../Wait.js"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import type { Called, CallOptions } from "./model.js"
import { ConformanceFailure, Subject } from "./model.js"

/** An effect of a case. */
export type Checked<A> = Effect.Effect<A, ConformanceFailure, Subject | Scope.Scope>

const decoder = new TextDecoder()

export const stdoutOf = ({ stdout }: Called): string => decoder.decode(stdout)
export const stderrOf = ({ stderr }: Called): string => decoder.decode(stderr)

const tailLength = 2000

/** The failure of a call, or of what several calls together have shown. */
export const failure = (problem: string, called?: Called): ConformanceFailure =>
  new ConformanceFailure({
    problem,
    argv: called?.argv ?? [],
    exitCode: called?.code ?? null,
    stdout: called === undefined ? "" : stdoutOf(called).slice(-tailLength),
    stderr: called === undefined ? "" : stderrOf(called).slice(-tailLength)
  })

/** Fails with the problem unless it holds. */
export const verify = (holds: boolean, problem: string, called?: Called): Effect.Effect<void, ConformanceFailure> =>
  holds ? Effect.void : failure(problem, called)

/** What a call must answer. Without a pattern a stream may say anything. */
export interface Answer {
  readonly code: number | "failure"
  readonly stdout?: RegExp | "" | undefined
  readonly stderr?: RegExp | undefined
}

export const call = (args: ReadonlyArray<string>, options?: CallOptions): Checked<Called> =>
  Effect.flatMap(Subject, (subject) => subject.call(args, options))

/** Calls the program, and fails unless it answers so. */
export const answers = (args: ReadonlyArray<string>, answer: Answer, options?: CallOptions): Checked<Called> =>
  Effect.gen(function* () {
    const called = yield* call(args, options)
    const { code, stderr, stdout } = answer
    const isCode = code === "failure" ? called.code !== 0 : called.code === code
    yield* verify(isCode, `expected ${code === "failure" ? "a failure" : `exit code ${code}`}`, called)
    if (stdout === "") yield* verify(called.stdout.length === 0, "expected nothing on stdout", called)
    else if (stdout !== undefined) {
      yield* verify(stdout.test(stdoutOf(called)), `expected stdout to match ${stdout}`, called)
    }
    if (stderr !== undefined) {
      yield* verify(stderr.test(stderrOf(called)), `expected stderr to match ${stderr}`, called)
    }
    return called
  })

/** Calls the program, which must exit 0. */
export const succeeds = (args: ReadonlyArray<string>, options?: CallOptions): Checked<Called> =>
  answers(args, { code: 0 }, options)

/** What smolvm says of its own failures: exit code 1, and a last line of stderr that begins `Error: `. */
export const fails = (args: ReadonlyArray<string>, says: RegExp, options?: CallOptions): Checked<Called> =>
  Effect.tap(answers(args, { code: 1, stderr: says }, options), (called) =>
    verify(
      stderrOf(called).trimEnd().split("\n").at(-1)?.startsWith("Error: ") ?? false,
      "expected the last line of stderr to begin with 'Error: '",
      called
    )
  )

/** What clap says of a line that it does not understand: exit code 2, `error: `, and a usage; nothing on stdout. */
export const isUsageError = (args: ReadonlyArray<string>): Checked<Called> =>
  Effect.tap(answers(args, { code: 2, stdout: "", stderr: /^error: / }), (called) =>
    verify(/^(?:Usage: |For more information, try )/m.test(stderrOf(called)), "expected a usage on stderr", called)
  )

/** A name that no other machine has. */
export const freshName: Effect.Effect<string> = Effect.sync(() => `bottle-conf-${randomBytes(6).toString("hex")}`)

/** The arguments of a subcommand that takes the name as create does: by position before 1.0.2. */
export const styled = (
  verb: string,
  name: string,
  options: ReadonlyArray<string> = []
): Checked<ReadonlyArray<string>> =>
  Effect.map(Subject, ({ capabilities }) =>
    capabilities.nameStyle === "flag"
      ? ["machine", verb, ...options, "--name", name]
      : ["machine", verb, ...options, name]
  )

/** The arguments of `machine create`, without those that every machine gets. */
export const createLine = (name: string, options?: ReadonlyArray<string>): Checked<ReadonlyArray<string>> =>
  styled("create", name, options)

/** The arguments of `machine delete`. */
export const deleteLine = (name: string, flags: ReadonlyArray<string> = ["-f"]): Checked<ReadonlyArray<string>> =>
  styled("delete", name, flags)

/** The arguments of a subcommand that takes `--name` in every version. */
export const on = (verb: string, name: string, ...rest: ReadonlyArray<string>): ReadonlyArray<string> => [
  "machine",
  verb,
  "--name",
  name,
  ...rest
]

/** Registers the removal of whatever machine has the name when the case is over. */
export const removeLater = (name: string): Checked<void> =>
  Effect.gen(function* () {
    const { call: run, capabilities } = yield* Subject
    const line = yield* deleteLine(name)
    // 0.8.0 orphans a machine that is deleted while it runs.
    const stop = capabilities.deleteStopsFirst ? Effect.void : Effect.ignore(run(on("stop", name)))
    yield* Effect.addFinalizer(() => Effect.zipRight(stop, Effect.ignore(run(line))))
  })

/** Fails unless a create with these options is refused, and makes nothing. */
export const isNotCreated = (options: ReadonlyArray<string>): Checked<void> =>
  Effect.gen(function* () {
    const name = yield* freshName
    const refused = yield* Effect.either(
      answers(yield* createLine(name, options), { code: "failure", stderr: /^[Ee]rror: /m })
    )
    const isMade = (yield* names).includes(name)
    if (isMade) yield* removeLater(name)
    yield* refused
    yield* verify(!isMade, `expected no machine after a create that failed, and ${name} is there`)
  })

/** A machine that is created, until the case is over; gives its name. */
export const created = (options: ReadonlyArray<string> = []): Checked<string> =>
  Effect.gen(function* () {
    const { createArguments } = yield* Subject
    const name = yield* freshName
    yield* removeLater(name)
    yield* succeeds(yield* createLine(name, [...createArguments, ...options]))
    return name
  })

/** The longest that a machine may take from its start to its first command. */
const readyMillis = 60_000

/** Starts a machine and waits until it runs a command: early ones are killed or refused. */
export const start = (name: string): Checked<void> =>
  Effect.gen(function* () {
    yield* succeeds(on("start", name), { timeoutMillis: readyMillis })
    const isReady = Effect.map(call(on("exec", name, "--", "true")), ({ code }) => code === 0)
    yield* waitUntil(isReady, { boundMillis: readyMillis, everyMillis: 100 }).pipe(
      Effect.catchAllDefect(() => failure(`expected the machine to run a command within ${readyMillis} ms`))
    )
  })

/** A machine that runs, until the case is over; gives its name. */
export const running = (options: ReadonlyArray<string> = []): Checked<string> => Effect.tap(created(options), start)

/** A command in a machine. */
export const exec = (
  name: string,
  words: ReadonlyArray<string>,
  options?: CallOptions & { readonly flags?: ReadonlyArray<string> }
): Checked<Called> => call(on("exec", name, ...(options?.flags ?? []), "--", ...words), options)

/** A record as JSON has it. */
export type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const parse = (called: Called): Effect.Effect<unknown, ConformanceFailure> =>
  Effect.try({
    try: (): unknown => JSON.parse(stdoutOf(called)),
    catch: () => failure("expected JSON on stdout", called)
  })

/** All that `machine ls --json` lists. */
export const listed: Checked<ReadonlyArray<Fields>> = Effect.gen(function* () {
  const called = yield* succeeds(["machine", "ls", "--json"])
  const value = yield* parse(called)
  if (Array.isArray(value) && value.every(isFields)) return value
  return yield* failure("expected an array of objects on stdout", called)
})

/** The names that `machine ls --json` lists. */
export const names: Checked<ReadonlyArray<unknown>> = Effect.map(listed, (all) => all.map(({ name }) => name))

/** What `machine status --json` tells. */
export const status = (name: string): Checked<Fields> =>
  Effect.gen(function* () {
    const called = yield* succeeds(on("status", name, "--json"))
    const value = yield* parse(called)
    if (isFields(value)) return value
    return yield* failure("expected an object on stdout", called)
  })

/** Fails unless the machine is in this state. */
export const isIn = (name: string, state: string): Checked<Fields> =>
  Effect.tap(status(name), (found) =>
    verify(found["state"] === state, `expected the state ${state}, and status says ${JSON.stringify(found["state"])}`)
  )

/** Fails unless the machine is among those of `machine ls`, or is not. */
export const isListed = (name: string, expected: boolean): Checked<void> =>
  Effect.flatMap(names, (all) =>
    verify(all.includes(name) === expected, `expected ${name} ${expected ? "in" : "not in"} machine ls`)
  )

const isSame = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0

/** Fails unless a stream of the call holds exactly these bytes. */
export const wrote = (
  called: Called,
  stream: "stdout" | "stderr",
  expected: string | Uint8Array
): Effect.Effect<void, ConformanceFailure> => {
  const bytes = typeof expected === "string" ? new TextEncoder().encode(expected) : expected
  const what = typeof expected === "string" ? JSON.stringify(expected) : `${bytes.length} certain bytes`
  return verify(
    isSame(called[stream], bytes),
    `expected ${what} on ${stream}, got ${called[stream].length} bytes`,
    called
  )
}

/** Fails unless the call exited so. */
export const exited = (called: Called, code: number): Effect.Effect<void, ConformanceFailure> =>
  verify(called.code === code, `expected exit code ${code}`, called)

/** Every byte there is, so many times over, in an order that is no text. */
export const everyByte = (times: number): Uint8Array =>
  Uint8Array.from({ length: 256 * times }, (_, index) => (index * 7 + (index >> 8)) % 256)
