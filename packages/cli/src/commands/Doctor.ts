/**
 * `bottle doctor`: whether this machine can run a bottle, line by line, each with what to do about it.
 *
 * @since 0.1.0
 */
import * as Docker from "@bottle/docker/Docker"
import * as Directories from "@bottle/engine/Directories"
import * as Engine from "@bottle/engine/Engine"
import { PROGRAMS } from "@bottle/engine/GuestRelay"
import * as Prerequisites from "@bottle/local/Prerequisites"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as Printable from "../Printable.js"
import { dockerProgram, type Format } from "../RunRequest.js"
import * as RuntimeChoice from "../RuntimeChoice.js"
import * as RuntimeLayer from "../RuntimeLayer.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"

const NODE_MAJOR_MIN = 20

/** Where the local runtime's guests find their programs: the host's own, read-only. */
const GUEST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * One thing that was looked at.
 *
 * - `verdict`: `ok`; `missing` when no bottle runs without it; `optional` when something runs without it
 * - `fix`: what to do, null when there is nothing to
 *
 * @since 0.1.0
 * @category models
 */
export class Check extends Schema.Class<Check>("@bottle/cli/Check")({
  name: Schema.String,
  verdict: Schema.Literal("ok", "missing", "optional"),
  detail: Schema.String,
  fix: Schema.NullOr(Schema.String)
}) {}

/**
 * What `doctor --format json` prints. `ok` says whether a bottle can run here; `runtime` is null when it does not
 * answer.
 *
 * @since 0.1.0
 * @category models
 */
export class Diagnosis extends Schema.Class<Diagnosis>("@bottle/cli/Diagnosis")({
  version: Schema.Literal(1),
  ok: Schema.Boolean,
  runtime: Schema.NullOr(
    Schema.Struct({
      kind: Schema.Literal("smolvm", "local"),
      program: Schema.String,
      version: Schema.String,
      isolation: Schema.Literal("microvm", "namespaces")
    })
  ),
  checks: Schema.Array(Check)
}) {}

const ok = (name: string, detail: string): Check => new Check({ name, verdict: "ok", detail, fix: null })

const lacking = (name: string, verdict: "missing" | "optional", detail: string, fix: string): Check =>
  new Check({ name, verdict, detail: Printable.line(detail), fix: Printable.line(fix) })

const checkNode = (version: string): Check =>
  Number.parseInt(version, 10) >= NODE_MAJOR_MIN
    ? ok("Node", version)
    : lacking("Node", "missing", version, `install Node ${NODE_MAJOR_MIN} or newer`)

const checkKeeper = ({ keeper, programDirectory }: Context.Tag.Service<Invocation>): Check =>
  keeper === null
    ? lacking(
        "keeper",
        "optional",
        `there is no bottle-keeper.mjs in ${programDirectory}`,
        "put it beside bottle: without it `bottle up` cannot run, and a bottle whose owner is killed is left"
      )
    : ok("keeper", Printable.line(keeper.at(-1) ?? ""))

interface RuntimeFound {
  readonly runtime: Diagnosis["runtime"]
  readonly check: Check
}

const checkRuntime = (
  choice: RuntimeChoice.RuntimeChoice
): Effect.Effect<RuntimeFound, never, Engine.Engine | Smolvm.Smolvm> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm.Smolvm
    const { runtime: kind } = yield* Engine.Engine
    const capabilities = yield* smolvm.capabilities
    const isolation = kind === "local" ? "namespaces" : "microvm"
    const version = Printable.line(capabilities.versionText, 120)
    const said = kind === "local" ? "local runtime: namespaces, shared kernel" : "microVM, a kernel of its own"
    const fallback = choice._tag === "Local" && choice.isFallback ? "; smolvm is not on PATH" : ""
    return {
      runtime: { kind, program: smolvm.program, version, isolation } as const,
      check: ok("runtime", `${version} (${said}${fallback})`)
    }
  }).pipe(
    Effect.catchAll((error) =>
      Effect.succeed({
        runtime: null,
        check: lacking("runtime", "missing", error.message, error.suggestion)
      })
    )
  )

const checkLocal: Effect.Effect<ReadonlyArray<Check>, never, CommandExecutor> = Effect.map(
  Prerequisites.check,
  (found) =>
    found.map(({ detail, fix, name, ok: isThere }) =>
      isThere
        ? ok(name, Printable.line(detail))
        : lacking(name, name.startsWith("overlayfs") ? "optional" : "missing", detail, fix)
    )
)

/** Only the local runtime's guests have this machine's programs; what an image has, only a launch can tell. */
const checkRelay: Effect.Effect<Check, never, FileSystem.FileSystem> = Effect.gen(function* () {
  for (const program of PROGRAMS) {
    const path = yield* RuntimeChoice.findOnPath(program, GUEST_PATH)
    if (path !== undefined) return ok("relay program", path)
  }
  const detail = `none of ${PROGRAMS.join(", ")} is in ${GUEST_PATH}`
  return lacking("relay program", "missing", detail, `install ${PROGRAMS[0]}, or run with --bundle none (no network)`)
})

/** Whether a directory can be made there: the nearest one that exists must take new entries. */
const checkDirectory = (name: string, directory: string): Effect.Effect<Check, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    let at = directory
    while (at !== "/" && !(yield* Effect.orElseSucceed(fs.exists(at), () => false))) at = Path.dirname(at)
    return yield* fs.access(at, { writable: true }).pipe(
      Effect.as(ok(name, Printable.line(directory))),
      Effect.orElseSucceed(() =>
        lacking(name, "missing", `${at} cannot be written to`, `make ${directory} writable for you`)
      )
    )
  })

const checkDocker: Effect.Effect<Check, never, Invocation | CommandExecutor> = Effect.flatMap(
  Docker.Docker,
  (docker) => docker.version
).pipe(
  Effect.map(({ client, server }) => ok("docker", `client ${client}, daemon ${server}`)),
  Effect.catchAll((error) =>
    Effect.succeed(
      lacking("docker", "optional", error.message, `nothing, unless you want --bundle container: ${error.suggestion}`)
    )
  ),
  Effect.provide(
    Layer.unwrapEffect(
      Effect.map(Invocation, ({ environment }) => Docker.layer({ program: dockerProgram(environment) }))
    )
  )
)

const diagnose = (
  runtime: string | null
): Effect.Effect<Diagnosis, never, Invocation | CommandExecutor | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const invocation = yield* Invocation
    const choice = yield* RuntimeChoice.choose(runtime, invocation)
    const { check, runtime: found } = yield* Effect.provide(checkRuntime(choice), RuntimeLayer.diagnosed(choice))
    const isLocal = choice._tag === "Local" || found?.kind === "local"
    const directories = Directories.fromEnvironment(invocation.environment)
    const checks = [
      checkNode(invocation.nodeVersion),
      check,
      ...(isLocal ? [...(yield* checkLocal), yield* checkRelay] : []),
      yield* checkDirectory("state directory", directories.state),
      yield* checkDirectory("run directory", directories.run),
      checkKeeper(invocation),
      yield* checkDocker
    ]
    return new Diagnosis({
      version: 1,
      ok: checks.every(({ verdict }) => verdict !== "missing"),
      runtime: found,
      checks
    })
  })

const marks = { ok: "ok      ", missing: "MISSING ", optional: "optional" } as const

const render = ({ checks, ok: isOk }: Diagnosis): string =>
  [
    ...checks.flatMap(({ detail, fix, name, verdict }) => [
      `${marks[verdict]}  ${name}: ${detail}`,
      ...(fix === null ? [] : [`          try: ${fix}`])
    ]),
    isOk ? "A bottle can run here." : "A bottle cannot run here."
  ].join("\n")

/**
 * What the program was asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface DoctorRequest {
  readonly runtime: string | null
  readonly format: Format
}

/**
 * Prints the diagnosis; the exit code is 0 when a bottle can run here, 125 when it cannot.
 *
 * @since 0.1.0
 * @category constructors
 */
export const doctor = (
  request: DoctorRequest
): Effect.Effect<number, never, Invocation | Stdio.Stdio | CommandExecutor | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const diagnosis = yield* diagnose(request.runtime)
    yield* Stdio.outputText(
      request.format === "json" ? JSON.stringify(Schema.encodeSync(Diagnosis)(diagnosis), null, 2) : render(diagnosis)
    )
    return diagnosis.ok ? ExitStatus.success : ExitStatus.launchFailed
  }).pipe(Effect.catchAllCause((cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" })))
