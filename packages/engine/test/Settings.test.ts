import type { Agent, Manifest } from "@bottle/engine/Manifest"
import * as Settings from "@bottle/engine/Settings"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"

const presets: Readonly<Record<string, Agent>> = {
  claude: { command: ["claude"], prompt: { flag: "-p" }, env: { A: "preset" }, workspace: "copy" }
}

const asked = (manifest: Manifest | null, over: Partial<Settings.Asked> = {}): Settings.Asked => ({
  read: manifest === null ? null : { manifest, file: "/etc/me/bottle.json", directory: "/etc/me" },
  bottle: null,
  agent: null,
  presets,
  home: "/home/me",
  ...over
})

const composed = (manifest: Manifest | null, over: Partial<Settings.Asked> = {}): Settings.Composed =>
  Either.getOrThrow(Settings.compose(asked(manifest, over)))

/** Each value with where it comes from, as text. */
const shown = ({ keyed, single }: Settings.Settings): Readonly<Record<string, string>> => {
  const line = ({ origin, value }: Settings.Setting<unknown>) =>
    `${JSON.stringify(value)} ${Settings.originText(origin)}`
  const lists = Object.entries(keyed).flatMap(([list, entries]) =>
    [...entries].map(([key, setting]) => [`${list} ${key}`, line(setting)])
  )
  return Object.fromEntries([...Object.entries(single).map(([key, setting]) => [key, line(setting)]), ...lists])
}

const words = fc.constantFrom("a", "b", "c")
const entries = fc.array(fc.tuple(words, words), { maxLength: 4 })
const origins = fc.record({
  kind: fc.constantFrom<Settings.Origin["kind"]>("default", "environment", "bottle", "preset", "agent", "flag"),
  name: words
})
const maybe = <A>(value: fc.Arbitrary<A>) => fc.option(value, { nil: undefined })
const said = fc.record({
  cpus: maybe(fc.integer({ min: 1, max: 3 })),
  runtime: maybe(words),
  command: maybe(fc.array(words)),
  env: maybe(entries),
  allow: maybe(entries)
})
const settings = fc.tuple(origins, said).map(([origin, values]) => Settings.of(origin, values))

describe("Settings.combine", () => {
  it("is associative, and nothing on either side changes nothing", () => {
    fc.assert(
      fc.property(settings, settings, settings, (a, b, c) => {
        const { combine, empty } = Settings
        assert.deepStrictEqual(shown(combine(combine(a, b), c)), shown(combine(a, combine(b, c))))
        assert.deepStrictEqual(shown(combine(empty, a)), shown(a))
        assert.deepStrictEqual(shown(combine(a, empty)), shown(a))
      }),
      { seed: 1, numRuns: 200 }
    )
  })

  it("holds what is said last, whatever was said before, and loses nothing else", () => {
    fc.assert(
      fc.property(settings, said, (before, values) => {
        const flags = Settings.of({ kind: "flag", name: "x" }, values)
        const both = shown(Settings.combine(before, flags))
        assert.deepStrictEqual({ ...both, ...shown(flags) }, both)
        assert.deepStrictEqual(Object.keys(both).sort(), Object.keys({ ...shown(before), ...shown(flags) }).sort())
      }),
      { seed: 1, numRuns: 200 }
    )
  })
})

const manifest: Manifest = {
  bottle: "base",
  bottles: {
    base: { image: "alpine", env: { A: "base", B: { from: "HOST_B" } } },
    dev: {
      image: "./rootfs",
      limits: { cpus: 2, mem: "2G" },
      policy: "policies/dev.json",
      mounts: [{ host: "~/src", guest: "/project/", readonly: true }],
      runtime: "~/bin/smolvm",
      ttl: "2h",
      idle: "30m",
      timeout: "90s"
    },
    packed: { pack: "~/dev.smolmachine", policy: { allow: ["a.example"] } }
  },
  agents: {
    claude: { extends: "claude", bottle: "dev", allow: ["b.example"], env: { A: "agent" } },
    mine: { extends: "claude", command: ["mine"] },
    plain: { command: ["plain"], prompt: "stdin", workspace: "rw" }
  }
}

describe("Settings.compose", () => {
  it("is nothing where there is no manifest and nothing was asked for", () => {
    assert.deepStrictEqual(composed(null), { settings: Settings.empty, bottle: null, agent: null })
  })

  it("begins with the manifest's own bottle, and the one that is named wins over that", () => {
    assert.deepStrictEqual(shown(composed(manifest).settings), {
      source: '{"_tag":"Image","reference":"alpine"} bottles.base',
      "env A": '"base" bottles.base',
      "env B": '{"from":"HOST_B"} bottles.base'
    })
    assert.strictEqual(composed(manifest, { bottle: "packed" }).bottle, "packed")
    const { bottle: _, ...without } = manifest
    assert.strictEqual(composed(without).bottle, null)
  })

  it("resolves paths beside the manifest and below the home directory, and units to numbers", () => {
    assert.deepStrictEqual(shown(composed(manifest, { bottle: "dev" }).settings), {
      source: '{"_tag":"Image","reference":"/etc/me/rootfs"} bottles.dev',
      cpus: "2 bottles.dev",
      memMib: "2048 bottles.dev",
      policy: '{"_tag":"File","path":"/etc/me/policies/dev.json"} bottles.dev',
      runtime: '"/home/me/bin/smolvm" bottles.dev',
      ttlMillis: "7200000 bottles.dev",
      idleMillis: "1800000 bottles.dev",
      timeoutMillis: "90000 bottles.dev",
      "mounts /project": '{"host":"/home/me/src","guest":"/project/","readonly":true} bottles.dev'
    })
    assert.deepStrictEqual(shown(composed(manifest, { bottle: "packed" }).settings), {
      source: '{"_tag":"Pack","path":"/home/me/dev.smolmachine"} bottles.packed',
      policy: '{"_tag":"Document","document":{"allow":["a.example"]}} bottles.packed'
    })
  })

  it("knows presets without a manifest", () => {
    assert.deepStrictEqual(shown(composed(null, { agent: "claude" }).settings), {
      command: '["claude"] preset claude',
      prompt: '{"flag":"-p"} preset claude',
      workspace: '"copy" preset claude',
      "env A": '"preset" preset claude'
    })
  })

  it("takes an agent over its bottle, and over what it extends", () => {
    const { bottle, settings: both } = composed(manifest, { agent: "claude", bottle: "base" })
    assert.strictEqual(bottle, "base")
    assert.deepStrictEqual(shown(both), {
      source: '{"_tag":"Image","reference":"alpine"} bottles.base',
      command: '["claude"] preset claude',
      prompt: '{"flag":"-p"} preset claude',
      workspace: '"copy" preset claude',
      "env A": '"agent" agents.claude',
      "env B": '{"from":"HOST_B"} bottles.base',
      "allow b.example": '"b.example" agents.claude'
    })
    assert.strictEqual(composed(manifest, { agent: "claude" }).bottle, "dev")
    // By way of the manifest's own claude, which has replaced the preset.
    const mine = composed(manifest, { agent: "mine" })
    assert.strictEqual(mine.bottle, "dev")
    assert.deepStrictEqual(
      [shown(mine.settings)["command"], shown(mine.settings)["prompt"], shown(mine.settings)["env A"]],
      ['["mine"] agents.mine', '{"flag":"-p"} preset claude', '"agent" agents.claude']
    )
    assert.strictEqual(composed(manifest, { agent: "plain" }).bottle, "base")
  })

  it("refuses names that nothing has, and says which is near", () => {
    const refused = (over: Partial<Settings.Asked>, from: Manifest | null = manifest) => {
      const error = Either.getOrThrow(Either.flip(Settings.compose(asked(from, over))))
      return [error.message, error.suggestion]
    }
    assert.deepStrictEqual(refused({ bottle: "dve" }), [
      '--bottle "dve": /etc/me/bottle.json has no bottle of that name',
      "--bottle dev"
    ])
    assert.deepStrictEqual(refused({ agent: "xyz" }), [
      '--agent "xyz": /etc/me/bottle.json has no agent of that name',
      "--agent with one of claude, mine, plain"
    ])
    assert.deepStrictEqual(refused({ agent: "cluade" }, null), [
      '--agent "cluade": no agent has that name, and there is no manifest',
      "--agent claude"
    ])
    assert.deepStrictEqual(refused({ bottle: "dev" }, null), [
      '--bottle "dev": there is no manifest',
      "bottle init writes a manifest"
    ])
    assert.strictEqual(
      refused({ agent: "constructor" }, null)[0],
      '--agent "constructor": no agent has that name, and there is no manifest'
    )
  })
})

describe("Settings.prompted", () => {
  it("gives the prompt as the last word, behind a flag, or on standard input", () => {
    const { prompted } = Settings
    assert.deepStrictEqual(prompted(["x", "-y"], "argument", "do it"), { words: ["x", "-y", "do it"], input: null })
    assert.deepStrictEqual(prompted(["x"], { flag: "-p" }, "do it"), { words: ["x", "-p", "do it"], input: null })
    assert.deepStrictEqual(prompted(["x"], "stdin", "do it"), { words: ["x"], input: "do it" })
    assert.deepStrictEqual(prompted(["x"], { flag: "-p" }, null), { words: ["x"], input: null })
  })
})
