/**
 * The parser, made from the table of flags.
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Terminal from "@effect/platform/Terminal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Flags from "./Flags.js"
import type { LaunchFlags } from "./RunRequest.js"
import { VERSION } from "./Version.js"
import type { CommandRead } from "./Words.js"

const toggle = (flag: Flags.Flag): Options.Options<boolean> =>
  flag.short === undefined ? Options.boolean(flag.name) : Options.withAlias(Options.boolean(flag.name), flag.short)

/** Gives a value back for the token that went through the parser in its place. */
type ValueOf = (token: string) => string

const named = (flag: Flags.Flag): Options.Options<string> =>
  flag.short === undefined ? Options.text(flag.name) : Options.withAlias(Options.text(flag.name), flag.short)

const { launch } = Flags

const textOption =
  (valueOf: ValueOf) =>
  (flag: Flags.Flag): Options.Options<Option.Option<string>> =>
    Options.map(Options.optional(named(flag)), Option.map(valueOf))

const launchOptions = (valueOf: ValueOf) => {
  const text = textOption(valueOf)
  const texts = (flag: Flags.Flag): Options.Options<ReadonlyArray<string>> =>
    Options.map(Options.repeated(named(flag)), (tokens) => tokens.map(valueOf))
  return {
    image: text(launch.image),
    from: text(launch.from),
    allow: texts(launch.allow),
    deny: texts(launch.deny),
    policy: text(launch.policy),
    resolve: texts(launch.resolve),
    env: texts(launch.env),
    volume: texts(launch.volume),
    workdir: text(launch.workdir),
    timeout: text(launch.timeout),
    interactive: toggle(launch.interactive),
    tty: toggle(launch.tty),
    noTty: toggle(launch.noTty),
    cpus: text(launch.cpus),
    mem: text(launch.mem),
    name: text(launch.name),
    keepOnFailure: toggle(launch.keepOnFailure),
    runtime: text(launch.runtime),
    bundle: text(launch.bundle),
    topology: text(launch.topology),
    unprovenEgress: toggle(launch.unprovenEgress),
    bundleImage: text(launch.bundleImage),
    bundleBase: text(launch.bundleBase),
    format: text(launch.format),
    report: text(launch.report),
    quiet: toggle(launch.quiet)
  }
}

/**
 * The flags of `doctor`, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface DoctorFlags {
  readonly runtime: Option.Option<string>
  readonly format: Option.Option<string>
}

/**
 * What `policy check` is asked, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface PolicyCheckFlags {
  readonly file: string
  readonly format: Option.Option<string>
}

/**
 * What `policy explain` is asked, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface PolicyExplainFlags extends PolicyCheckFlags {
  readonly target: string
  readonly method: Option.Option<string>
  readonly path: Option.Option<string>
}

/**
 * A line that was parsed: its subcommand and the flags of it.
 *
 * @since 0.1.0
 * @category models
 */
export type Parsed =
  | { readonly _tag: "Run"; readonly flags: LaunchFlags; readonly dryRun: boolean }
  | { readonly _tag: "Plan"; readonly flags: LaunchFlags }
  | { readonly _tag: "Doctor"; readonly flags: DoctorFlags }
  | { readonly _tag: "PolicyCheck"; readonly flags: PolicyCheckFlags }
  | { readonly _tag: "PolicyExplain"; readonly flags: PolicyExplainFlags }

type Take = (parsed: Parsed) => Effect.Effect<void>

const tree = (valueOf: ValueOf, take: Take) => {
  const { format, runtime, ...others } = launchOptions(valueOf)
  const options = { ...others, format, runtime }
  const text = textOption(valueOf)
  const operand = (name: string): Args.Args<string> => Args.map(Args.text({ name }), valueOf)
  const file = operand("file")
  return Command.make("bottle").pipe(
    Command.withSubcommands([
      Command.make("run", { ...options, dryRun: toggle(Flags.dryRun) }, ({ dryRun, ...flags }) =>
        take({ _tag: "Run", flags, dryRun })
      ),
      Command.make("plan", options, (flags) => take({ _tag: "Plan", flags })),
      Command.make("doctor", { format, runtime }, (flags) => take({ _tag: "Doctor", flags })),
      Command.make("policy").pipe(
        Command.withSubcommands([
          Command.make("check", { file, format }, (flags) => take({ _tag: "PolicyCheck", flags })),
          Command.make(
            "explain",
            { file, target: operand("target"), method: text(Flags.asked.method), path: text(Flags.asked.path), format },
            (flags) => take({ _tag: "PolicyExplain", flags })
          )
        ])
      )
    ])
  )
}

/** We never ask questions; a parser that wants to is a defect. */
const noTerminal = Layer.succeed(Terminal.Terminal, {
  columns: Effect.succeed(80),
  rows: Effect.succeed(24),
  isTTY: Effect.succeed(false),
  readInput: Effect.dieMessage("bottle never prompts"),
  readLine: Effect.dieMessage("bottle never prompts"),
  display: () => Effect.void
})

const services = Layer.mergeAll(CliConfig.layer({ isCaseSensitive: true }), Path.layer, noTerminal)

/**
 * Parses what `Words.read` has read of a command. It refuses none of that: that it does is a defect.
 *
 * Values do not go through the parser, tokens do: it trims values, and takes some for flags and booleans of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = ({ given, operands, subcommand }: CommandRead): Effect.Effect<Parsed, never, FileSystem> =>
  Effect.gen(function* () {
    let parsed: Parsed | undefined
    const values = new Map<string, string>()
    for (const [index, { value }] of given.entries()) values.set(`v${index}`, value ?? "")
    for (const [index, value] of operands.entries()) values.set(`o${index}`, value)
    const commands = tree(
      (token) => values.get(token) ?? token,
      (taken) =>
        Effect.sync(() => {
          parsed = taken
        })
    )
    const words = given.flatMap(({ name, value }, index) =>
      value === null ? [`--${name}`] : [`--${name}`, `v${index}`]
    )
    const line = [...subcommand.split(" "), ...words, ...operands.map((_, index) => `o${index}`)]
    // The first two words are the program's own, which the parser drops.
    yield* Command.run(commands, { name: "bottle", version: VERSION })(["node", "bottle", ...line])
    return parsed ?? (yield* Effect.dieMessage("the parser called no command"))
  }).pipe(
    Effect.provide(services),
    Effect.catchAll(() => Effect.dieMessage("the parser refused flags that were read"))
  )
