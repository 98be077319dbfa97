/**
 * A manifest as it is written in `bottle.json`: bottles and agents by their names.
 * `docs/reference/manifest.schema.json` is made from the schema here.
 *
 * @since 0.1.0
 */
import { PolicyDocument } from "@bottle/egress/PolicyDocument"
import * as Schema from "effect/Schema"
import { expected } from "./internal/manifest/expected.js"
import * as Quantity from "./Quantity.js"

/**
 * How much a manifest may hold.
 *
 * @since 0.1.0
 * @category models
 */
export const limits = {
  /** Bytes of its text. */
  bytes: 1024 * 1024,
  /** Objects and lists inside of each other. */
  depth: 32,
  /** Bottles, and agents. */
  names: 256,
  /** Words, mounts, variables, hosts or credentials of one entry. */
  items: 1024,
  /** Characters of any one text. */
  characters: 32 * 1024
} as const

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** A text that is taken where a condition holds; `what` says which texts those are. */
const textOf = (options: {
  readonly what: string
  readonly example: string
  readonly description: string
  readonly pattern?: string
  readonly isTaken?: (text: string) => boolean
}) => {
  const pattern = options.pattern === undefined ? undefined : new RegExp(options.pattern)
  return Schema.String.pipe(
    Schema.filter(
      (text) =>
        text.length > 0 &&
        text.length <= limits.characters &&
        !text.includes("\0") &&
        (pattern?.test(text) ?? true) &&
        (options.isTaken?.(text) ?? true),
      {
        description: options.description,
        jsonSchema: {
          minLength: 1,
          maxLength: limits.characters,
          ...(options.pattern === undefined ? {} : { pattern: options.pattern })
        },
        ...expected({ what: options.what, example: options.example })
      }
    )
  )
}

const plainText = (description: string, example: string) => textOf({ what: "a text", example, description })

const listOf = <A, I>(item: Schema.Schema<A, I>, description: string) =>
  Schema.Array(item).pipe(
    Schema.filter((items) => items.length <= limits.items, {
      description,
      jsonSchema: { maxItems: limits.items },
      ...expected({ what: `a list of at most ${limits.items} entries`, example: "[]" })
    })
  )

const namedBy = <A, I>(value: Schema.Schema<A, I>, max: number, description: string) =>
  Schema.Record({ key: Schema.String, value }).pipe(
    Schema.filter((entries) => Object.keys(entries).length <= max, {
      description,
      jsonSchema: { maxProperties: max },
      ...expected({ what: `an object of at most ${max} entries`, example: "{}" })
    })
  )

/**
 * The names that bottles and agents may have.
 *
 * @since 0.1.0
 * @category models
 */
export const NAME_PATTERN = "^[a-z0-9][a-z0-9-]*$"

const nameOf = (description: string) =>
  textOf({
    what: "a name: lower-case letters, digits and dashes, not beginning with a dash",
    example: '"dev"',
    description,
    pattern: NAME_PATTERN
  })

const lifetime = (description: string) =>
  textOf({
    what: "a time with its unit (ms, s, m, h, d) of no more than 24 days",
    example: '"2h"',
    description,
    pattern: "^[0-9]{1,10}(ms|s|m|h|d)$",
    isTaken: (text) => Quantity.parseLifetime(text) !== undefined
  })

const guestPath = (description: string) =>
  textOf({ what: "an absolute path in the guest", example: '"/work"', description, pattern: "^/" })

/**
 * The value of a variable of the guest: a literal, or a reference to a variable of the host's, which is a secret.
 *
 * @since 0.1.0
 * @category models
 */
export const EnvValue = Schema.Union(
  Schema.String.pipe(
    Schema.filter((text) => text.length <= limits.characters && !text.includes("\0"), {
      description: "The value itself. It can be seen in the plan and in lists of processes: no secret",
      jsonSchema: { maxLength: limits.characters },
      ...expected({ what: `a text of at most ${limits.characters} characters`, example: '"value"' })
    })
  ),
  Schema.Struct({
    from: textOf({
      what: "a variable's name: letters, digits and _, not beginning with a digit",
      example: '"GITHUB_TOKEN"',
      description: "The variable of your own environment that is passed on",
      pattern: "^[A-Za-z_][A-Za-z0-9_]*$"
    })
  }).annotations({
    description: "A variable of your own environment, passed on as a secret: never part of a command line or a plan"
  })
)

/**
 * The value of a variable of the guest.
 *
 * @since 0.1.0
 * @category models
 */
export type EnvValue = typeof EnvValue.Type

const env = optional(
  Schema.Record({ key: Schema.String, value: EnvValue }).pipe(
    Schema.filter((entries) => Object.keys(entries).length <= limits.items, {
      description: "Variables of the guest, by their names",
      jsonSchema: { maxProperties: limits.items, propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" } },
      ...expected({ what: `an object of at most ${limits.items} variables`, example: "{}" })
    })
  )
)

/**
 * A directory of the host that the guest sees.
 *
 * @since 0.1.0
 * @category models
 */
export const Mount = Schema.Struct({
  host: textOf({
    what: "a path that is absolute, or begins with ~/",
    example: '"~/src/project"',
    description: "The directory on the host: an absolute path, or one below your home directory, ~/src/project",
    pattern: "^(/|~/|~$)"
  }),
  guest: guestPath("Where the guest sees it, an absolute path"),
  readonly: optional(Schema.Boolean.annotations({ description: "Whether the guest can only read it; false without" }))
}).annotations({ description: "A directory of the host that the guest sees" })

/**
 * How much of the host's machine the guest gets.
 *
 * @since 0.1.0
 * @category models
 */
export const Limits = Schema.Struct({
  cpus: optional(
    Schema.Number.pipe(
      Schema.filter((count) => Number.isInteger(count) && count >= 1 && count < 1_000_000_000, {
        description: "How many CPUs the guest has",
        jsonSchema: { type: "integer", minimum: 1, description: "How many CPUs the guest has" },
        ...expected({ what: "a number of CPUs", example: "2" })
      })
    )
  ),
  mem: optional(
    textOf({
      what: "an amount of memory in MiB, or with M or G",
      example: '"2G"',
      description: "The guest's memory in MiB, or with a unit: 512M, 2G",
      pattern: "^[0-9]{1,9}([MG](iB)?)?$",
      isTaken: (text) => Quantity.parseMebibytes(text) !== undefined
    })
  )
}).annotations({ description: "How much of the machine the guest gets" })

/**
 * What a bottle of that name begins with.
 *
 * @since 0.1.0
 * @category models
 */
export const Bottle = Schema.Struct({
  image: optional(
    plainText(
      "What to boot from: an image reference, or the path of a rootfs directory or an image archive, which begins with /, ./ or ../ and is looked for beside the manifest",
      '"alpine:3.20"'
    )
  ),
  pack: optional(
    textOf({
      what: "a path that is absolute, or begins with ~/",
      example: '"~/packs/dev.smolmachine"',
      description: "A .smolmachine pack to boot from instead of an image: an absolute path, or one below your home, ~/",
      pattern: "^(/|~/)"
    })
  ),
  isolation: optional(
    Schema.Literal("any", "microvm").annotations({
      description: "What the bottle insists on: microvm refuses a runtime that shares the host's kernel"
    })
  ),
  runtime: optional(
    textOf({
      what: "smolvm, local, or the path of a program that is absolute or begins with ~/",
      example: '"smolvm"',
      description: "What runs the machine: smolvm, local, or the path of a program that speaks as smolvm does",
      pattern: "^(smolvm$|local$|/|~/)"
    })
  ),
  bundle: optional(
    Schema.Literal("process", "container", "none").annotations({
      description: "Where the egress proxy runs: beside the launch, in a container, or nowhere (no network)"
    })
  ),
  topology: optional(
    Schema.Literal("socket", "address").annotations({
      description: "How the guest reaches its bundle: one mounted socket and no network, or one address"
    })
  ),
  limits: optional(Limits),
  workdir: optional(guestPath("The guest's working directory, an absolute path")),
  env,
  mounts: optional(listOf(Mount, "Directories of the host that the guest sees")),
  policy: optional(
    Schema.Union(
      plainText(
        "The file of a policy document; a relative path is looked for beside the manifest",
        '"policies/dev.json"'
      ),
      Schema.Struct(PolicyDocument.fields).annotations({ description: "What the guest may reach" })
    ).annotations({ description: "What the guest may reach, or the file that says it" })
  ),
  ttl: optional(lifetime("bottle up takes the bottle down after this long (ms, s, m, h, d)")),
  idle: optional(lifetime("bottle up takes the bottle down when nothing has happened in it for this long")),
  timeout: optional(
    textOf({
      what: "a time with its unit (ms, s, m, h)",
      example: '"30s"',
      description: "bottle run ends the command after this long (ms, s, m, h); exit code 124",
      pattern: "^[0-9]{1,10}(ms|s|m|h)$",
      isTaken: (text) => Quantity.parseDuration(text) !== undefined
    })
  )
}).annotations({ description: "What a bottle of this name begins with; flags add to it, or replace it" })

/**
 * What a bottle begins with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bottle extends Schema.Schema.Type<typeof Bottle> {}

/**
 * How an agent is given its prompt: as its last argument, on its standard input, or behind a flag.
 *
 * @since 0.1.0
 * @category models
 */
export const Prompt = Schema.Union(
  Schema.Literal("argument", "stdin").annotations({
    description: "argument: the last word of the command; stdin: the command's standard input"
  }),
  Schema.Struct({
    flag: plainText("The flag that the prompt follows", '"-p"')
  }).annotations({ description: "The last two words of the command: this flag, and the prompt" })
)

/**
 * How an agent is given its prompt.
 *
 * @since 0.1.0
 * @category models
 */
export type Prompt = typeof Prompt.Type

/** Credentials by name, as a policy document holds them. */
const credentials = PolicyDocument.fields.credentials

/**
 * A program that works on a prompt, and what it needs for that.
 *
 * @since 0.1.0
 * @category models
 */
export const Agent = Schema.Struct({
  extends: optional(nameOf("An agent that bottle knows (claude, codex); what is said here adds to it, or replaces it")),
  bottle: optional(nameOf("The bottle it runs in, where --bottle names no other one")),
  command: optional(
    Schema.Array(plainText("A word of the command", '"claude"')).pipe(
      Schema.filter((words) => words.length >= 1 && words.length <= limits.items, {
        description: "The program and its words, without the prompt; needed where extends names no agent",
        jsonSchema: { minItems: 1, maxItems: limits.items },
        ...expected({ what: "a list of one word or more", example: '["claude"]' })
      })
    )
  ),
  prompt: optional(Prompt.annotations({ description: "How the command is given its prompt; argument without" })),
  allow: optional(listOf(plainText("A host as --allow takes it", '"api.example.com"'), "Hosts that it needs")),
  credentials,
  env,
  workspace: optional(
    Schema.Literal("copy", "ro", "rw").annotations({
      description: "What --workspace DIR is where it does not say: a copy, read-only, or changed in place"
    })
  )
}).annotations({ description: "A program that works on a prompt, and what it needs for that" })

/**
 * A program that works on a prompt.
 *
 * @since 0.1.0
 * @category models
 */
export interface Agent extends Schema.Schema.Type<typeof Agent> {}

/**
 * The whole manifest.
 *
 * @since 0.1.0
 * @category models
 */
export const Manifest = Schema.Struct({
  $schema: optional(
    plainText("Where an editor finds the JSON Schema of this document", '"https://example.com/manifest.schema.json"')
  ),
  version: optional(Schema.Literal(1).annotations({ description: "The version of this format" })),
  bottle: optional(nameOf("The bottle that run, up and plan begin with where neither --bottle nor --agent names one")),
  bottles: optional(namedBy(Bottle, limits.names, "Bottles by their names: lower-case letters, digits and dashes")),
  agents: optional(namedBy(Agent, limits.names, "Agents by their names: lower-case letters, digits and dashes"))
}).annotations({ description: "Bottles and agents by their names" })

/**
 * A manifest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Manifest extends Schema.Schema.Type<typeof Manifest> {}
