import type { Agent, Manifest } from "@bottle/engine/Manifest"
import { limits } from "@bottle/engine/Manifest"
import * as ManifestText from "@bottle/engine/ManifestText"
import { schema } from "@bottle/engine/ManifestSchema"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Fs from "node:fs"

const presets: Readonly<Record<string, Agent>> = { claude: { command: ["claude"] }, codex: { command: ["codex"] } }

const read = (text: string) => ManifestText.parse(text, presets)

const taken = (text: string): Manifest => Either.getOrThrowWith(read(text), (error) => new Error(error.message))

const refused = (text: string) => {
  const reading = read(text)
  assert(Either.isLeft(reading), `${text} was taken`)
  const { advice, message, reason } = reading.left
  return { reason, message, advice }
}

const bottle = (content: string): string => `{"bottles": {"dev": ${content}}}`
const agent = (content: string): string => `{"bottles": {"dev": {}}, "agents": {"helper": ${content}}}`

describe("a manifest's text", () => {
  it("may hold comments, trailing commas and a byte order mark", () => {
    const text = `\uFEFF// mine
{
  "$schema": "manifest.schema.json", /* where
  an editor looks */
  "version": 1,
  "bottle": "dev",
  "bottles": { "dev": { "image": "alpine:3.20", }, },
}
`
    assert.deepStrictEqual(taken(text), {
      $schema: "manifest.schema.json",
      version: 1,
      bottle: "dev",
      bottles: { dev: { image: "alpine:3.20" } }
    })
  })

  it("is the manifest it was, with everything set", () => {
    const manifest: Manifest = {
      version: 1,
      bottle: "dev",
      bottles: {
        dev: {
          image: "alpine:3.20",
          isolation: "microvm",
          runtime: "smolvm",
          bundle: "process",
          topology: "socket",
          limits: { cpus: 2, mem: "2G" },
          workdir: "/project",
          env: { LANG: "C.UTF-8", EMPTY: "", TOKEN: { from: "GITHUB_TOKEN" } },
          mounts: [{ host: "~/src", guest: "/project", readonly: true }],
          policy: { allow: ["example.com", { host: "api.example.com", ports: [443] }], deny: ["169.254.0.0/16"] },
          ttl: "7d",
          idle: "30m",
          timeout: "5m"
        },
        packed: { pack: "/packs/dev.smolmachine", policy: "policies/dev.json" }
      },
      agents: {
        helper: {
          extends: "claude",
          bottle: "dev",
          command: ["claude", "--verbose"],
          prompt: { flag: "-p" },
          allow: ["*.example.com"],
          credentials: {
            api: { source: { env: "API_KEY" }, header: "x-api-key", upstream: "https://api.example.com" }
          },
          env: { HOME: "/root" },
          workspace: "copy"
        }
      }
    }
    assert.deepStrictEqual(taken(JSON.stringify(manifest)), manifest)
  })

  for (const [text, message] of [
    ["", "the manifest:1:1: it holds nothing"],
    ["// nothing\n", "the manifest:1:1: it holds nothing"],
    ["[]", "the manifest:1:1: it is a list, and not an object"],
    ["null", "the manifest:1:1: it is null, and not an object"],
    ['{"bottles": {"dev": {"image": alpine}}}', "the manifest:1:31: something that is no JSON stands here"],
    ['{\n  "bottle": "dev"\n  "bottles": {}}', "the manifest:3:3: a comma is expected here"],
    ['{"bottle": "dev', "the manifest:1:12: a text is not closed"],
    ["dev: {}", "the manifest:1:1: something that is no JSON stands here"],
    ["/*", "the manifest:1:1: a comment is not closed"],
    ["{} /*", "the manifest:1:4: a comment is not closed"],
    ["{} {}", "the manifest:1:4: the manifest ended before this"],
    ['{"bottle": "a",\r\n "bottle": "b"}', 'the manifest:2:2: the key "bottle" stands twice in one object'],
    [
      bottle('{"env": {"A": "1", "B": "2",\n  "A": "3"}}'),
      'the manifest:2:3: bottles.dev.env: the key "A" stands twice in one object'
    ],
    [bottle('{"__proto__": {}}'), 'the manifest:1:22: bottles.dev: "__proto__" is no key that can be read']
  ] as const) {
    it(`is refused with its line and column: ${JSON.stringify(text)}`, () => {
      const { message: told } = refused(text)
      assert.strictEqual(told, message)
    })
  }

  it("is bounded in its length and its depth", () => {
    const padded = (bytes: number) => `{}${" ".repeat(bytes - 2)}`
    assert.deepStrictEqual(taken(padded(limits.bytes)), {})
    assert.strictEqual(refused(padded(limits.bytes + 1)).reason, "too-long")
    assert.strictEqual(refused("[".repeat(limits.bytes)).reason, "too-deep")
    assert.strictEqual(refused(`${"[".repeat(limits.depth)}${"]".repeat(limits.depth)}`).reason, "type")
  })
})

describe("a manifest's keys", () => {
  for (const [text, message, advice] of [
    ['{"botles": {}}', 'the manifest:1:2: botles: the key "botles" is not known here', 'Write "bottles"'],
    [
      bottle('{"imgae": "x"}'),
      'the manifest:1:22: bottles.dev.imgae: the key "imgae" is not known here',
      'Write "image"'
    ],
    [
      bottle('{"limits": {"memory": "2G"}}'),
      'the manifest:1:33: bottles.dev.limits.memory: the key "memory" is not known here',
      'Write "mem"'
    ],
    [bottle('{"mem": "2G"}'), 'the manifest:1:22: bottles.dev.mem: the key "mem" is not known here', 'Write "limits"'],
    [
      bottle('{"allow": ["a.example"]}'),
      'the manifest:1:22: bottles.dev.allow: the key "allow" is not known here',
      'Write "policy"'
    ],
    [
      bottle('{"mounts": [{"host": "/a", "guest": "/b", "readnly": true}]}'),
      'the manifest:1:63: bottles.dev.mounts[0].readnly: the key "readnly" is not known here',
      'Write "readonly"'
    ],
    [
      bottle('{"mounts": [{"source": "/a", "guest": "/b"}]}'),
      'the manifest:1:34: bottles.dev.mounts[0].source: the key "source" is not known here',
      'Write "host"'
    ],
    [
      bottle('{"env": {"K": {"fron": "V"}}}'),
      'the manifest:1:36: bottles.dev.env.K.fron: the key "fron" is not known here',
      'Write "from"'
    ],
    [
      bottle('{"mounts": [{"guest": "/b"}]}'),
      'the manifest:1:33: bottles.dev.mounts[0]: it has no "host"',
      'Write "host" there'
    ],
    [
      agent('{"promt": "stdin", "command": ["x"]}'),
      'the manifest:1:48: agents.helper.promt: the key "promt" is not known here',
      'Write "prompt"'
    ],
    [
      agent('{"command": ["x"], "prompt": {"flg": "-p"}}'),
      'the manifest:1:77: agents.helper.prompt.flg: the key "flg" is not known here',
      'Write "flag"'
    ]
  ] as const) {
    it(`are refused by the one that is nearest: ${text}`, () => {
      const told = refused(text)
      assert.deepStrictEqual([told.message, told.advice], [message, advice])
    })
  }

  it("of a policy are the policy's own", () => {
    assert.deepStrictEqual(refused(bottle('{"policy": {"alow": ["example.com"]}}')), {
      reason: "policy",
      message: 'the manifest:1:22: bottles.dev.policy: it has the unknown key "alow"',
      advice: 'Write "allow"'
    })
    assert.strictEqual(
      refused(bottle('{"policy": {"allow": ["ok.example.com", "https://x.com/"]}}')).message,
      'the manifest:1:61: bottles.dev.policy.allow[1]: "https://x.com/" cannot be allowed: it is more than a host and a port'
    )
    const credential = (header: string, upstream = "https://a.example") =>
      agent(
        `{"command": ["x"], "credentials": {"api": {"source": {"env": "K"}, "${header}": "x-api-key", "upstream": "${upstream}"}}}`
      )
    taken(credential("header"))
    assert.include(
      refused(credential("heder")).message,
      'agents.helper.credentials.api: it has the unknown key "heder"'
    )
    assert.include(refused(credential("header", "ftp://a.example")).message, "agents.helper.credentials.api.upstream: ")
    taken(agent('{"command": ["x"], "allow": ["a.example:443"]}'))
    assert.include(refused(agent('{"command": ["x"], "allow": ["a..example"]}')).message, "agents.helper.allow[0]: ")
  })
})

describe("a manifest's values", () => {
  const time = "a time with its unit (ms, s, m, h, d) of no more than 24 days"
  for (const [place, good, bad, detail] of [
    ["limits.cpus", "1", "0", "it is 0, and not a number of CPUs"],
    ["limits.cpus", "2", "1.5", "it is 1.5, and not a number of CPUs"],
    ["limits.cpus", "2", '"2"', "it is a text, and not a number"],
    ["limits.mem", '"512"', '"2 G"', "it is not an amount of memory in MiB, or with M or G"],
    ["limits.mem", '"2G"', "2048", "it is a number, and not a text"],
    ["isolation", '"microvm"', '"microwm"', '"microwm" is not "any" or "microvm"'],
    ["bundle", '"none"', '"proces"', '"proces" is not "process" or "container" or "none"'],
    ["topology", '"address"', "null", "it is null, and not a text"],
    ["workdir", '"/project"', '"work"', "it is not an absolute path in the guest"],
    ["workdir", '"/project/a..b"', '"/project/../etc"', "it is no place in the guest"],
    ["ttl", '"7d"', '"7"', `it is not ${time}`],
    ["ttl", '"24d"', '"25d"', `it is not ${time}`],
    ["idle", '"30m"', '"0m"', `it is not ${time}`],
    ["timeout", '"24h"', '"1d"', "it is not a time with its unit (ms, s, m, h)"],
    ["env", '{"A_1": ""}', '{"A": 1}', "it is a number, and not a text or an object"],
    ["env", '{"_A": "x"}', '{"A=x": ""}', "a variable's name is letters, digits and _, not beginning with a digit"],
    ["env", '{"A": {"from": "B"}}', '{"A": {"from": "B-C"}}', "it is not a variable's name"],
    [
      "mounts",
      '[{"host": "~/a", "guest": "/b"}]',
      '[{"host": "./a", "guest": "/b"}]',
      "it is not a path that is absolute"
    ],
    ["mounts", '[{"host": "/a", "guest": "/b"}]', '[{"host": "/a", "guest": "/"}]', "it is no place in the guest"],
    [
      "mounts",
      '[{"host": "/a", "guest": "/b"}, {"host": "/a", "guest": "/c"}]',
      '[{"host": "/a", "guest": "/b"}, {"host": "/c", "guest": "/b/"}]',
      "another mount is at /b already"
    ],
    ["runtime", '"local"', '"loca"', "it is not smolvm, local, or the path of a program"],
    ["runtime", '"~/bin/smolvm"', '"bin/smolvm"', "it is not smolvm, local, or the path of a program"],
    ["image", '"alpine"', '""', "it is empty, and not a text"],
    ["pack", '"/a.smolmachine"', '"a.smolmachine"', "it is not a path that is absolute, or begins with ~/"]
  ] as const) {
    it(`are taken or refused: ${place} ${good} and ${bad}`, () => {
      const [outer, inner] = place.split(".")
      const at = (value: string) =>
        bottle(inner === undefined ? `{"${outer}": ${value}}` : `{"${outer}": {"${inner}": ${value}}}`)
      taken(at(good))
      assert.include(refused(at(bad)).message, detail)
    })
  }

  it("are not both an image and a pack", () => {
    taken(bottle('{"image": "a"}'))
    taken(bottle('{"pack": "/a"}'))
    assert.strictEqual(refused(bottle('{"image": "a", "pack": "/a"}')).reason, "keys-together")
  })

  it("of variables are in no error", () => {
    for (const text of [
      bottle('{"env": {"KEY=hunter2": "x"}}'),
      bottle(`{"env": {"KEY": "hunter2${"x".repeat(limits.characters)}"}}`),
      bottle('{"env": {"KEY": {"from": "hunter2 is no name"}}}'),
      bottle('{"env": {"KEY": ["hunter2"]}}')
    ]) {
      const { advice, message } = refused(text)
      // The key is the place, where it stands as it was written; the value is nowhere.
      if (!text.includes("KEY=")) assert.notInclude(`${message} ${advice}`, "hunter2")
    }
  })
})

describe("a manifest's names", () => {
  it("are lower-case letters, digits and dashes", () => {
    taken('{"bottles": {"dev-2": {}, "2": {}, "constructor": {}}}')
    assert.deepStrictEqual(refused('{"bottles": {"My Box": {}}}'), {
      reason: "name",
      message:
        'the manifest:1:14: bottles.My Box: "My Box" is not a name: lower-case letters, digits and dashes, at most 63',
      advice: 'Write "my-box"'
    })
    assert.strictEqual(refused('{"agents": {"-x": {"command": ["x"]}}}').reason, "name")
  })

  it("that are referred to are there", () => {
    taken('{"bottle": "dev", "bottles": {"dev": {}}}')
    assert.deepStrictEqual(refused('{"bottle": "dve", "bottles": {"dev": {}}}'), {
      reason: "reference",
      message: 'the manifest:1:2: bottle: there is no bottle "dve"',
      advice: 'Write "dev"'
    })
    assert.strictEqual(refused('{"bottle": "constructor"}').advice, 'Write it below "bottles"')
    taken(agent('{"command": ["x"], "bottle": "dev"}'))
    assert.strictEqual(refused(agent('{"command": ["x"], "bottle": "prod"}')).advice, "Write one of dev")
    taken(agent('{"extends": "claude"}'))
    assert.strictEqual(refused(agent('{"extends": "cluade"}')).advice, 'Write "claude"')
    assert.strictEqual(refused(agent('{"extends": "toString"}')).reason, "value")
  })

  it("may extend another agent, and the preset of the same name, but never themselves", () => {
    taken('{"agents": {"claude": {"extends": "claude"}, "mine": {"extends": "claude"}}}')
    const circle = '{"agents": {"a": {"extends": "b", "command": ["x"]}, "b": {"extends": "a"}}}'
    assert.strictEqual(
      refused(circle).message,
      "the manifest:1:19: agents.a.extends: it extends itself, by way of a, b, a"
    )
    assert.strictEqual(refused('{"agents": {"a": {"extends": "a", "command": ["x"]}}}').reason, "reference")
  })

  it("of agents have a command, their own or that of what they extend", () => {
    taken('{"agents": {"a": {"command": ["x"]}, "b": {"extends": "a"}}}')
    assert.strictEqual(
      refused('{"agents": {"a": {"env": {}}}}').message,
      'the manifest:1:13: agents.a: it has no "command", nor has what it extends'
    )
  })
})

describe("whatever a manifest holds", () => {
  const whole = JSON.parse(
    agent(
      '{"extends": "claude", "bottle": "dev", "command": ["x"], "prompt": {"flag": "-p"}, "allow": ["a.example"], "env": {"A": {"from": "B"}}, "workspace": "ro", "credentials": {"api": {"source": {"env": "K"}, "header": "x-api-key", "upstream": "https://a.example"}}}'
    )
  )
  const junk = fc.oneof(
    fc.constantFrom<unknown>(null, true, 0, -1, 1.5, "", "x", "\u0000", [], {}, [[]], { from: 1 }, { flag: null }),
    fc.constantFrom<unknown>({ host: "/a" }, { env: {} }, "stdin", ["x"], { allow: [1] }, { __proto__x: 1 })
  )
  const keys = fc.constantFrom("bottles", "agents", "dev", "helper", "env", "policy", "mounts", "prompt", "limits", "x")
  const changed = (value: unknown, path: ReadonlyArray<string>, to: unknown): unknown => {
    const [key, ...rest] = path
    if (key === undefined) return to
    if (typeof value !== "object" || value === null || Array.isArray(value)) return { [key]: changed({}, rest, to) }
    return { ...value, [key]: changed(Reflect.get(value, key), rest, to) }
  }

  it("is taken, or refused by an error of one printable line", () => {
    const seen = new Set<boolean>()
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 4 }), junk, fc.boolean(), (path, value, isWithin) => {
        const at = isWithin ? ["agents", "helper", ...path.slice(0, 2)] : path
        const reading = read(JSON.stringify(changed(whole, at, value)))
        seen.add(Either.isRight(reading))
        if (Either.isRight(reading)) return
        const { advice, column, line, message } = reading.left
        assert.match(`${message} ${advice}`, /^[\x20-\x7e]+$/)
        assert.isTrue(line === 1 && column !== null && column >= 1, message)
        assert.notInclude(message, "something else")
      }),
      { seed: 1, numRuns: 500 }
    )
    assert.strictEqual(seen.size, 2)
  })

  it("is read or refused, whatever its text is", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      '"bottles"',
      '"a',
      ":",
      ",",
      "//",
      "/*",
      "*/",
      "\n",
      "1e9",
      "\\u12",
      " ",
      "é"
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
        const reading = read(parts.join(""))
        if (Either.isLeft(reading)) assert.match(reading.left.message, /^the manifest:\d+:\d+: [\x20-\x7e]+$/)
      }),
      { seed: 1, numRuns: 500 }
    )
  })
})

describe("docs/reference/manifest.schema.json", () => {
  it("is what packages/engine/scripts/manifestSchema.mjs writes", () => {
    const file = new URL("../../../docs/reference/manifest.schema.json", import.meta.url)
    assert.deepStrictEqual(JSON.parse(Fs.readFileSync(file, "utf8")), schema)
  })

  it("describes every key", () => {
    const silent: Array<string> = []
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return
      for (const [key, value] of Object.entries(node)) {
        if (key === "properties" && path !== "properties") {
          for (const [name, property] of Object.entries(value)) {
            const described = JSON.stringify(property).includes('"description"')
            // The kinds of a union are each described where they are.
            if (!described) silent.push(`${path}.${name}`)
          }
        }
        visit(value, `${path}.${key}`)
      }
    }
    visit(schema, "")
    assert.deepStrictEqual(silent, [])
  })
})
