/**
 * The values that smolvm's options take, as schemas: decoded they are what a caller gives (a number of bytes, a record of
 * two ports), encoded they are the text that stands in an argv. Both ways they are checked, before anything runs.
 *
 * A problem is told in words that fit behind the option's name (`--cpus must be a whole number from 1 to 255`), and never
 * holds the value itself, which may be a secret.
 *
 * @since 0.1.0
 */
import { isIPv4, isIPv6 } from "node:net"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Machines from "./MachineName.js"
import * as Timeout from "./Timeout.js"

/**
 * A value and its text.
 *
 * @since 0.1.0
 * @category models
 */
export type Value<A> = Schema.Schema<A, string>

/**
 * A port of the host and the port of the guest that it leads to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ports {
  readonly host: number
  readonly guest: number
}

/**
 * A directory of the host, or a remote source, and where it is seen in the guest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Volume {
  /** An absolute path without `:`; on `machine create` from 1.9.3 also a remote source, `s3://…` or rclone's `NAME:PATH`. */
  readonly host: string
  /** An absolute path without `:`. */
  readonly guest: string
  readonly readonly: boolean
}

/**
 * A path of the host and where it is seen in the guest: absolute paths without `:`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mapping {
  readonly host: string
  readonly guest: string
}

/**
 * A unix socket of the guest, and where it is seen on the host; without `host`, where smolvm puts it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExposedSocket {
  readonly guest: string
  readonly host?: string | undefined
}

/**
 * A variable of the guest whose value smolvm reads from a variable of its own environment.
 *
 * @since 0.1.0
 * @category models
 */
export interface SecretEnv {
  readonly guest: string
  readonly host: string
}

/**
 * A variable of the guest whose value smolvm reads from a file of the host: an absolute path.
 *
 * @since 0.1.0
 * @category models
 */
export interface SecretFile {
  readonly guest: string
  readonly path: string
}

/**
 * Why a value is refused, in one line that does not hold it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const problemOf = (error: ParseResult.ParseError): string =>
  ParseResult.ArrayFormatter.formatErrorSync(error)[0]?.message ?? "is not understood"

const Words = Schema.String.annotations({ message: () => "must be a text" })

/** Of whatever else is given in the place of a record or a list; what is wrong inside is told by its own words. */
const shape = { message: () => "must be of the type that its documentation names" }

const Digits = Schema.Number.annotations({ message: () => "must be a number" })

/** A text that stands in argv as it is. */
const asItIs = (problem: (text: string) => string | undefined): Value<string> =>
  Words.pipe(Schema.filter((text) => problem(text) ?? true))

/** A value with a text of its own; `what` is said of a text that stands for none. */
const written = <A>(
  value: Schema.Schema<A>,
  what: string,
  read: (text: string) => A | undefined,
  write: (value: A) => string
): Value<A> =>
  Schema.transformOrFail(Words, value, {
    strict: true,
    decode: (text, _, ast) => {
      const found = read(text)
      return found === undefined ? ParseResult.fail(new ParseResult.Type(ast, text, what)) : ParseResult.succeed(found)
    },
    encode: (given) => ParseResult.succeed(write(given))
  })

/**
 * A text with a rule of its own, and, where it does not stand in argv as it is, what does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const text = (options: {
  readonly problem: (text: string) => string | undefined
  readonly write?: ((text: string) => string) | undefined
}): Value<string> =>
  written(
    Words.pipe(Schema.filter((given) => options.problem(given) ?? true)),
    "must be a text",
    (given) => given,
    options.write ?? ((given) => given)
  )

/**
 * A text that is not blank.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Text: Value<string> = asItIs((text) => (text.trim() === "" ? "must not be empty" : undefined))

/**
 * A reference in a registry: not blank, without spaces, and not to be taken for an option.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Reference: Value<string> = asItIs((text) => {
  if (text === "") return "must not be empty"
  return /^[^\s-]\S*$/.test(text) ? undefined : "must have no spaces and not begin with '-'"
})

/**
 * The name of a machine, by smolvm's rules; see `MachineName`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MachineName: Value<string> = asItIs(Machines.problem)

/**
 * What the names of several machines begin with, before their numbers; so it may end in `-`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const NamePrefix: Value<string> = asItIs((text) =>
  text === "" ? "must not be empty" : Machines.problem(`${text}0`)
)

/**
 * A whole number between two bounds.
 *
 * @since 0.1.0
 * @category schemas
 */
export const count = (least: number, most: number): Value<number> =>
  written(
    Digits.pipe(
      Schema.filter((value) =>
        Number.isInteger(value) && value >= least && value <= most
          ? true
          : `must be a whole number from ${least} to ${most}`
      )
    ),
    "must be a whole number",
    (text) => (/^\d{1,16}$/.test(text) ? Number(text) : undefined),
    String
  )

/** What smolvm's `u32` holds. */
const most32 = 4_294_967_295

/**
 * A number of virtual processors: 1 to 255.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Cpus: Value<number> = count(1, 255)

/**
 * A machine's memory in MiB, at least 64.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MemMib: Value<number> = count(64, most32)

/**
 * A whole number of at least 1, of up to 32 bits.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Positive: Value<number> = count(1, most32)

/**
 * A whole number of at least 0, of up to 32 bits.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Whole: Value<number> = count(0, most32)

/**
 * A size or a count of at least 1, as large as a number is exact.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Size: Value<number> = count(1, Number.MAX_SAFE_INTEGER)

/**
 * A number of bytes, at least 1. It is written without a unit.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ByteCount: Value<number> = Size

/** A hundred years: a longer duration is a mistake, and would be written as a number that smolvm cannot read. */
const longestMillis = 3_153_600_000_000

/**
 * A duration in milliseconds, more than 0 and at most a hundred years; fractions of a millisecond are rounded up.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DurationMillis: Value<number> = written(
  Digits.pipe(
    Schema.filter((millis) =>
      millis > 0 && millis <= longestMillis ? true : `must be more than 0 and at most ${longestMillis} ms`
    )
  ),
  "must be a duration with a unit",
  Timeout.parseMillis,
  Timeout.formatMillis
)

/**
 * An address, or a network as `ADDRESS/PREFIX`, IPv4 or IPv6.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Cidr: Value<string> = asItIs((text) => {
  const [address = "", prefix, ...rest] = text.split("/")
  const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes("%") ? 128 : -1
  const prefixIsRight = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
  return bits > 0 && rest.length === 0 && prefixIsRight ? undefined : "must be an address or ADDRESS/PREFIX"
})

/**
 * The name of a host, or an address literal; without a port.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HostName: Value<string> = asItIs((text) =>
  (isIPv6(text) && !text.includes("%")) || /^[A-Za-z0-9_*][A-Za-z0-9_.*-]*$/.test(text)
    ? undefined
    : "must be a host name or an address"
)

/**
 * An IPv4 address.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Ipv4: Value<string> = asItIs((text) => (isIPv4(text) ? undefined : "must be an IPv4 address"))

/**
 * One of some words.
 *
 * @since 0.1.0
 * @category schemas
 */
export const oneOf = <const Literals extends readonly [string, ...ReadonlyArray<string>]>(
  ...words: Literals
): Value<Literals[number]> =>
  Schema.Literal(...words).annotations({
    message: () => ({ message: `must be one of ${words.join(", ")}`, override: true })
  })

/**
 * The network backend of a machine.
 *
 * @since 0.1.0
 * @category schemas
 */
export const NetBackend: Value<"tsi" | "virtio-net"> = oneOf("tsi", "virtio-net")

/**
 * When a machine that has stopped is started again.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RestartPolicy: Value<"never" | "always" | "on-failure" | "unless-stopped"> = oneOf(
  "never",
  "always",
  "on-failure",
  "unless-stopped"
)

/**
 * What an image is made for, as `OS/ARCH` or `OS/ARCH/VARIANT`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OciPlatform: Value<string> = asItIs((text) =>
  /^[A-Za-z0-9_.]+(?:\/[A-Za-z0-9_.]+){1,2}$/.test(text) ? undefined : "must be OS/ARCH, such as linux/amd64"
)

/**
 * The URL of a proxy, without a user and a password: everybody on the host can read an argv.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProxyUrl: Value<string> = asItIs((text) => {
  if (!/^(?:https?|socks5h?):\/\/[^/]/.test(text) || !URL.canParse(text)) {
    return "must be a URL such as http://proxy.example:3128"
  }
  const { password, username } = new URL(text)
  return username === "" && password === ""
    ? undefined
    : "must have no user and password in it: put such a URL into HTTPS_PROXY of smolvm's own environment"
})

/**
 * The hosts that are reached without a proxy.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProxyExceptions: Value<ReadonlyArray<string>> = written(
  Schema.Array(Words)
    .annotations(shape)
    .pipe(
      Schema.filter((hosts) =>
        hosts.length > 0 && hosts.every((host) => /^[^\s,-][^\s,]*$/.test(host))
          ? true
          : "must be hosts, at least one, without commas and spaces"
      )
    ),
  "must be hosts",
  (text) => text.split(","),
  (hosts) => hosts.join(",")
)

/**
 * The URL of a SOCKS5 listener of the host: `socks5://127.0.0.1:1080`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SocksUrl: Value<string> = asItIs((text) =>
  /^socks5:\/\/(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/.test(text) && isPort(text.split(":").at(-1))
    ? undefined
    : "must be socks5://HOST:PORT"
)

/**
 * An address and a port: `127.0.0.1:8080`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HostPort: Value<string> = asItIs((text) =>
  /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.][A-Za-z0-9.-]*):\d{1,5}$/.test(text) && isPort(text.split(":").at(-1))
    ? undefined
    : "must be HOST:PORT"
)

const isPort = (text: string | undefined): boolean => Number(text) >= 1 && Number(text) <= 65_535

const Port = Digits.pipe(
  Schema.filter((port) =>
    Number.isInteger(port) && port >= 1 && port <= 65_535 ? true : "needs ports that are whole numbers from 1 to 65535"
  )
)

/**
 * Two ports, written `HOST:GUEST`; a text with one port means the same port on both sides.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Ports: Value<Ports> = written(
  Schema.Struct({ host: Port, guest: Port }).annotations(shape),
  "must be HOST:GUEST",
  (text) => {
    const [, host, guest = host] = /^\+?(\d{1,5})(?::\+?(\d{1,5}))?$/.exec(text) ?? []
    return host === undefined ? undefined : { host: Number(host), guest: Number(guest) }
  },
  ({ guest, host }) => `${host}:${guest}`
)

const isAbsolute = (path: string): boolean => path.startsWith("/")

const pathsProblem = ({ guest, host }: Mapping): string | undefined => {
  if (!isAbsolute(host) || !isAbsolute(guest)) return "needs absolute paths on both sides"
  return host.includes(":") || guest.includes(":") ? "cannot take a path with ':' in it" : undefined
}

const separators = (guest: string): string | undefined =>
  /[;|]/.test(guest) ? "cannot take a guest path with ';' or '|' in it" : undefined

const volume = (problem: (volume: Volume) => string | undefined): Value<Volume> =>
  written(
    Schema.Struct({
      host: Words,
      guest: Words,
      readonly: Schema.Boolean.annotations({ message: () => "must say readonly" })
    })
      .annotations(shape)
      .pipe(Schema.filter((given) => problem(given) ?? true)),
    "must be HOST:GUEST, HOST:GUEST:ro or HOST:GUEST:rw",
    (text) => {
      const [, host, guest, mode] = /^(.*?):(\/[^:]*)(?::(ro|rw))?$/s.exec(text) ?? []
      return host === undefined || guest === undefined ? undefined : { host, guest, readonly: mode === "ro" }
    },
    ({ guest, host, readonly }) => `${host}:${guest}${readonly ? ":ro" : ""}`
  )

/**
 * A directory of the host in the guest, written `HOST:GUEST` or `HOST:GUEST:ro`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Volume: Value<Volume> = volume(pathsProblem)

/**
 * Whether the source of a volume is remote: `s3://…`, or rclone's `NAME:PATH`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isRemote = ({ host }: Pick<Volume, "host">): boolean =>
  /^s3:\/\/[^/:\s][^:\s]*$/.test(host) || /^[A-Za-z0-9_][A-Za-z0-9_.+@-]*:(?!\/\/)[^:]*$/.test(host)

/**
 * A directory of the host, or a remote source, in the guest.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AnyVolume: Value<Volume> = volume((given) =>
  isRemote(given) ? pathsProblem({ host: "/", guest: given.guest }) : pathsProblem(given)
)

const colon = (text: string): Mapping | undefined => {
  const [host, guest, ...rest] = text.split(":")
  return host === undefined || guest === undefined || rest.length > 0 ? undefined : { host, guest }
}

const Pair = Schema.Struct({ host: Words, guest: Words }).annotations(shape)

/**
 * Two paths, written `HOST:GUEST`: what `--remove-volume` names.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Mapping: Value<Mapping> = written(
  Pair.pipe(Schema.filter((mapping) => pathsProblem(mapping) ?? true)),
  "must be HOST:GUEST",
  colon,
  ({ guest, host }) => `${host}:${guest}`
)

/**
 * A unix socket of the host in the guest, written `HOST:GUEST`; the guest's path has no `;` and no `|`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SocketMapping: Value<Mapping> = written(
  Pair.pipe(Schema.filter((mapping) => pathsProblem(mapping) ?? separators(mapping.guest) ?? true)),
  "must be HOST:GUEST",
  colon,
  ({ guest, host }) => `${host}:${guest}`
)

/**
 * A unix socket of the guest on the host, written `GUEST` or `GUEST:HOST`; the guest's path has no `;` and no `|`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExposedSocket: Value<ExposedSocket> = written(
  Schema.Struct({ guest: Words, host: Schema.optional(Words) })
    .annotations(shape)
    .pipe(Schema.filter(({ guest, host }) => pathsProblem({ guest, host: host ?? "/" }) ?? separators(guest) ?? true)),
  "must be GUEST or GUEST:HOST",
  (text) => {
    const [guest, host, ...rest] = text.split(":")
    return guest === undefined || rest.length > 0 ? undefined : host === undefined ? { guest } : { guest, host }
  },
  ({ guest, host }) => (host === undefined ? guest : `${guest}:${host}`)
)

const nameProblem = (name: string): string | undefined => {
  if (name === "") return "needs a name"
  if (name.includes("=")) return "has a name with '=' in it"
  return name.startsWith("-") ? "has a name that begins with '-'" : undefined
}

const cut = (text: string): readonly [string, string] | undefined => {
  const at = text.indexOf("=")
  return at < 0 ? undefined : [text.slice(0, at), text.slice(at + 1)]
}

/**
 * The name of a variable.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VariableName: Value<string> = asItIs(nameProblem)

/**
 * A name and its value, written `NAME=VALUE`: a variable or a label.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Variable: Value<readonly [name: string, value: string]> = written(
  Schema.Tuple(Words, Words)
    .annotations(shape)
    .pipe(Schema.filter(([name]) => nameProblem(name) ?? true)),
  "must be NAME=VALUE",
  cut,
  ([name, value]) => `${name}=${value}`
)

/**
 * A variable of the guest and the variable of the host that holds its value, written `GUEST=HOST`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SecretEnv: Value<SecretEnv> = written(
  Pair.pipe(Schema.filter(({ guest, host }) => nameProblem(guest) ?? nameProblem(host) ?? true)),
  "must be GUEST=HOST",
  (text) => {
    const [guest, host] = cut(text) ?? []
    return guest === undefined || host === undefined ? undefined : { guest, host }
  },
  ({ guest, host }) => `${guest}=${host}`
)

/**
 * A variable of the guest and the file of the host that holds its value, written `GUEST=/PATH`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SecretFile: Value<SecretFile> = written(
  Schema.Struct({ guest: Words, path: Words })
    .annotations(shape)
    .pipe(
      Schema.filter(
        ({ guest, path }) => nameProblem(guest) ?? (isAbsolute(path) ? true : "needs the absolute path of a file")
      )
    ),
  "must be GUEST=/PATH",
  (text) => {
    const [guest, path] = cut(text) ?? []
    return guest === undefined || path === undefined ? undefined : { guest, path }
  },
  ({ guest, path }) => `${guest}=${path}`
)

/**
 * The permissions of a file, 0 to 0o7777, written in octal digits.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FileMode: Value<number> = written(
  Digits.pipe(
    Schema.filter((mode) =>
      Number.isInteger(mode) && mode >= 0 && mode <= 0o7777 ? true : "must be a mode from 0 to 0o7777"
    )
  ),
  "must be octal digits",
  (text) => (/^[0-7]{1,5}$/.test(text) ? Number.parseInt(text, 8) : undefined),
  (mode) => mode.toString(8).padStart(4, "0")
)
