/**
 * What every program with smolvm's command line must show, as cases that need no test framework: the same run against an
 * in-memory smolvm, the local runtime as a real process, and a real smolvm.
 *
 * A case is an effect that fails where the program does otherwise. It says what it needs (`needs`), and in which versions
 * smolvm behaves so (`since`, `before`): `casesOf` gives those of a version, and `lack` says what a case misses. What they
 * expect was read in smolvm's source at each public tag.
 *
 * @since 0.1.0
 */
import * as Capture from "@bottle/process/Capture"
import * as Capabilities from "@bottle/smolvm/Capabilities"
import * as Line from "@bottle/smolvm/Line"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import * as Checks from "./internal/conformance/checks.js"
import * as Creation from "./internal/conformance/creation.js"
import * as Guest from "./internal/conformance/guest.js"
import * as Lifecycle from "./internal/conformance/lifecycle.js"
import * as Lines from "./internal/conformance/lines.js"
import type { Called, Case, Need } from "./internal/conformance/model.js"
import { ConformanceFailure, Subject } from "./internal/conformance/model.js"
import * as Subcommands from "./internal/conformance/subcommands.js"
import * as Temp from "./Temp.js"

export {
  /**
   * @since 0.1.0
   * @category models
   */
  type Called,
  /**
   * @since 0.1.0
   * @category models
   */
  type CallOptions,
  /**
   * @since 0.1.0
   * @category models
   */
  type Case,
  /**
   * @since 0.1.0
   * @category errors
   */
  ConformanceFailure,
  /**
   * @since 0.1.0
   * @category models
   */
  type Need,
  /**
   * @since 0.1.0
   * @category services
   */
  Subject
} from "./internal/conformance/model.js"

/**
 * Every case, those that need nothing first.
 *
 * @since 0.1.0
 * @category constants
 */
export const cases: ReadonlyArray<Case> = [
  ...Lines.cases,
  ...Lifecycle.cases,
  ...Creation.cases,
  ...Subcommands.cases,
  ...Guest.cases
]

/**
 * Which program is tried.
 *
 * @since 0.1.0
 * @category models
 */
export interface SubjectOptions {
  readonly program: string
  /** Words before the arguments: a script that `program` interprets. */
  readonly first?: ReadonlyArray<string> | undefined
  /** Its whole environment; `isolated` makes one. */
  readonly env: Readonly<Record<string, string>>
  /** An empty directory for the files of the cases, which the program must be able to use; one of its own by default. */
  readonly directory?: string | undefined
  /** What every machine is created with, such as `["--image", PATH]`; nothing by default. */
  readonly createArguments?: ReadonlyArray<string> | undefined
}

/**
 * The program that is tried, over whatever executor there is. Fails where it does not say a version as smolvm does.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: SubjectOptions
): Layer.Layer<Subject, ConformanceFailure, CommandExecutor.CommandExecutor> =>
  Layer.scoped(
    Subject,
    Effect.gen(function* () {
      const executor = yield* CommandExecutor.CommandExecutor
      const directory = options.directory ?? (yield* Temp.directory)
      const call = calling(options, directory, executor)
      const called = yield* call(["--version"])
      const version = Capabilities.parseVersion(Checks.stdoutOf(called))
      if (version === undefined) return yield* Checks.failure("expected smolvm's version on stdout", called)
      return {
        program: options.program,
        capabilities: Capabilities.fromVersion(version),
        createArguments: options.createArguments ?? [],
        directory,
        call
      }
    })
  )

const timeoutMillis = 120_000

const calling =
  (
    { env, first = [], program }: SubjectOptions,
    cwd: string,
    executor: CommandExecutor.CommandExecutor
  ): Subject["Type"]["call"] =>
  (argv, options = {}) =>
    Capture.capture(
      { program, args: [...first, ...argv], env: { ...env, ...options.env }, cwd },
      { stdin: options.stdin, timeoutMillis: options.timeoutMillis ?? timeoutMillis, graceMillis: 1000 }
    ).pipe(
      Effect.provideService(CommandExecutor.CommandExecutor, executor),
      Effect.map(({ exit, stderr, stdout }): Called => ({ argv, code: exit.code, stdout, stderr })),
      Effect.mapError(
        ({ message }) => new ConformanceFailure({ problem: message, argv, exitCode: null, stdout: "", stderr: "" })
      )
    )

/**
 * An environment in which smolvm and the local runtime keep their machines in `directory`, whose path should be short:
 * sockets of machines lie below it, and a socket's path has 108 bytes at most. The agent's root filesystem stays that of
 * `env`; everything else that would change how smolvm behaves is left out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const isolated = (
  directory: string,
  env: Readonly<Record<string, string | undefined>>
): Readonly<Record<string, string>> => {
  const dataHome = env["XDG_DATA_HOME"] ?? (env["HOME"] === undefined ? undefined : `${env["HOME"]}/.local/share`)
  const rootfs = env["SMOLVM_AGENT_ROOTFS"] ?? (dataHome === undefined ? undefined : `${dataHome}/smolvm/agent-rootfs`)
  const kept = Object.entries({
    PATH: env["PATH"],
    HOME: env["HOME"],
    SMOLVM_LIB_DIR: env["SMOLVM_LIB_DIR"],
    SMOLVM_AGENT_ROOTFS: rootfs
  })
  return {
    ...Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
    XDG_DATA_HOME: Path.join(directory, "d"),
    XDG_CACHE_HOME: Path.join(directory, "c"),
    XDG_STATE_HOME: Path.join(directory, "s"),
    XDG_CONFIG_HOME: Path.join(directory, "e"),
    SMOLVM_CONFIG: Path.join(directory, "config.toml"),
    SMOLVM_VM_UID_DROP: "off"
  }
}

/**
 * The cases of a version: smolvm behaved otherwise before and after the others.
 *
 * @since 0.1.0
 * @category accessors
 */
export const casesOf = (version: string): ReadonlyArray<Case> =>
  cases.filter(
    ({ before, since }) =>
      (since === undefined || Line.compare(version, since) >= 0) &&
      (before === undefined || Line.compare(version, before) < 0)
  )

/**
 * What a program or its host does not provide, each with why.
 *
 * @since 0.1.0
 * @category models
 */
export type Lacking = Readonly<Partial<Record<Need, string>>>

/**
 * What of the needs of a case is lacking, and why; `undefined` where the case can be run.
 *
 * @since 0.1.0
 * @category predicates
 */
export const lack = ({ needs }: Case, lacking: Lacking): string | undefined => {
  const need = needs.find((one) => lacking[one] !== undefined)
  return need === undefined ? undefined : `no ${need}: ${lacking[need]}`
}

/**
 * What the program does not provide on this host, found by trying: whether a machine boots and runs a command, whether
 * one can have a network, and whether `machine update` is there. Takes a minute at most where a machine does not boot,
 * and leaves none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const probe: Effect.Effect<Lacking, never, Subject> = Effect.gen(function* () {
  const tried: ReadonlyArray<readonly [Need, Checks.Checked<unknown>]> = [
    ["guest", Checks.running()],
    ["network", Checks.created(["--net"])],
    ["subcommands", Effect.flatMap(Checks.freshName, Subcommands.updatesNothing)]
  ]
  const lacking: Partial<Record<Need, string>> = {}
  for (const [need, effect] of tried) {
    const failure = yield* Effect.flip(Effect.scoped(effect)).pipe(Effect.option)
    if (failure._tag === "Some") lacking[need] = reason(failure.value)
  }
  return lacking
})

const reason = ({ problem, stderr }: ConformanceFailure): string =>
  stderr.trimEnd().split("\n").at(-1)?.trim().slice(0, 200) || problem
