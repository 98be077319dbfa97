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
import type { AttachFlags, InspectFlags, WaitFlags } from "./requests/BottleRequest.js"
import type { CleanupFlags } from "./requests/CleanupRequest.js"
import type { CommitFlags } from "./requests/CommitRequest.js"
import type { CpFlags } from "./requests/CpRequest.js"
import type { DownFlags } from "./requests/DownRequest.js"
import type { ExecFlags, ShellFlags } from "./requests/ExecRequest.js"
import type { ListFlags } from "./requests/ListRequest.js"
import type { LogsFlags } from "./requests/LogsRequest.js"
import type { PruneFlags } from "./requests/PruneRequest.js"
import type { UpFlags } from "./requests/UpRequest.js"
import type { LaunchFlags } from "./RunRequest.js"
import { VERSION } from "./Version.js"
import type { CommandRead } from "./Words.js"

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
 * What `policy watch` is asked, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface PolicyWatchFlags {
  readonly bottle: string
  readonly save: Option.Option<string>
  readonly format: Option.Option<string>
}

/**
 * What `diff` is asked, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface DiffFlags {
  readonly bottle: string
  readonly stat: boolean
  readonly format: Option.Option<string>
}

/**
 * What `apply` is asked, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface ApplyFlags {
  readonly bottle: string
  readonly dryRun: boolean
  readonly force: boolean
  readonly discard: boolean
  readonly format: Option.Option<string>
}

/**
 * What `init` is asked, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface InitFlags {
  readonly manifest: Option.Option<string>
  readonly force: boolean
  readonly format: Option.Option<string>
}

/**
 * What `config` is asked, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigFlags {
  readonly manifest: Option.Option<string>
  readonly bottle: Option.Option<string>
  readonly agent: Option.Option<string>
  readonly format: Option.Option<string>
}

/**
 * What `schema` is asked, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchemaFlags {
  readonly document: string
  readonly format: Option.Option<string>
}

/**
 * What `completion` is asked, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface CompletionFlags {
  readonly shell: string
  readonly format: Option.Option<string>
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
  | { readonly _tag: "Up"; readonly flags: UpFlags; readonly dryRun: boolean }
  | { readonly _tag: "Exec"; readonly flags: ExecFlags }
  | { readonly _tag: "Shell"; readonly flags: ShellFlags }
  | { readonly _tag: "Attach"; readonly flags: AttachFlags }
  | { readonly _tag: "Cp"; readonly flags: CpFlags }
  | { readonly _tag: "Logs"; readonly flags: LogsFlags }
  | { readonly _tag: "Ls"; readonly flags: ListFlags }
  | { readonly _tag: "Inspect"; readonly flags: InspectFlags }
  | { readonly _tag: "Down"; readonly flags: DownFlags }
  | { readonly _tag: "Wait"; readonly flags: WaitFlags }
  | { readonly _tag: "Commit"; readonly flags: CommitFlags }
  | { readonly _tag: "Prune"; readonly flags: PruneFlags }
  | { readonly _tag: "Cleanup"; readonly flags: CleanupFlags }
  | { readonly _tag: "Doctor"; readonly flags: DoctorFlags }
  | { readonly _tag: "PolicyCheck"; readonly flags: PolicyCheckFlags }
  | { readonly _tag: "PolicyExplain"; readonly flags: PolicyExplainFlags }
  | { readonly _tag: "PolicyWatch"; readonly flags: PolicyWatchFlags }
  | { readonly _tag: "Diff"; readonly flags: DiffFlags }
  | { readonly _tag: "Apply"; readonly flags: ApplyFlags }
  | { readonly _tag: "Init"; readonly flags: InitFlags }
  | { readonly _tag: "Config"; readonly flags: ConfigFlags }
  | { readonly _tag: "Schema"; readonly flags: SchemaFlags }
  | { readonly _tag: "Completion"; readonly flags: CompletionFlags }

type Take = (parsed: Parsed) => Effect.Effect<void>

/** Gives a value back for the token that went through the parser in its place. */
type ValueOf = (token: string) => string

const toggle = (flag: Flags.Flag): Options.Options<boolean> =>
  flag.short === undefined ? Options.boolean(flag.name) : Options.withAlias(Options.boolean(flag.name), flag.short)

const named = (flag: Flags.Flag): Options.Options<string> =>
  flag.short === undefined ? Options.text(flag.name) : Options.withAlias(Options.text(flag.name), flag.short)

/** What flags and operands are to the parser. */
const partsOf = (valueOf: ValueOf) => ({
  text: (flag: Flags.Flag): Options.Options<Option.Option<string>> =>
    Options.map(Options.optional(named(flag)), Option.map(valueOf)),
  texts: (flag: Flags.Flag): Options.Options<ReadonlyArray<string>> =>
    Options.map(Options.repeated(named(flag)), (tokens) => tokens.map(valueOf)),
  operand: (name: string): Args.Args<string> => Args.map(Args.text({ name }), valueOf),
  operands: (name: string): Args.Args<ReadonlyArray<string>> =>
    Args.map(Args.repeated(Args.text({ name })), (tokens) => tokens.map(valueOf))
})

const { asked, authoring, background, launch, living } = Flags

/** The flags that `run`, `plan` and `up` share. */
const lastingOptions = ({ text, texts }: ReturnType<typeof partsOf>) => ({
  image: text(launch.image),
  from: text(launch.from),
  allow: texts(launch.allow),
  deny: texts(launch.deny),
  policy: text(launch.policy),
  resolve: texts(launch.resolve),
  env: texts(launch.env),
  volume: texts(launch.volume),
  workdir: text(launch.workdir),
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
  manifest: text(launch.manifest),
  bottle: text(launch.bottle),
  agent: text(launch.agent),
  workspace: text(launch.workspace),
  trace: text(launch.trace),
  format: text(launch.format),
  quiet: toggle(launch.quiet)
})

const commandFlags = ({ text }: ReturnType<typeof partsOf>) => ({
  timeout: text(launch.timeout),
  interactive: toggle(launch.interactive),
  tty: toggle(launch.tty),
  noTty: toggle(launch.noTty)
})

const launchOptions = (parts: ReturnType<typeof partsOf>) => ({
  ...lastingOptions(parts),
  ...commandFlags(parts),
  report: parts.text(launch.report)
})

const parser = Command.run({ name: "bottle", version: VERSION })

/** The parser of one subcommand; the others' would only take time to build. */
const parserOf = (subcommand: Flags.Subcommand, valueOf: ValueOf, take: Take) => {
  const parts = partsOf(valueOf)
  const { operand, operands, text, texts } = parts
  const format = text(launch.format)
  const bottle = operand("bottle")
  const [last = ""] = subcommand.split(" ").slice(-1)
  switch (subcommand) {
    case "run":
      return parser(
        Command.make(last, { ...launchOptions(parts), dryRun: toggle(Flags.dryRun) }, ({ dryRun, ...flags }) =>
          take({ _tag: "Run", flags, dryRun })
        )
      )
    case "plan":
      return parser(Command.make(last, launchOptions(parts), (flags) => take({ _tag: "Plan", flags })))
    case "up":
      return parser(
        Command.make(
          last,
          {
            ...lastingOptions(parts),
            ttl: text(background.ttl),
            idle: text(background.idle),
            interactive: toggle(background.interactive),
            dryRun: toggle(Flags.dryRun)
          },
          ({ dryRun, ...flags }) => take({ _tag: "Up", flags, dryRun })
        )
      )
    case "exec":
      return parser(
        Command.make(
          last,
          { bottle, env: texts(launch.env), workdir: text(launch.workdir), ...commandFlags(parts), format },
          (flags) => take({ _tag: "Exec", flags })
        )
      )
    case "shell":
      return parser(
        Command.make(last, { bottle, env: texts(launch.env), workdir: text(launch.workdir), format }, (flags) =>
          take({ _tag: "Shell", flags })
        )
      )
    case "attach":
      return parser(
        Command.make(last, { bottle, interactive: toggle(living.input), format }, (flags) =>
          take({ _tag: "Attach", flags })
        )
      )
    case "cp":
      return parser(
        Command.make(
          last,
          { source: operand("source"), destination: operand("destination"), quiet: toggle(launch.quiet), format },
          (flags) => take({ _tag: "Cp", flags })
        )
      )
    case "logs":
      return parser(
        Command.make(last, { bottle, follow: toggle(living.follow), only: texts(living.only), format }, (flags) =>
          take({ _tag: "Logs", flags })
        )
      )
    case "ls":
      return parser(
        Command.make(last, { all: toggle(living.allRecorded), quiet: toggle(living.quietIds), format }, (flags) =>
          take({ _tag: "Ls", flags })
        )
      )
    case "inspect":
      return parser(Command.make(last, { bottle, format }, (flags) => take({ _tag: "Inspect", flags })))
    case "down":
      return parser(
        Command.make(last, { bottles: operands("bottle"), all: toggle(living.allDown), format }, (flags) =>
          take({ _tag: "Down", flags })
        )
      )
    case "wait":
      return parser(
        Command.make(last, { bottle, timeout: text(living.waitTimeout), format }, (flags) =>
          take({ _tag: "Wait", flags })
        )
      )
    case "commit":
      return parser(
        Command.make(last, { bottle, output: text(living.output), force: toggle(living.force), format }, (flags) =>
          take({ _tag: "Commit", flags })
        )
      )
    case "prune":
      return parser(
        Command.make(
          last,
          {
            older: text(living.older),
            maxSize: text(living.maxSize),
            packs: toggle(living.packs),
            records: toggle(living.records),
            dryRun: toggle(living.dryRun),
            format
          },
          (flags) => take({ _tag: "Prune", flags })
        )
      )
    case "cleanup":
      return parser(
        Command.make(last, { dryRun: toggle(living.dryRun), all: toggle(living.allLeftovers), format }, (flags) =>
          take({ _tag: "Cleanup", flags })
        )
      )
    case "doctor":
      return parser(
        Command.make(last, { runtime: text(launch.runtime), format }, (flags) => take({ _tag: "Doctor", flags }))
      )
    case "policy check":
      return parser(
        Command.make(last, { file: operand("file"), format }, (flags) => take({ _tag: "PolicyCheck", flags }))
      )
    case "policy explain":
      return parser(
        Command.make(
          last,
          {
            file: operand("file"),
            target: operand("target"),
            method: text(asked.method),
            path: text(asked.path),
            format
          },
          (flags) => take({ _tag: "PolicyExplain", flags })
        )
      )
    case "policy watch":
      return parser(
        Command.make(last, { bottle, save: text(authoring.saveTo), format }, (flags) =>
          take({ _tag: "PolicyWatch", flags })
        )
      )
    case "diff":
      return parser(
        Command.make(last, { bottle, stat: toggle(authoring.stat), format }, (flags) => take({ _tag: "Diff", flags }))
      )
    case "apply":
      return parser(
        Command.make(
          last,
          {
            bottle,
            dryRun: toggle(authoring.applyDryRun),
            force: toggle(authoring.applyForce),
            discard: toggle(authoring.discard),
            format
          },
          (flags) => take({ _tag: "Apply", flags })
        )
      )
    case "init":
      return parser(
        Command.make(
          last,
          { manifest: text(authoring.manifest), force: toggle(authoring.overwrite), format },
          (flags) => take({ _tag: "Init", flags })
        )
      )
    case "config":
      return parser(
        Command.make(
          last,
          { manifest: text(authoring.manifest), bottle: text(launch.bottle), agent: text(launch.agent), format },
          (flags) => take({ _tag: "Config", flags })
        )
      )
    case "schema":
      return parser(
        Command.make(last, { document: operand("document"), format }, (flags) => take({ _tag: "Schema", flags }))
      )
    case "completion":
      return parser(
        Command.make(last, { shell: operand("shell"), format }, (flags) => take({ _tag: "Completion", flags }))
      )
  }
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
export const parse = ({
  given,
  operands,
  subcommand
}: Pick<CommandRead, "given" | "operands" | "subcommand">): Effect.Effect<Parsed, never, FileSystem> =>
  Effect.gen(function* () {
    let parsed: Parsed | undefined
    const values = new Map<string, string>()
    for (const [index, { value }] of given.entries()) values.set(`v${index}`, value ?? "")
    for (const [index, value] of operands.entries()) values.set(`o${index}`, value)
    const parse = parserOf(
      subcommand,
      (token) => values.get(token) ?? token,
      (taken) =>
        Effect.sync(() => {
          parsed = taken
        })
    )
    const words = given.flatMap(({ name, value }, index) =>
      value === null ? [`--${name}`] : [`--${name}`, `v${index}`]
    )
    const line = [...words, ...operands.map((_, index) => `o${index}`)]
    // The first two words are the program's own, which the parser drops.
    yield* parse(["node", "bottle", ...line])
    return parsed ?? (yield* Effect.dieMessage("the parser called no command"))
  }).pipe(
    Effect.provide(services),
    Effect.catchAll(() => Effect.dieMessage("the parser refused flags that were read"))
  )
