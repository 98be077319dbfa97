/**
 * `bottle --version --format json`: the versions of all parts.
 *
 * @since 0.1.0
 */
import * as Engine from "@bottle/engine/Engine"
import { lazy } from "@bottle/process/Lazy"
import * as Line from "@bottle/smolvm/Line"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as Printable from "../Printable.js"
import * as RuntimeChoice from "../RuntimeChoice.js"
import * as RuntimeLayer from "../RuntimeLayer.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import { VERSION } from "../Version.js"

/**
 * The versions of the libraries that the program is bundled with.
 *
 * @since 0.1.0
 * @category constants
 */
export const LIBRARIES = {
  effect: "3.22.4",
  "@effect/platform": "0.97.2",
  "@effect/platform-node": "0.108.1",
  "@effect/cli": "0.77.2"
} as const

const text = (description: string) => Schema.String.annotations({ description })

const nullable = (description: string) => Schema.NullOr(Schema.String).annotations({ description })

/**
 * The versions of all parts. Docker is not asked: `doctor` does.
 *
 * @since 0.1.0
 * @category models
 */
export const VersionDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  bottle: text("The version of bottle"),
  node: text("The version of Node.js that runs it"),
  platform: text("The operating system, as Node.js names it"),
  arch: text("The processor, as Node.js names it"),
  libraries: Schema.Record({ key: Schema.String, value: Schema.String }).annotations({
    description: "The libraries that it is bundled with, and their versions"
  }),
  smolvm: Schema.Struct({
    newest: text("The newest release whose command line is known"),
    lines: Schema.Array(Schema.String).annotations({
      description: "Every release line whose command line is known, the oldest first"
    })
  }).annotations({ description: "Which releases of smolvm it speaks to" }),
  runtime: Schema.Struct({
    kind: Schema.Literal("smolvm", "local").annotations({ description: "What it is" }),
    program: text("The program that would be run"),
    version: nullable("As its --version says; null where it does not answer"),
    line: nullable("The release line whose grammar is spoken to it; null where it does not answer")
  }).annotations({ description: "The runtime that a launch without --runtime would take" })
})

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(VersionDocument)))

const found = Effect.gen(function* () {
  const choice = yield* RuntimeChoice.choose(null, yield* Invocation)
  const asked = Effect.gen(function* () {
    const { runtime: kind } = yield* Engine.Engine
    const smolvm = yield* Smolvm.Smolvm
    const { line, versionText } = yield* smolvm.capabilities
    return { kind, program: smolvm.program, version: Printable.line(versionText, 120), line }
  })
  return yield* asked.pipe(
    Effect.provide(RuntimeLayer.layer(choice)),
    Effect.orElseSucceed(() => ({
      kind: choice._tag === "Local" ? ("local" as const) : ("smolvm" as const),
      program: choice.program,
      version: null,
      line: null
    }))
  )
})

/**
 * Prints them as JSON and gives the exit code. A runtime that does not answer is a version that is not known, no failure.
 *
 * @since 0.1.0
 * @category constructors
 */
export const versions: Effect.Effect<number, never, Invocation | Stdio.Stdio | CommandExecutor | FileSystem> =
  Effect.gen(function* () {
    const { arch, nodeVersion, platform } = yield* Invocation
    const runtime = yield* found
    const document = encode({
      version: 1,
      bottle: VERSION,
      node: nodeVersion,
      platform,
      arch,
      libraries: LIBRARIES,
      smolvm: { newest: Line.newest, lines: Line.lines },
      runtime
    })
    yield* Stdio.outputText(document)
    return ExitStatus.success
  }).pipe(Effect.catchAllCause((cause) => Told.failWith(cause, { format: "json", jsonOn: "stdout" })))
