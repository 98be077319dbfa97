import * as Capture from "@bottle/process/Capture"
import * as Environment from "@bottle/process/Environment"
import type { Program } from "@bottle/process/Program"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Capabilities from "../Capabilities.js"
import * as CapabilitiesCache from "../CapabilitiesCache.js"
import * as Line from "../Line.js"
import * as RuntimeEnvironment from "../RuntimeEnvironment.js"
import type { WithSecrets } from "../Secrets.js"
import { reveal } from "../Secrets.js"
import type { ArgumentError, InvalidArgument, SmolvmError } from "../SmolvmError.js"
import type { Call } from "./errors.js"
import { fromCaptured, fromParse, fromProcess } from "./errors.js"
import { readCapabilities } from "./readCapabilities.js"
import { shareRead } from "./shareRead.js"

/** Builds the arguments after the program for a release. */
export type Build = (capabilities: Capabilities.Capabilities) => Either.Either<ReadonlyArray<string>, ArgumentError>

/** A call that has exited 0. */
export interface Done {
  readonly call: Call
  readonly captured: Capture.Captured
}

/** What a call is made from. */
export interface Request extends WithSecrets {
  readonly command: string
  readonly build: Build
  /** Variables for smolvm's own environment in this one call. */
  readonly env?: ((capabilities: Capabilities.Capabilities) => ReadonlyArray<readonly [string, string]>) | undefined
  readonly name?: string | undefined
}

/** How the calls of one smolvm are run. */
export interface Runner {
  readonly executor: CommandExecutor.CommandExecutor
  readonly capabilities: Effect.Effect<Capabilities.Capabilities, SmolvmError>
  /** The call with its argv for this release; runs nothing but the reading of the capabilities. */
  readonly prepare: (request: Request) => Effect.Effect<Call, SmolvmError>
  /** Runs a call, whatever it exits with. */
  readonly capture: (call: Call, options: Capture.CaptureOptions) => Effect.Effect<Capture.Captured, SmolvmError>
  /** Runs a call that must exit 0. */
  readonly succeed: (call: Call, timeoutMillis: number) => Effect.Effect<Done, SmolvmError>
  /** Prepares a call, and runs it. */
  readonly execute: (request: Request, timeoutMillis: number) => Effect.Effect<Done, SmolvmError>
  readonly toProgram: (call: Call) => Program
  /** The values of the secrets that every call has which reads any. */
  readonly secrets: ReadonlyArray<string>
}

/** What a runner is made from; see `SmolvmOptions`. */
export interface RunnerOptions {
  readonly program: string
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly secrets?: Readonly<Record<string, string>> | undefined
  readonly versionTimeoutMillis: number
  readonly cacheDirectory?: string | undefined
}

export const makeRunner = (
  options: RunnerOptions
): Effect.Effect<Runner, never, CommandExecutor.CommandExecutor | Scope.Scope> =>
  Effect.gen(function* () {
    const executor = yield* CommandExecutor.CommandExecutor
    const { program } = options
    const env = options.env ?? RuntimeEnvironment.scrub(yield* Environment.childDefault)

    const make = (
      argv: ReadonlyArray<string>,
      { command, name, secrets }: Omit<Request, "build" | "env">,
      own: ReadonlyArray<readonly [string, string]> = []
    ): Call => ({
      program,
      command,
      argv,
      name,
      env: Object.fromEntries(own),
      secrets: { ...options.secrets, ...reveal(secrets) }
    })
    const toProgram = ({ argv, command, env: own, secrets }: Call): Program => ({
      program,
      args: argv,
      subcommand: command,
      env: { ...env, ...(takesSecrets.has(command) ? secrets : {}), ...own }
    })
    const capture = (call: Call, captureOptions: Capture.CaptureOptions) =>
      Capture.capture(toProgram(call), captureOptions).pipe(
        Effect.provideService(CommandExecutor.CommandExecutor, executor),
        Effect.mapError((error) => fromProcess(call, error))
      )
    const succeed = (call: Call, timeoutMillis: number, capBytes?: number): Effect.Effect<Done, SmolvmError> =>
      Effect.flatMap(capture(call, { timeoutMillis, capBytes }), (captured) =>
        captured.exit.code === 0 && captured.exit.signal === null
          ? Effect.succeed({ call, captured })
          : Effect.fail(fromCaptured(call, captured))
      )
    const ask = (call: Call) =>
      Effect.map(succeed(call, options.versionTimeoutMillis, helpBytesMax), ({ captured }) => captured)
    const cache =
      options.cacheDirectory === undefined
        ? CapabilitiesCache.none
        : CapabilitiesCache.make({ directory: options.cacheDirectory, program, searchPath: env["PATH"] })
    const capabilities = yield* shareRead(
      readCapabilities({ call: (command, argv) => make(argv, { command }), run: ask, cache })
    )
    const prepare = ({ build, env: own, ...request }: Request): Effect.Effect<Call, SmolvmError> =>
      Effect.gen(function* () {
        // What no release takes is refused before anything runs, the reading of the capabilities included.
        const refusal = refusedByAll(build)
        if (refusal !== undefined) return yield* refusal
        const known = yield* capabilities
        return make(yield* build(known), request, own?.(known))
      })
    const execute = (request: Request, timeoutMillis: number) =>
      Effect.flatMap(prepare(request), (call) => succeed(call, timeoutMillis))

    const secrets = Object.values(options.secrets ?? {})
    return { executor, capabilities, prepare, capture, succeed, execute, toProgram, secrets }
  })

/** More than ten times the longest help; several are held, and read, at a time. */
const helpBytesMax = 262_144

/** What the call printed, as its schema says. */
export const decode =
  <A>(schema: Schema.Schema<A, string>) =>
  ({ call, captured }: Done): Effect.Effect<A, SmolvmError> =>
    Effect.mapError(Schema.decode(schema)(Capture.stdoutText(captured)), (error) => fromParse(call, captured, error))

/**
 * The subcommands that read secrets: create keeps references only, start and exec read them again, and so do a shell, which
 * is an exec, and what boots a machine by itself (images a stopped one, monitor one that has ended).
 */
const takesSecrets: ReadonlySet<string> = new Set([
  "machine create",
  "machine run",
  "machine start",
  "machine exec",
  "machine shell",
  "machine fork",
  "machine images",
  "machine monitor"
])

/**
 * Why no release takes the arguments, so that nothing need run to say so, the reading of the capabilities included. What
 * one release refuses another may take, and what one lacks may be wrong in itself: so all are asked.
 */
const refusedByAll = (build: Build): InvalidArgument | undefined => {
  let refusal: InvalidArgument | undefined
  for (const line of Line.lines.toReversed()) {
    const built = build(capabilitiesOf(line))
    if (Either.isRight(built)) return undefined
    if (built.left._tag !== "InvalidArgument") continue
    // Which release is installed decides then what to say.
    if (refusal !== undefined && refusal.message !== built.left.message) return undefined
    refusal = built.left
  }
  return refusal
}

const known = new Map<Line.Line, Capabilities.Capabilities>()

/** The capabilities of a release line, made once, and when they are needed: most arguments are right for the newest. */
const capabilitiesOf = (line: Line.Line): Capabilities.Capabilities => {
  const capabilities = known.get(line) ?? Capabilities.fromVersion(line)
  known.set(line, capabilities)
  return capabilities
}
