// Asks a subcommand for its options, each alone and each two together, and gives what is refused.
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { build } from "./build.mjs"

/** Texts of which each kind of value takes one at least. */
const texts = [
  "box",
  "8",
  "64",
  "30s",
  "10.0.0.1",
  "8080:80",
  "/srv:/srv",
  "/srv",
  "KEY=VALUE",
  "KEY=/srv/key",
  "tsi",
  "virtio-net",
  "on-failure",
  "linux/amd64",
  "socks5://127.0.0.1:1080",
  "http://127.0.0.1:3128",
  "127.0.0.1:4000",
  "640"
]

const sampleOf = ({ key, kind, schema }) => {
  if (kind === "flag" || kind === "toggle") return true
  if (kind === "trailing") return ["true"]
  const decode = Schema.decodeUnknownEither(schema ?? Schema.String)
  const value = texts.map((text) => decode(text)).find(Either.isRight)?.right
  if (value === undefined) throw new Error(`none of the texts here is a value of ${key}`)
  return kind === "list" ? [value] : value
}

/** Enough of the release lines to meet what changed: the oldest, the newest, and one between. */
const probed = (lines) => [lines.at(0), lines.at(-2), lines.at(-1)]

/** The errors of every option alone and of every two. */
export const refused = ({ capabilities, lines, modules }, module, { options, positionals }) => {
  const all = [...options, ...positionals].filter(({ key }) => key !== null)
  const samples = all.map((option) => [option.key, sampleOf(option)])
  const needed = Object.fromEntries(samples.filter((_, index) => all[index].required === true))
  const pairs = samples.flatMap((one, index) => samples.slice(index).map((other) => Object.fromEntries([one, other])))
  return probed(lines).flatMap((line) => {
    const release = capabilities.fromVersion(line)
    return pairs.flatMap((pair) => {
      const built = build(modules.get(module), { ...needed, ...pair }, release)
      return Either.isLeft(built) ? [built.left] : []
    })
  })
}
