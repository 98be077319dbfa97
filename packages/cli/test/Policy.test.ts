import { main } from "@bottle/cli/Main"
import { Invocation } from "@bottle/cli/Invocation"
import * as Stdio from "@bottle/cli/Stdio"
import * as Temp from "@bottle/testing/Temp"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"

interface Told {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A whole line, run in a directory. */
const bottle = (cwd: string, ...argv: ReadonlyArray<string>): Effect.Effect<Told> =>
  Effect.gen(function* () {
    const out: Array<Uint8Array> = []
    const err: Array<Uint8Array> = []
    const stdio = Layer.succeed(Stdio.Stdio, {
      isInteractive: false,
      stdout: (bytes) => Effect.sync(() => void out.push(bytes)),
      stderr: (bytes) => Effect.sync(() => void err.push(bytes)),
      stdin: Stream.empty
    })
    const invocation = Layer.succeed(Invocation, {
      argv,
      cwd,
      environment: {},
      programDirectory: cwd,
      keeper: null,
      superuser: false,
      arch: "x64",
      platform: "linux",
      nodeVersion: "20.0.0"
    })
    const code = yield* Effect.provide(main, Layer.mergeAll(stdio, invocation, NodeContext.layer))
    return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }
  })

const document = {
  $schema: "policy.schema.json",
  version: 1,
  allow: [
    "API.example:443",
    { host: "mirror.example", methods: ["GET", "HEAD"], paths: ["/debian/*"] },
    { host: "git.example", ports: [443], addresses: ["10.20.0.0/16"] },
    "*.registry.example",
    "uploads.registry.example",
    "api.example.:443"
  ],
  deny: ["uploads.registry.example", "10.20.99.0/24"],
  resolve: { "pinned.example": "10.0.0.1" }
}

const withDocument = <A>(content: unknown, use: (cwd: string) => Effect.Effect<A>): Effect.Effect<A> =>
  Temp.withTempDir((directory) => {
    Fs.writeFileSync(`${directory}/p.json`, typeof content === "string" ? content : JSON.stringify(content))
    return use(directory)
  }).pipe(Effect.orDie)

describe("bottle policy check", () => {
  it.live("says what a document allows in effect, and what looks like a mistake", () =>
    withDocument(document, (cwd) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* bottle(cwd, "policy", "check", "p.json")
        assert.strictEqual(stderr, "")
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(stdout.trimEnd().split("\n"), [
          "can reach:",
          "  *.registry.example (ports 80, 443)",
          "  GET,HEAD mirror.example /debian/* (port 80), plain HTTP only",
          "  api.example:443",
          "  git.example:443, also in 10.20.0.0/16",
          "  uploads.registry.example (ports 80, 443)",
          "cannot reach, whatever allows it:",
          "  10.20.99.0/24 (every port)",
          "  uploads.registry.example (every port)",
          "warnings:",
          "  allow[5]: api.example:443 stands in allow[0] already",
          "  allow[4]: uploads.registry.example never allows anything: uploads.registry.example in deny[0] denies all of it",
          "  resolve: no rule allows pinned.example, so that its address says nothing"
        ])
      })
    )
  )

  it.live("says that nothing can be reached by an empty document", () =>
    withDocument({}, (cwd) =>
      Effect.gen(function* () {
        const { code, stdout } = yield* bottle(cwd, "policy", "check", "p.json")
        assert.deepStrictEqual([code, stdout], [0, "can reach:\n  nothing: no host is allowed\n"])
      })
    )
  )

  it.live("prints a document for programs", () =>
    withDocument(document, (cwd) =>
      Effect.gen(function* () {
        const { code, stdout } = yield* bottle(cwd, "policy", "check", "p.json", "--format", "json")
        const told = JSON.parse(stdout)
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(Object.keys(told), ["version", "file", "policy", "warnings"])
        assert.deepStrictEqual(told.policy.allow[0], "api.example:443")
        assert.deepStrictEqual(told.warnings[0], {
          place: "allow[5]",
          message: "api.example:443 stands in allow[0] already"
        })
      })
    )
  )

  const refused: ReadonlyArray<readonly [content: unknown, told: string]> = [
    [{ alow: [] }, `bottle: p.json: the policy: it has the unknown key "alow"\ntry: Write "allow"\n`],
    [
      { allow: [{ host: "a.example", prots: [443] }] },
      `bottle: p.json: allow[0]: it has the unknown key "prots"\ntry: Write "ports"\n`
    ],
    [
      { allow: ["a\u001b[2Jb\u202e\nbottle: forged"] },
      `bottle: p.json: allow[0]: "a?[2Jb??bottle: forged" cannot be allowed: its port is not a number from 1 to 65535\ntry: Write HOST, *.HOST, HOST:PORT, *.HOST:PORT, 192.0.2.1:443 or [2001:db8::1]:443\n`
    ],
    [
      "{",
      `bottle: p.json: line 1, column 2: it is not JSON\ntry: Write a document such as {"allow": ["example.com"]}\n`
    ]
  ]
  for (const [content, told] of refused) {
    it.live(`refuses ${JSON.stringify(content)} in one line`, () =>
      withDocument(content, (cwd) =>
        Effect.gen(function* () {
          const text = yield* bottle(cwd, "policy", "check", "p.json")
          assert.deepStrictEqual(text, { code: 2, stdout: "", stderr: told })
          const { failure } = JSON.parse((yield* bottle(cwd, "policy", "check", "p.json", "--format=json")).stdout)
          assert.deepStrictEqual([failure.error, failure.exitCode], ["PolicyFileRefused", 2])
        })
      )
    )
  }

  it.live("refuses a file that is not there", () =>
    withDocument({}, (cwd) =>
      Effect.gen(function* () {
        const { code, stderr } = yield* bottle(cwd, "policy", "check", "none.json")
        assert.strictEqual(code, 2)
        assert.match(stderr, /^bottle: none\.json: there is no such file\ntry: .+\n$/)
      })
    )
  )
})

describe("bottle policy explain", () => {
  const cases: ReadonlyArray<readonly [words: ReadonlyArray<string>, told: ReadonlyArray<string>]> = [
    [
      ["API.Example."],
      [
        "api.example:443, a tunnel (CONNECT): allowed",
        "  the rule api.example:443 allows it",
        "  its name is resolved once, and each address has to be public",
        "  no address may be in 10.20.99.0/24",
        "  rules about this host:",
        "    allow api.example:443: it allows this"
      ]
    ],
    [
      ["git.example:443"],
      [
        "git.example:443, a tunnel (CONNECT): allowed",
        "  the rule git.example:443 allows it",
        "  its name is resolved once, and each address has to be public, or in 10.20.0.0/16",
        "  no address may be in 10.20.99.0/24",
        "  rules about this host:",
        "    allow git.example:443: it allows this"
      ]
    ],
    [
      ["uploads.registry.example"],
      [
        "uploads.registry.example:443, a tunnel (CONNECT): refused",
        "  the rule uploads.registry.example denies it",
        "  rules about this host:",
        "    deny uploads.registry.example: it denies this",
        "    allow *.registry.example: it allows this",
        "    allow uploads.registry.example: it allows this",
        "  to allow it, take uploads.registry.example out of deny"
      ]
    ],
    [
      ["mirror.example", "--path", "/debian/dists/?x=1"],
      [
        "mirror.example:80, GET /debian/dists/?x=1: allowed",
        "  the rule GET,HEAD mirror.example /debian/* allows it",
        "  its name is resolved once, and each address has to be public",
        "  no address may be in 10.20.99.0/24",
        "  rules about this host:",
        "    allow GET,HEAD mirror.example /debian/*: it allows this"
      ]
    ],
    [
      ["mirror.example:80"],
      [
        "mirror.example:80, a tunnel (CONNECT): refused",
        "  this host is allowed for plain HTTP only, and what is inside a tunnel cannot be judged; the rules are GET,HEAD mirror.example /debian/*",
        "  rules about this host:",
        "    allow GET,HEAD mirror.example /debian/*: it is for plain HTTP, and allows no tunnel",
        `  to allow it, add "mirror.example:80" to allow`
      ]
    ],
    [
      ["mirror.example", "--method", "POST", "--path", "/debian/x"],
      [
        "mirror.example:80, POST /debian/x: refused",
        "  this host is allowed for other requests only; the rules are GET,HEAD mirror.example /debian/*",
        "  rules about this host:",
        "    allow GET,HEAD mirror.example /debian/*: it allows only GET, HEAD /debian/*",
        `  to allow it, add "mirror.example:80" to allow`
      ]
    ],
    [
      ["0x0a146301:22"],
      [
        "10.20.99.1:22, a tunnel (CONNECT): refused",
        "  the rule 10.20.99.0/24 denies it",
        "  rules about this host:",
        "    deny 10.20.99.0/24: it denies this",
        "  to allow it, take 10.20.99.0/24 out of deny"
      ]
    ],
    [
      ["other.example:8443"],
      [
        "other.example:8443, a tunnel (CONNECT): refused",
        "  no rule allows this host",
        `  to allow it, add "other.example:8443" to allow`
      ]
    ],
    [
      ["%61pi.example"],
      [
        "%61pi.example:443, a tunnel (CONNECT): refused",
        `  "%61pi.example" is not a host: it is percent-encoded`,
        "  no rule can allow it"
      ]
    ]
  ]
  for (const [words, told] of cases) {
    it.live(`says what becomes of ${words.join(" ")}`, () =>
      withDocument(document, (cwd) =>
        Effect.gen(function* () {
          const { code, stderr, stdout } = yield* bottle(cwd, "policy", "explain", "p.json", ...words)
          assert.deepStrictEqual(stdout.trimEnd().split("\n"), told)
          assert.deepStrictEqual([code, stderr], [0, ""])
        })
      )
    )
  }

  it.live("prints a document for programs", () =>
    withDocument(document, (cwd) =>
      Effect.gen(function* () {
        const line = ["policy", "explain", "p.json", "uploads.registry.example", "--format", "json"]
        const { explanation } = JSON.parse((yield* bottle(cwd, ...line)).stdout)
        assert.deepStrictEqual(
          [explanation.verdict, explanation.reason, explanation.rule],
          ["deny", "denied-by-rule", "uploads.registry.example"]
        )
      })
    )
  )

  const refused: ReadonlyArray<readonly [words: ReadonlyArray<string>, told: string]> = [
    [
      ["a.example:0"],
      'bottle: "a.example:0" has a port that is not a number from 1 to 65535\ntry: HOST or HOST:PORT\n'
    ],
    [
      ["http://a.example/v1"],
      'bottle: "http://a.example/v1" is more than a host and a port\ntry: HOST or HOST:PORT; --path /v1/models for a request of plain HTTP\n'
    ],
    [["a.example", "--method", "psot"], 'bottle: --method does not take "psot"\ntry: --method POST\n'],
    [["a.example", "--method", "CONNECT"], 'bottle: --method does not take "CONNECT"\ntry: --method GET\n'],
    [["a.example", "--path", "v1"], 'bottle: --path "v1" does not begin with /\ntry: --path /v1/models\n']
  ]
  for (const [words, told] of refused) {
    it.live(`refuses ${words.join(" ")}`, () =>
      withDocument(document, (cwd) =>
        Effect.gen(function* () {
          const text = yield* bottle(cwd, "policy", "explain", "p.json", ...words)
          assert.deepStrictEqual(text, { code: 2, stdout: "", stderr: told })
        })
      )
    )
  }
})
