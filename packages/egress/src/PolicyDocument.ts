/**
 * A policy as it is written in a file. `docs/reference/policy.schema.json` is made from the schema here.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * How much a document may hold: a policy is looked through for every request.
 *
 * @since 0.1.0
 * @category models
 */
export const limits = {
  /** Bytes of its text. */
  bytes: 1024 * 1024,
  /** Entries of `allow`, and of `deny`. */
  rules: 4096,
  /** Names that are given an address. */
  names: 1024,
  /** Credentials. */
  credentials: 64,
  /** Ports, methods, paths or ranges of one rule. */
  items: 64,
  /** Characters of any one text. */
  characters: 1024
} as const

/**
 * The methods that a rule can name: those of plain HTTP that the proxy takes.
 *
 * @since 0.1.0
 * @category models
 */
export const methods = [
  "ACL",
  "BIND",
  "CHECKOUT",
  "COPY",
  "DELETE",
  "GET",
  "HEAD",
  "LINK",
  "LOCK",
  "M-SEARCH",
  "MERGE",
  "MKACTIVITY",
  "MKCALENDAR",
  "MKCOL",
  "MOVE",
  "NOTIFY",
  "OPTIONS",
  "PATCH",
  "POST",
  "PROPFIND",
  "PROPPATCH",
  "PURGE",
  "PUT",
  "REBIND",
  "REPORT",
  "SEARCH",
  "SUBSCRIBE",
  "TRACE",
  "UNBIND",
  "UNLINK",
  "UNLOCK",
  "UNSUBSCRIBE"
] as const

const text = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(limits.characters))

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const someOf = <A, I>(item: Schema.Schema<A, I>) =>
  Schema.Array(item).pipe(Schema.minItems(1), Schema.maxItems(limits.items))

const host = text.annotations({
  description: "A name, *.NAME for every name below it, an IPv4 address, or an IPv6 address in brackets"
})

const cidr = text.annotations({ description: "A range of addresses, such as 10.0.0.0/8 or fd00::/8" })

const entry = text.annotations({
  description:
    "HOST, *.HOST, HOST:PORT, an address, [IPv6]:PORT, or a range: 10.0.0.0/8, 10.0.0.0/8:5432, [fd00::/8]:443"
})

const request = {
  ports: optional(
    someOf(
      Schema.Number.pipe(Schema.int(), Schema.between(1, 65535)).annotations({ description: "From 1 to 65535" })
    ).annotations({
      description:
        "Without them an allowed host is allowed on 80 and 443, and a denied one denied on every port; a rule with methods or paths is for port 80"
    })
  ),
  methods: optional(
    someOf(Schema.Literal(...methods)).annotations({
      description:
        "Methods of plain HTTP. What goes through a tunnel (CONNECT) cannot be judged: such a rule allows none"
    })
  ),
  paths: optional(
    someOf(text.annotations({ description: "One path, /v1/models, or all below one, /v1/*" })).annotations({
      description: "Paths of plain HTTP, the query apart"
    })
  )
}

const addresses = optional(
  Schema.Array(cidr)
    .pipe(Schema.maxItems(limits.items))
    .annotations({ description: "Ranges that are not public and that the host may resolve to all the same" })
)

/**
 * An entry of `allow` that is more than a text: for one host, or for a range of addresses.
 *
 * @since 0.1.0
 * @category models
 */
export const AllowEntry = Schema.Union(
  entry,
  Schema.Struct({ host, addresses, ...request }),
  Schema.Struct({ cidr, ...request })
)

/**
 * An entry of `allow`: a text, or an object for one host or for a range of addresses.
 *
 * @since 0.1.0
 * @category models
 */
export type AllowEntry = typeof AllowEntry.Type

/**
 * An entry of `deny`: a text, or an object for one host or for a range of addresses.
 *
 * @since 0.1.0
 * @category models
 */
export const DenyEntry = Schema.Union(entry, Schema.Struct({ host, ...request }), Schema.Struct({ cidr, ...request }))

/**
 * An entry of `deny`.
 *
 * @since 0.1.0
 * @category models
 */
export type DenyEntry = typeof DenyEntry.Type

/**
 * Where the value of a credential is read on the host, when a bottle is started: a variable of the environment, a file, or
 * what a command prints.
 *
 * @since 0.1.0
 * @category models
 */
export const CredentialSource = Schema.Union(
  Schema.Struct({ env: text.annotations({ description: "A variable of the environment that bottle is started in" }) }),
  Schema.Struct({ file: text.annotations({ description: "A file: an absolute path, or one that begins with ~/" }) }),
  Schema.Struct({
    command: someOf(text).annotations({ description: "A program and its arguments, without a shell: what it prints" })
  })
).annotations({ description: "Where the value is read on the host. The value itself never stands in a policy" })

/**
 * Where the value of a credential is read on the host.
 *
 * @since 0.1.0
 * @category models
 */
export type CredentialSource = typeof CredentialSource.Type

/**
 * A credential that stays in the bundle: the guest asks the bundle for the upstream at a local base URL, and the bundle
 * sets the header.
 *
 * @since 0.1.0
 * @category models
 */
export const CredentialEntry = Schema.Struct({
  source: CredentialSource,
  header: text.annotations({
    description: "The header that the bundle sets, in place of any that the guest sent: x-api-key, authorization"
  }),
  prefix: optional(text.annotations({ description: 'What stands in the header before the value, such as "Bearer "' })),
  upstream: text.annotations({
    description:
      "https://HOST[:PORT][/BASE], or http:// where the host is an address that is not public, or is given one in resolve"
  }),
  baseUrlVariable: optional(
    text.annotations({ description: "A variable of the guest that gets the local base URL, such as OPENAI_BASE_URL" })
  ),
  placeholderVariable: optional(
    text.annotations({
      description: "A variable of the guest that gets a placeholder, for programs that start only with a key"
    })
  ),
  methods: optional(
    someOf(Schema.Literal(...methods)).annotations({
      description: "Methods that it may be used with; without them all but TRACE, which would answer with the header"
    })
  ),
  paths: optional(
    someOf(text.annotations({ description: "One path, /v1/models, or all below one, /v1/*" })).annotations({
      description: "Paths of the upstream, its base among them, that it may be used for; the query apart"
    })
  )
})

/**
 * A credential that stays in the bundle, as it is written in a file.
 *
 * @since 0.1.0
 * @category models
 */
export type CredentialEntry = typeof CredentialEntry.Type

/**
 * A policy as it is written in a file. What it does not allow is refused, and what it denies is refused whatever allows
 * it; an empty document allows nothing.
 *
 * @since 0.1.0
 * @category models
 */
export const PolicyDocument = Schema.Struct({
  $schema: optional(text.annotations({ description: "Where an editor finds the JSON Schema of this document" })),
  version: optional(Schema.Literal(1).annotations({ description: "The version of this format" })),
  allow: optional(
    Schema.Array(AllowEntry)
      .pipe(Schema.maxItems(limits.rules))
      .annotations({ description: "What the guest may reach" })
  ),
  deny: optional(
    Schema.Array(DenyEntry)
      .pipe(Schema.maxItems(limits.rules))
      .annotations({ description: "What it may not reach, whatever allows it" })
  ),
  resolve: optional(
    Schema.Record({ key: Schema.String, value: text.annotations({ description: "An IP address" }) })
      .pipe(
        Schema.filter((names) => Object.keys(names).length <= limits.names, {
          jsonSchema: { maxProperties: limits.names }
        })
      )
      .annotations({
        description: "Addresses of names: an allowed name is dialled there, whatever kind of address that is"
      })
  ),
  upstream: optional(
    text.annotations({
      description: "http://HOST:PORT of a proxy that every connection goes through, to the address that was judged"
    })
  ),
  credentials: optional(
    Schema.Record({ key: Schema.String, value: CredentialEntry })
      .pipe(
        Schema.filter((entries) => Object.keys(entries).length <= limits.credentials, {
          jsonSchema: { maxProperties: limits.credentials }
        })
      )
      .annotations({
        description:
          "Credentials by name (a-z, 0-9 and -, at most 63 characters): the guest uses them at a local base URL and never sees their values"
      })
  )
}).annotations({ identifier: "PolicyDocument" })

/**
 * A policy as it is written in a file.
 *
 * @since 0.1.0
 * @category models
 */
export interface PolicyDocument extends Schema.Schema.Type<typeof PolicyDocument> {}
