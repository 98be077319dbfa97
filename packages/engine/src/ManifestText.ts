/**
 * The reading of a manifest from its text: nothing is overlooked, and what is wrong is named with its place.
 *
 * @since 0.1.0
 */
import * as Nearest from "@bottle/egress/Nearest"
import * as Policy from "@bottle/egress/Policy"
import type { DocumentInvalid, PolicyError } from "@bottle/egress/PolicyError"
import { lazy } from "@bottle/process/Lazy"
import * as Either from "effect/Either"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { explain } from "./internal/manifest/explain.js"
import { printable } from "./internal/manifest/printable.js"
import * as Syntax from "./internal/manifest/syntax.js"
import * as Manifest from "./Manifest.js"
import type { ManifestInvalid } from "./ManifestError.js"
import { extended, type Presets } from "./Settings.js"

type Path = ReadonlyArray<string | number>
type Checked = Either.Either<void, ManifestInvalid>

const decode = lazy((): ((value: unknown) => Either.Either<Manifest.Manifest, ParseResult.ParseError>) =>
  Schema.decodeUnknownEither(Manifest.Manifest, { onExcessProperty: "error", errors: "first" })
)

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (found, part) =>
      typeof found === "object" && found !== null && Object.hasOwn(found, part) ? Reflect.get(found, part) : undefined,
    value
  )

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The parts of a path inside of what it is for: `allow[3].paths[0]`. */
const partsOf = (place: string): Path =>
  [...place.matchAll(/\[([0-9]+)\]|([^.[\]]+)/g)].map(([, index, key]) =>
    index === undefined ? (key ?? "") : Number(index)
  )

/** What the policy's own reader says of a part of the manifest, at its place there. */
const refusePolicy = ({ refuse }: Syntax.Read, path: Path, error: DocumentInvalid | PolicyError): ManifestInvalid => {
  const place = error.place ?? ""
  const isWithin = error._tag === "DocumentInvalid"
  const message = error.message
  const prefix = `${place === "" ? "the policy" : place}: `
  return refuse([...path, ...partsOf(place)], {
    reason: "policy",
    detail: message.startsWith(prefix) ? message.slice(prefix.length) : isWithin ? error.detail : message,
    advice: error.suggestion
  })
}

/** A document of a policy, or a part of one, that stands in the manifest; `at` is what its places begin at. */
const checkPolicy = (read: Syntax.Read, at: Path, document: unknown): Checked =>
  Either.mapLeft(
    Either.map(Policy.fromJson(document), () => undefined),
    (error) => refusePolicy(read, at, error)
  )

/** The policy that a path leads into, and how its own reader is asked about it. */
const policyAbove = (value: unknown, path: Path): { readonly at: Path; readonly document: unknown } | undefined => {
  const [list, , key] = path
  const at = path.slice(0, 3)
  const found = valueAt(value, at)
  if (list === "bottles" && key === "policy" && isObject(found)) return { at, document: found }
  return list === "agents" && key === "credentials"
    ? { at: path.slice(0, 2), document: { credentials: found } }
    : undefined
}

const decodeRead = (read: Syntax.Read): Either.Either<Manifest.Manifest, ManifestInvalid> =>
  Either.match(decode(read.value), {
    onRight: (manifest) => Either.right(manifest),
    onLeft: ({ issue }) => {
      const { path, refusal } = explain(issue, Manifest.Manifest.ast)
      const policy = policyAbove(read.value, path)
      const own = policy === undefined ? Either.void : checkPolicy(read, policy.at, policy.document)
      return Either.left(Either.isLeft(own) ? own.left : read.refuse(path, refusal))
    }
  })

const checkNames = (read: Syntax.Read, manifest: Manifest.Manifest): Checked => {
  const pattern = new RegExp(Manifest.NAME_PATTERN)
  const names: ReadonlyArray<Path> = [
    ...Object.keys(manifest.bottles ?? {}).map((name) => ["bottles", name]),
    ...Object.keys(manifest.agents ?? {}).map((name) => ["agents", name])
  ]
  const wrong = names.find(([, name]) => !pattern.test(String(name)) || String(name).length > 63)
  if (wrong === undefined) return Either.void
  const shown = printable(String(wrong[1]), 64)
  const slug = (
    String(wrong[1])
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? []
  )
    .join("-")
    .slice(0, 63)
  return Either.left(
    read.refuse(wrong, {
      reason: "name",
      detail: `"${shown}" is not a name: lower-case letters, digits and dashes, at most 63`,
      advice: slug === "" ? 'Write a name such as "dev"' : `Write "${slug}"`
    })
  )
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

const checkVariables = (read: Syntax.Read, at: Path, env: Manifest.Bottle["env"]): Checked => {
  const wrong = Object.keys(env ?? {}).find((name) => !VARIABLE.test(name))
  return wrong === undefined
    ? Either.void
    : Either.left(
        read.refuse([...at, "env", wrong], {
          reason: "name",
          // What is no name may be a name with its value.
          detail: "a variable's name is letters, digits and _, not beginning with a digit",
          advice: 'Write "NAME": "value"'
        })
      )
}

const isGuestPath = (path: string): boolean =>
  path.startsWith("/") && !path.split("/").some((part) => part === ".." || part === ".")

const checkPaths = (read: Syntax.Read, at: Path, { mounts = [], workdir }: Manifest.Bottle): Checked => {
  const places: ReadonlyArray<readonly [Path, string]> = [
    ...mounts.map(({ guest }, index) => [[...at, "mounts", index, "guest"], guest] as const),
    ...(workdir === undefined ? [] : [[[...at, "workdir"], workdir] as const])
  ]
  const advice = 'Write an absolute path without . and .., such as "/work"'
  const wrong = places.find(([path, guest]) => !isGuestPath(guest) || (guest === "/" && path.at(-1) === "guest"))
  if (wrong !== undefined) {
    return Either.left(read.refuse(wrong[0], { reason: "value", detail: "it is no place in the guest", advice }))
  }
  const guests = mounts.map(({ guest }) => guest.replace(/\/+$/, ""))
  const twice = guests.findIndex((guest, index) => guests.indexOf(guest) !== index)
  return twice < 0
    ? Either.void
    : Either.left(
        read.refuse([...at, "mounts", twice, "guest"], {
          reason: "value",
          detail: `another mount is at ${printable(guests[twice] ?? "", 80)} already`,
          advice: "Give each mount a place of its own"
        })
      )
}

const checkBottle = (read: Syntax.Read, name: string, bottle: Manifest.Bottle): Checked =>
  Either.gen(function* () {
    const at = ["bottles", name]
    if (bottle.image !== undefined && bottle.pack !== undefined) {
      const detail = "image and pack exclude each other"
      return yield* Either.left(read.refuse(at, { reason: "keys-together", detail, advice: "Leave out one of them" }))
    }
    yield* checkVariables(read, at, bottle.env)
    yield* checkPaths(read, at, bottle)
    if (typeof bottle.policy === "object") yield* checkPolicy(read, [...at, "policy"], bottle.policy)
  })

const unknownName = (read: Syntax.Read, path: Path, kind: "bottle" | "agent", known: ReadonlyArray<string>) => {
  const name = String(valueAt(read.value, path))
  const near = Nearest.nearest(name.toLowerCase(), known)
  const names = known.slice(0, 8).join(", ")
  const advice =
    near !== undefined ? `Write "${near}"` : known.length > 0 ? `Write one of ${names}` : `Write it below "${kind}s"`
  const detail = `there is no ${kind} "${printable(name, 64)}"`
  return Either.left(read.refuse(path, { reason: "reference", detail, advice }))
}

const checkExtends = (read: Syntax.Read, manifest: Manifest.Manifest, presets: Presets, name: string): Checked => {
  const path = ["agents", name, "extends"]
  const seen = new Set([name])
  let commanded = manifest.agents?.[name]?.command !== undefined
  for (let at = name; ;) {
    const agent = manifest.agents?.[at]
    if (agent?.extends === undefined) break
    const parent = extended(manifest, presets, at)
    if (parent === undefined) {
      const known = [...Object.keys(manifest.agents ?? {}).filter((other) => other !== at), ...Object.keys(presets)]
      return unknownName(read, ["agents", at, "extends"], "agent", [...new Set(known)])
    }
    if (parent.agent.command !== undefined) commanded = true
    if (parent.isPreset) break
    if (seen.has(parent.name)) {
      const detail = `it extends itself, by way of ${[...seen, parent.name].join(", ")}`
      return Either.left(read.refuse(path, { reason: "reference", detail, advice: "Let one of them extend no other" }))
    }
    seen.add(parent.name)
    at = parent.name
  }
  if (commanded) return Either.void
  const advice = 'Write "command": ["program"], or "extends": "claude"'
  return Either.left(
    read.refuse(["agents", name], {
      reason: "key-missing",
      detail: 'it has no "command", nor has what it extends',
      advice
    })
  )
}

const checkAgent = (read: Syntax.Read, manifest: Manifest.Manifest, presets: Presets, name: string): Checked =>
  Either.gen(function* () {
    const agent = manifest.agents?.[name] ?? {}
    const at = ["agents", name]
    const bottles = Object.keys(manifest.bottles ?? {})
    if (agent.bottle !== undefined && !bottles.includes(agent.bottle)) {
      return yield* unknownName(read, [...at, "bottle"], "bottle", bottles)
    }
    yield* checkVariables(read, at, agent.env)
    if (agent.allow !== undefined) yield* checkPolicy(read, at, { allow: agent.allow })
    if (agent.credentials !== undefined) yield* checkPolicy(read, at, { credentials: agent.credentials })
    yield* checkExtends(read, manifest, presets, name)
  })

/**
 * The manifest of a text: JSON, in which comments and trailing commas are taken. An unknown key, a key that stands twice,
 * a value that no launch takes and a name that nothing has are refused with their line and column.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string, presets: Presets): Either.Either<Manifest.Manifest, ManifestInvalid> =>
  Either.gen(function* () {
    const read = yield* Syntax.read(text)
    const manifest = yield* decodeRead(read)
    yield* checkNames(read, manifest)
    const bottles = Object.entries(manifest.bottles ?? {})
    for (const [name, bottle] of bottles) yield* checkBottle(read, name, bottle)
    for (const name of Object.keys(manifest.agents ?? {})) yield* checkAgent(read, manifest, presets, name)
    const names = bottles.map(([name]) => name)
    if (manifest.bottle !== undefined && !names.includes(manifest.bottle)) {
      return yield* unknownName(read, ["bottle"], "bottle", names)
    }
    return manifest
  })
