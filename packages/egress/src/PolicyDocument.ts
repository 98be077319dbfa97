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
  )
}).annotations({ identifier: "PolicyDocument" })

/**
 * A policy as it is written in a file.
 *
 * @since 0.1.0
 * @category models
 */
export interface PolicyDocument extends Schema.Schema.Type<typeof PolicyDocument> {}
