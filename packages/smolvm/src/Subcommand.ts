/**
 * smolvm's subcommands as data: which options each takes under which key, in the order in which its argv is written, and
 * what of them excludes what. Arguments, checks and the gates by release all come from it, and the reference pages too.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Capabilities } from "./Capabilities.js"
import { has, updateFor } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import { IgnoredOption, InvalidArgument, UnsupportedCommand, UnsupportedOption } from "./SmolvmError.js"
import type { Value } from "./Value.js"
import { problemOf } from "./Value.js"

/**
 * One option of a subcommand.
 *
 * @since 0.1.0
 * @category models
 */
export interface Option {
  /** The key in the subcommand's options; `null` for one that is always sent. */
  readonly key: string | null
  /** The long name: `--volume`. */
  readonly long: string
  /** How it stands in an argv: the long name or a short one. */
  readonly written: string
  /** `flag`: sent for `true`. `toggle`: `long` for `true`, `negated` for `false`. `list`: once for each element. */
  readonly kind: "flag" | "toggle" | "value" | "list"
  /** The long name that a toggle sends for `false`. */
  readonly negated?: string | undefined
  /** What a value, or an element of a list, is checked and written by. */
  readonly schema?: Schema.Schema.AnyNoContext | undefined
  /** The positional that stands for the option on the releases that take names without `--name` (up to 1.0.1). */
  readonly positional?: string | undefined
  /** Whether the option cannot be left out. */
  readonly required?: boolean | undefined
}

/**
 * One positional of a subcommand. The words of a `trailing` one come last, after `--`, and are read by nobody.
 *
 * @since 0.1.0
 * @category models
 */
export interface Positional {
  readonly key: string
  /** As usage names it: `COMMAND`. */
  readonly name: string
  readonly kind: "one" | "trailing"
  readonly required: boolean
  /** What a single one is checked and written by. */
  readonly schema?: Schema.Schema.AnyNoContext | undefined
}

/**
 * What a rule says against some options: `problem` where they are wrong, `circumstance` where the release would take
 * `option` and ignore it, else that the release has no such thing, and which one does.
 *
 * @since 0.1.0
 * @category models
 */
export type Objection =
  | { readonly option: string; readonly problem: string }
  | { readonly option: string; readonly circumstance: string; readonly neededVersion: string | null }
  | { readonly option: string; readonly neededVersion: string | null }

/**
 * What of a subcommand's options excludes or needs what, beyond each by itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule<in Options> {
  /** The rule in one sentence, with the versions it holds for. */
  readonly sentence: string
  readonly check: (options: Options, capabilities: Capabilities) => Objection | undefined
}

/**
 * A subcommand, over the options it takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subcommand<in Options = never> {
  /** `machine create`. */
  readonly command: string
  /** What it does, in one sentence. */
  readonly summary: string
  /** In the order in which they are written. */
  readonly options: ReadonlyArray<Option>
  readonly positionals: ReadonlyArray<Positional>
  readonly rules: ReadonlyArray<Rule<Options>>
}

/**
 * The arguments of a subcommand for a release: `InvalidArgument` for what is wrong by itself, `UnsupportedCommand` and
 * `UnsupportedOption` for what the release lacks, `IgnoredOption` for what it would take and ignore.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = <Options extends object>(
  subcommand: Subcommand<Options>,
  options: Options,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    const { command } = subcommand
    const given = new Map<string, unknown>(Object.entries(options))
    const parts: Array<ReadonlyArray<string>> = []
    for (const option of subcommand.options) {
      parts.push(yield* words(command, option, given.get(option.key ?? ""), capabilities))
    }
    for (const positional of subcommand.positionals) {
      parts.push(yield* wordsOf(command, positional, given.get(positional.key)))
    }
    const objections = subcommand.rules.flatMap(({ check }) => check(options, capabilities) ?? [])
    yield* first(objections.flatMap((objection) => invalid(command, objection)))
    yield* whole(command, parts.flat())
    yield* supported(subcommand, given, capabilities)
    yield* first(objections.flatMap((objection) => unfit(command, objection, capabilities)))
    return [...command.split(" "), ...parts.flat()]
  })

/**
 * Builds a subcommand's options, each under a key of `Options`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const builders = <Options>(): Builders<Options> => ({
  flag: (key, long, short) => ({ key, long, written: short ?? long, kind: "flag" }),
  toggle: (key, long, negated) => ({ key, long, written: long, kind: "toggle", negated }),
  value: (key, long, schema, short) => ({ key, long, written: short ?? long, kind: "value", schema }),
  list: (key, long, schema, short) => ({ key, long, written: short ?? long, kind: "list", schema }),
  always: (long, short) => ({ key: null, long, written: short ?? long, kind: "flag" }),
  one: (key, name, schema, required = true) => ({ key, name, kind: "one", required, schema }),
  trailing: (key, required) => ({ key, name: "COMMAND", kind: "trailing", required })
})

/**
 * The keys of options whose values are of a type.
 *
 * @since 0.1.0
 * @category models
 */
export type KeyOf<Options, A> = {
  [Key in keyof Options & string]-?: NonNullable<Options[Key]> extends A ? Key : never
}[keyof Options & string]

/**
 * What `builders` gives.
 *
 * @since 0.1.0
 * @category models
 */
export interface Builders<Options> {
  /** A flag, sent for `true`. */
  readonly flag: (key: KeyOf<Options, boolean>, long: string, short?: string) => Option
  /** Two flags: `long` for `true`, `negated` for `false`. */
  readonly toggle: (key: KeyOf<Options, boolean>, long: string, negated: string) => Option
  /** An option with one value. */
  readonly value: <Key extends keyof Options & string>(
    key: Key,
    long: string,
    schema: Value<NonNullable<Options[Key]>>,
    short?: string
  ) => Option
  /** An option that is repeated for each element. */
  readonly list: <Key extends keyof Options & string>(
    key: Key,
    long: string,
    schema: Value<ElementOf<Options[Key]>>,
    short?: string
  ) => Option
  /** A flag that is always sent. */
  readonly always: (long: string, short?: string) => Option
  /** A positional of one word. */
  readonly one: <Key extends keyof Options & string>(
    key: Key,
    name: string,
    schema: Value<NonNullable<Options[Key]>>,
    required?: boolean
  ) => Positional
  /** The command of the machine. */
  readonly trailing: (key: KeyOf<Options, ReadonlyArray<string>>, required: boolean) => Positional
}

/**
 * The type of a list's elements.
 *
 * @since 0.1.0
 * @category models
 */
export type ElementOf<List> = NonNullable<List> extends ReadonlyArray<infer Element> ? Element : never

/** Whether an option was asked for: nothing, an empty list and a flag that is `false` were not. */
const isUsed = (option: Option, value: unknown): boolean => {
  if (value === undefined) return false
  if (option.kind === "list") return Array.isArray(value) && value.length > 0
  return option.kind === "flag" ? value === true : true
}

/** The words of one option. A value that begins with a dash is attached: clap would take it for an option. */
const words = (
  command: string,
  option: Option,
  value: unknown,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    const { key, kind, long, negated, written } = option
    if (key === null) return [written]
    yield* typed(command, option, value)
    if (!isUsed(option, value)) return option.required === true ? yield* refuse(command, long, "must be given") : []
    if (kind === "flag" || kind === "toggle") return [value === false ? (negated ?? long) : written]
    const texts = yield* textsOf(command, option, value)
    if (option.positional !== undefined && capabilities.nameStyle === "positional") return texts
    return texts.flatMap((text) => (text.startsWith("-") && text !== "-" ? [`${long}=${text}`] : [written, text]))
  })

const wordsOf = (
  command: string,
  positional: Positional,
  value: unknown
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    const { kind, name, required } = positional
    if (kind === "one") {
      if (value === undefined) return required ? yield* refuse(command, name, "must be given") : []
      return yield* textsOf(command, { ...positional, kind: "value", long: name }, value)
    }
    yield* typed(command, { kind: "list", long: "the command" }, value)
    const trailing: ReadonlyArray<string> = Array.isArray(value) ? value : []
    if (trailing.length === 0)
      return required ? yield* refuse(command, "the command", "must have at least one word") : []
    return trailing.every((word) => typeof word === "string")
      ? ["--", ...trailing]
      : yield* refuse(command, "the command", "must have words that are texts")
  })

/** What a program without types gives in the place of a flag or a list is refused, not left out. */
const typed = (
  command: string,
  { kind, long }: Pick<Option, "kind" | "long">,
  value: unknown
): Either.Either<void, ArgumentError> => {
  if (value === undefined || kind === "value") return Either.void
  if (kind === "list") return Array.isArray(value) ? Either.void : refuse(command, long, "must be a list")
  return typeof value === "boolean" ? Either.void : refuse(command, long, "must be true or false")
}

const textsOf = (
  command: string,
  { kind, long, schema }: Pick<Option, "kind" | "long" | "schema">,
  value: unknown
): Either.Either<ReadonlyArray<string>, ArgumentError> => {
  const encode = Schema.encodeUnknownEither(schema ?? Schema.String)
  const values: ReadonlyArray<unknown> = kind === "list" && Array.isArray(value) ? value : [value]
  return Either.mapLeft(
    Either.all(values.map((each) => Either.map(encode(each), String))),
    (error) => new InvalidArgument({ command, option: long, problem: problemOf(error) })
  )
}

const supported = <Options>(
  { command, options }: Subcommand<Options>,
  given: ReadonlyMap<string, unknown>,
  capabilities: Capabilities
): Either.Either<void, ArgumentError> => {
  const { version } = capabilities
  if (!has(capabilities, command)) {
    return Either.left(new UnsupportedCommand({ command, version, neededVersion: updateFor(capabilities, command) }))
  }
  const lacking = options
    .filter((option) => option.key !== null && option.positional === undefined && isUsed(option, given.get(option.key)))
    .map(({ key, long, negated }) => (given.get(key ?? "") === false ? (negated ?? long) : long))
    .find((long) => !has(capabilities, command, long))
  return lacking === undefined
    ? Either.void
    : Either.left(
        new UnsupportedOption({
          command,
          option: lacking,
          version,
          neededVersion: updateFor(capabilities, command, lacking)
        })
      )
}

/** No program can receive a NUL byte, and half of a character becomes another one on the way. */
const whole = (command: string, argv: ReadonlyArray<string>): Either.Either<void, InvalidArgument> => {
  if (argv.some((element) => element.includes("\0"))) return refuse(command, "an argument", "holds a NUL byte")
  return argv.some((element) => /\p{Surrogate}/u.test(element))
    ? refuse(command, "an argument", "holds half of a character: it is no well-formed text")
    : Either.void
}

const refuse = (command: string, option: string, problem: string): Either.Either<never, InvalidArgument> =>
  Either.left(new InvalidArgument({ command, option, problem }))

const invalid = (command: string, objection: Objection): ReadonlyArray<ArgumentError> =>
  "problem" in objection ? [new InvalidArgument({ command, ...objection })] : []

const unfit = (command: string, objection: Objection, { version }: Capabilities): ReadonlyArray<ArgumentError> => {
  if ("problem" in objection) return []
  return "circumstance" in objection
    ? [new IgnoredOption({ command, version, ...objection })]
    : [new UnsupportedOption({ command, version, ...objection })]
}

const first = (errors: ReadonlyArray<ArgumentError>): Either.Either<void, ArgumentError> => {
  const [error] = errors
  return error === undefined ? Either.void : Either.left(error)
}
