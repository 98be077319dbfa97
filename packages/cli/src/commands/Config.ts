/**
 * `bottle config`: what the manifest says of a bottle and an agent, put together, and where every value comes from.
 *
 * @since 0.1.0
 */
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ConfigFlags } from "../Commands.js"
import { ExitStatus } from "../ExitStatus.js"
import { formatOf } from "../FlagValues.js"
import { Invocation } from "../Invocation.js"
import * as ManifestFile from "../ManifestFile.js"
import * as ManifestPlace from "../ManifestPlace.js"
import * as Printable from "../Printable.js"
import * as RunRequest from "../RunRequest.js"
import * as SettingsText from "../SettingsText.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"

/**
 * The document of a merged manifest.
 *
 * @since 0.1.0
 * @category models
 */
export const ConfigDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  config: Schema.Struct({
    manifest: Schema.NullOr(Schema.String).annotations({
      description: "The manifest that was read; null where there is none"
    }),
    bottle: Schema.NullOr(Schema.String).annotations({
      description: "The bottle of the manifest that a launch begins with; null where it begins with none"
    }),
    agent: Schema.NullOr(Schema.String).annotations({ description: "The agent that was asked for; null for none" }),
    settings: Schema.Array(
      Schema.Struct({
        key: Schema.String.annotations({
          description: "What it is about, as the manifest spells it: limits.cpus, env.LANG, mounts./work"
        }),
        value: Schema.Unknown.annotations({
          description:
            "The value: times in milliseconds, memory in MiB, paths absolute. Of a secret and a credential it says where it is taken from"
        }),
        origin: Schema.Struct({
          kind: Schema.Literal("default", "environment", "bottle", "preset", "agent", "flag").annotations({
            description:
              "default: nobody said anything else; environment: a variable; bottle, agent: of the manifest; preset: an agent that bottle knows"
          }),
          name: Schema.String.annotations({
            description: "The variable, the bottle or the agent; empty for a default"
          })
        }).annotations({ description: "Where the value comes from" })
      })
    ).annotations({ description: "Every value, in the order of a manifest" })
  }).annotations({ description: "What a launch of this bottle and agent begins with, before its flags" })
})

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(ConfigDocument, { space: 2 })))

const headOf = ({ agent, bottle, file }: RunRequest.Beginning): ReadonlyArray<string> => [
  `# ${file === null ? "no manifest: bottle init writes one" : Printable.line(file)}`,
  ...(bottle === null ? [] : [`# bottle ${bottle}`]),
  ...(agent === null ? [] : [`# agent ${agent}`])
]

const print = (flags: ConfigFlags) =>
  Effect.gen(function* () {
    const invocation = yield* Invocation
    const place = yield* ManifestPlace.find(flags.manifest, invocation)
    const read = place === null ? null : yield* ManifestFile.read(place.file)
    const beginning = yield* RunRequest.begin(flags, read, invocation.environment)
    const rows = SettingsText.rows(beginning)
    const { agent, bottle, file } = beginning
    yield* Stdio.outputText(
      formatOf(flags.format) === "json"
        ? encode({
            version: 1,
            config: {
              manifest: file,
              bottle,
              agent,
              settings: rows.map(({ key, origin, value }) => ({ key, value, origin }))
            }
          })
        : [...headOf(beginning), ...SettingsText.lines(rows)].join("\n")
    )
    return ExitStatus.success
  })

/**
 * Prints the merged manifest and gives the exit code.
 *
 * @since 0.1.0
 * @category constructors
 */
export const config = (flags: ConfigFlags): Effect.Effect<number, never, Invocation | Stdio.Stdio | FileSystem> =>
  Effect.catchAllCause(print(flags), (cause) =>
    Told.failWith(cause, { format: formatOf(flags.format), jsonOn: "stdout" })
  )
