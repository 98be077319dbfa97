import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Workspace from "../src/Workspace.js"
import { copied, files, read } from "./fixtures/workspaces.js"

/** Numbers that are the same in every run. */
const randomOf = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const NAMES = ["a", "b", "c", "src", "new line\n", "Ünïcode", "-flag", "x.md"]
const TEXTS = ["", "one\n", "two\nlines\n", "no end", "\0\u0001\xff", "x".repeat(5000)]
const FILE_MODES = [0o644, 0o755, 0o600, 0o444]
const DIRECTORY_MODES = [0o755, 0o700, 0o750]
const TARGETS = ["a", "./b", "src/c", "nowhere"]

type Random = ReturnType<typeof randomOf>

const oneOf = <A>(random: Random, values: ReadonlyArray<A>): A => {
  const value = values[random(values.length)]
  if (value === undefined) throw new RangeError("nothing to choose from")
  return value
}

const directoriesOf = (root: string): ReadonlyArray<string> => [
  root,
  ...Fs.readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => Path.join(entry.parentPath, entry.name))
]

const thingsOf = (root: string): ReadonlyArray<string> =>
  Fs.readdirSync(root, { recursive: true }).map((name) => Path.join(root, String(name)))

const make = (random: Random, at: string): void => {
  switch (random(4)) {
    case 0:
      Fs.mkdirSync(at)
      return Fs.chmodSync(at, oneOf(random, DIRECTORY_MODES))
    case 1:
      return Fs.symlinkSync(oneOf(random, TARGETS), at)
    default:
      Fs.writeFileSync(at, oneOf(random, TEXTS))
      return Fs.chmodSync(at, oneOf(random, FILE_MODES))
  }
}

/** One thing that a guest does to a tree. */
const edit = (random: Random, root: string): void => {
  const things = thingsOf(root)
  const parent = oneOf(random, directoriesOf(root))
  const free = Path.join(parent, oneOf(random, NAMES))
  const some = things.length === 0 ? free : oneOf(random, things)
  const stat = Fs.lstatSync(some, { throwIfNoEntry: false })
  switch (random(5)) {
    case 0:
      return Fs.rmSync(some, { recursive: true, force: true })
    case 1:
      // What was one thing becomes another.
      Fs.rmSync(some, { recursive: true, force: true })
      return Fs.existsSync(Path.dirname(some)) ? make(random, some) : undefined
    case 2:
      if (stat?.isFile() === true) Fs.rmSync(some)
      return stat?.isFile() === true ? Fs.writeFileSync(some, oneOf(random, TEXTS)) : undefined
    case 3:
      if (stat?.isFile() === true) Fs.chmodSync(some, oneOf(random, FILE_MODES))
      return stat?.isDirectory() === true ? Fs.chmodSync(some, oneOf(random, DIRECTORY_MODES)) : undefined
    default:
      return Fs.lstatSync(free, { throwIfNoEntry: false }) === undefined ? make(random, free) : undefined
  }
}

const edits = (random: Random, root: string, count: number): void => {
  for (let done = 0; done < count; done++) edit(random, root)
}

describe("Workspace", () => {
  for (const seed of Array.from({ length: 16 }, (_, index) => index + 1)) {
    it.live(`gives the directory what the copy is, whatever was changed in it (seed ${seed})`, () =>
      Temp.withTempDir((home) =>
        Effect.gen(function* () {
          const random = randomOf(seed)
          Fs.mkdirSync(`${home}/work`)
          edits(random, `${home}/work`, 25)
          const { place, release, source, tree } = yield* copied(home, {})
          const before = read(source)
          assert.deepStrictEqual(read(tree), before)
          edits(random, tree, 12)
          yield* release
          const after = Fs.existsSync(tree) ? read(tree) : before
          if (Fs.existsSync(tree)) {
            const { changes } = yield* Workspace.changes(place)
            const differing = new Set([...Object.keys(before), ...Object.keys(after)])
            assert.deepStrictEqual(
              changes.map(({ path }) => path),
              [...differing].filter((path) => before[path] !== after[path]).toSorted()
            )
            assert.isTrue((yield* Workspace.apply(place)).removed)
          }
          assert.deepStrictEqual(read(source), after)
          assert.isFalse(Fs.existsSync(Path.dirname(tree)))
        }).pipe(Effect.provide(files))
      )
    )
  }
})
