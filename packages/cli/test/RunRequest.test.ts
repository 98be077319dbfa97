import * as Commands from "@bottle/cli/Commands"
import * as RunRequest from "@bottle/cli/RunRequest"
import * as Tail from "@bottle/cli/Tail"
import type { UsageError } from "@bottle/cli/UsageError"
import * as Words from "@bottle/cli/Words"
import * as Settings from "@bottle/engine/Settings"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as FastCheck from "fast-check"

const surroundings: RunRequest.Surroundings = {
  cwd: "/home/me/project",
  environment: { TOKEN: "s3cret", EMPTY: "" }
}

/** A whole line, as the program reads it. */
const parse = (...argv: ReadonlyArray<string>) => parseIn(surroundings, ...argv)

const parseIn = (
  around: RunRequest.Surroundings,
  ...argv: ReadonlyArray<string>
): Effect.Effect<RunRequest.RunRequest, UsageError> =>
  Effect.gen(function* () {
    const { tail, words } = Tail.split(argv)
    const reading = yield* Words.read(words, tail)
    assert.strictEqual(reading._tag, "Command")
    if (reading._tag !== "Command") return yield* Effect.dieMessage("not a command")
    const parsed = yield* Commands.parse(reading)
    if (parsed._tag !== "Run" && parsed._tag !== "Plan") return yield* Effect.dieMessage("not a launch")
    return yield* RunRequest.make(parsed.flags, tail, around)
  }).pipe(Effect.provide(FileSystem.layerNoop({})))

const refusal = (...argv: ReadonlyArray<string>) =>
  Effect.map(Effect.flip(parse(...argv)), (error) => `${error.message} | ${error.suggestion}`)

describe("RunRequest.make", () => {
  it.effect("makes a bottle of nothing from no flags", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* parse("run", "--", "true"), {
        options: {
          name: "true",
          source: { _tag: "Bare" },
          allow: [],
          deny: [],
          resolve: [],
          env: [],
          secrets: [],
          mounts: [],
          workdir: undefined,
          cpus: undefined,
          memMib: undefined,
          bundle: undefined,
          topology: undefined,
          unprovenEgress: false,
          keepOnFailure: false
        },
        beginning: { settings: Settings.empty, bottle: null, agent: null, file: null },
        input: null,
        isConversation: false,
        workspace: null,
        policyFile: null,
        container: { program: "docker", image: null, base: null },
        command: ["true"],
        secrets: new Map(),
        timeoutMillis: undefined,
        interactive: false,
        tty: "auto",
        runtime: null,
        format: "text",
        report: null,
        trace: null,
        quiet: false
      })
    })
  )

  it.effect("takes every flag", () =>
    Effect.gen(function* () {
      const line =
        "run --image ./rootfs --allow a.example --allow *.b.example:8443 --resolve a.example=127.0.0.1 -e A=1 -e TOKEN " +
        "-v src:/src:ro -v /data:/data -w /src --timeout 90s -i --no-tty --cpus 2 --mem 1G --keep-on-failure " +
        "--runtime local --bundle container --format json --report out/run.json -q --deny *.bad.example --deny 10.0.0.0/8:22 " +
        "--policy ../policy.json --topology socket --unproven-egress --bundle-image me/bundle:1 --bundle-base node:20"
      const spaced = ["-e", "B=x=y z ", "--name", "my agent"]
      const request = yield* parse(...line.split(" "), ...spaced, "--", "sh", "-c", "echo $A", "--", "--mem")
      assert.deepStrictEqual(request.options, {
        name: "my agent",
        source: { _tag: "Image", reference: "/home/me/project/rootfs" },
        allow: ["a.example", "*.b.example:8443"],
        deny: ["*.bad.example", "10.0.0.0/8:22"],
        resolve: ["a.example=127.0.0.1"],
        env: [
          ["A", "1"],
          ["B", "x=y z "]
        ],
        secrets: ["TOKEN"],
        mounts: [
          { host: "/home/me/project/src", guest: "/src", readonly: true },
          { host: "/data", guest: "/data", readonly: false }
        ],
        workdir: "/src",
        cpus: 2,
        memMib: 1024,
        bundle: "container",
        topology: "socket",
        unprovenEgress: true,
        keepOnFailure: true
      })
      assert.strictEqual(request.policyFile, "/home/me/policy.json")
      assert.deepStrictEqual(request.container, { program: "docker", image: "me/bundle:1", base: "node:20" })
      assert.deepStrictEqual(request.command, ["sh", "-c", "echo $A", "--", "--mem"])
      assert.strictEqual(request.timeoutMillis, 90_000)
      assert.isTrue(request.interactive)
      assert.strictEqual(request.tty, "never")
      assert.strictEqual(request.runtime, "local")
      assert.strictEqual(request.format, "json")
      assert.strictEqual(request.report, "/home/me/project/out/run.json")
      assert.isTrue(request.quiet)
    })
  )

  it.effect("takes what a container bundle is made with from the environment, and a flag before it", () =>
    Effect.gen(function* () {
      const environment = { BOTTLE_DOCKER: "podman", BOTTLE_BUNDLE_IMAGE: "their/image:2", BOTTLE_BUNDLE_BASE: "" }
      const request = yield* parseIn({ ...surroundings, environment }, "plan")
      assert.deepStrictEqual(request.container, { program: "podman", image: "their/image:2", base: null })
      const flagged = yield* parseIn({ ...surroundings, environment }, "plan", "--bundle-image", "mine:1")
      assert.strictEqual(flagged.container.image, "mine:1")
      const odd = { BOTTLE_BUNDLE_BASE: "--privileged" }
      const error = yield* Effect.flip(parseIn({ ...surroundings, environment: odd }, "plan"))
      assert.strictEqual(error.message, 'BOTTLE_BUNDLE_BASE "--privileged" is no image\'s name')
    })
  )

  it.effect("keeps the value of a secret out of everything that can be printed", () =>
    Effect.gen(function* () {
      const request = yield* parse("run", "-e", "TOKEN", "-e", "EMPTY", "--", "true")
      assert.strictEqual(Redacted.value(request.secrets.get("TOKEN") ?? Redacted.make("")), "s3cret")
      assert.deepStrictEqual(request.options.secrets, ["TOKEN", "EMPTY"])
      assert.notInclude(JSON.stringify({ ...request, secrets: [...request.secrets] }), "s3cret")
    })
  )

  it.effect("leaves the guest's own flags alone", () =>
    Effect.gen(function* () {
      for (const tail of [
        ["ls", "--version"],
        ["x", "-h"],
        ["cmd", "--log-level", "debug"],
        ["x", "--wizard"],
        ["run", "--image", "y", "--"]
      ]) {
        assert.deepStrictEqual((yield* parse("run", "--", ...tail)).command, tail)
      }
    })
  )

  const sources: ReadonlyArray<readonly [line: ReadonlyArray<string>, source: unknown]> = [
    [["--image", "alpine:3.20"], { _tag: "Image", reference: "alpine:3.20" }],
    [["--image", "registry.example/a/b@sha256:00"], { _tag: "Image", reference: "registry.example/a/b@sha256:00" }],
    [["--image", "../x.tar"], { _tag: "Image", reference: "/home/me/x.tar" }],
    [["--image", "/srv/rootfs"], { _tag: "Image", reference: "/srv/rootfs" }],
    [["--from", "a.smolmachine"], { _tag: "Pack", path: "/home/me/project/a.smolmachine" }]
  ]
  for (const [line, source] of sources) {
    it.effect(`boots from ${line.join(" ")}`, () =>
      Effect.map(parse("run", ...line, "--", "true"), (request) =>
        assert.deepStrictEqual<unknown>(request.options.source, source)
      )
    )
  }

  const refused: ReadonlyArray<readonly [line: ReadonlyArray<string>, refusal: string]> = [
    [
      ["--image", "a", "--from", "b"],
      "--image and --from exclude each other | --image to boot from an image, --from from a pack"
    ],
    [
      ["--allow", "http://x/"],
      '--allow "http://x/": it is more than a host and a port | Write the host alone, without scheme, path or user: example.com or example.com:443'
    ],
    [
      ["--allow", "a:0"],
      '--allow "a:0": its port is not a number from 1 to 65535 | Write HOST, *.HOST, HOST:PORT, *.HOST:PORT, 192.0.2.1:443 or [2001:db8::1]:443'
    ],
    [
      ["--resolve", "a"],
      '--resolve "a": it is not HOST=IP | Write one HOST=IP for each name, such as api.example.com=10.0.0.5'
    ],
    [
      ["--deny", "*"],
      '--deny "*": a star stands for whole names only, and only in front | A star stands only in front, for every name below: *.example.com'
    ],
    [["--bundle-image", "a b"], '--bundle-image "a b" is no image\'s name | --bundle-image NAME:TAG'],
    [["-t", "--no-tty"], "-t and --no-tty exclude each other | leave out one of them"],
    [
      ["--bundle", "none", "--allow", "x"],
      "--allow needs a proxy, and --bundle none has none | leave out --bundle, or --allow"
    ],
    [
      ["--bundle", "process", "--bundle-base", "node:20"],
      "--bundle-base needs a container, and --bundle process has none | leave out --bundle-base, or --bundle container"
    ],
    [
      ["--bundle", "none", "--bundle-image", "mine:1"],
      "--bundle-image needs a container, and --bundle none has none | leave out --bundle-image, or --bundle container"
    ],
    [["--timeout", "30"], '--timeout "30" is not a time with its unit (ms, s, m, h) | --timeout 30s'],
    [["--cpus", "0"], '--cpus "0" is not a number of CPUs | --cpus 2'],
    [["--mem", "1T"], '--mem "1T" is not an amount of memory in MiB, or with M or G | --mem 2G'],
    [["-w", "src"], '-w "src" is not an absolute path of the guest | -w /src'],
    [["-v", "x"], '-v "x" is not HOST:GUEST | -v ./work:/work, or -v ./work:/work:ro'],
    [["-v", ":/x"], '-v ":/x" is not HOST:GUEST | -v ./work:/work, or -v ./work:/work:ro'],
    [["-v", "a:/b:ro:c"], '-v "a:/b:ro:c" is not HOST:GUEST | -v ./work:/work, or -v ./work:/work:ro'],
    [["-v", "a:/b:rw"], '-v "a:/b:rw" ends in something other than ro | -v a:/b:ro'],
    [["-v", "a:b"], '-v "a:b": the guest\'s path is not absolute | -v a:/b'],
    [["-e", "MISSING"], "-e MISSING: your environment has no MISSING | export MISSING first, or -e MISSING=value"],
    [["-e", "TOKEN", "-e", "TOKEN=x"], "-e TOKEN is both a secret and a literal value | -e TOKEN for the secret alone"],
    [["-e", "TOKEN=x", "-e", "TOKEN"], "-e TOKEN is both a secret and a literal value | -e TOKEN for the secret alone"],
    [["-e", "9x=s3cret"], "-e: a variable's name is letters, digits and _, not beginning with a digit | -e NAME=value"],
    [["-e", "=s3cret"], "-e: a variable's name is letters, digits and _, not beginning with a digit | -e NAME=value"]
  ]
  for (const [line, expected] of refused) {
    it.effect(`refuses ${line.join(" ")}`, () =>
      Effect.map(refusal("run", ...line, "--", "true"), (text) => assert.strictEqual(text, expected))
    )
  }

  it.effect("takes values as they are, whatever they look like and wherever they stand", () => {
    const odd = FastCheck.constantFrom("run", "doctor", "true", "no", "x=y", " a ", "=", "a\nb", "-help ", "--help", "")
    const values = FastCheck.array(FastCheck.oneof(FastCheck.string({ maxLength: 30 }), odd), { maxLength: 8 })
    const name = FastCheck.constantFrom("run", "plan", "doctor", "true", " a ", "a=b", "v0")
    const lines = FastCheck.sample(FastCheck.tuple(values, name, FastCheck.boolean(), FastCheck.boolean()), 60)
    return Effect.forEach(
      lines,
      ([texts, named, quiet, attached]) =>
        Effect.gen(function* () {
          const env = texts.map((text, index) => [`V${index}`, text] as const)
          const flags = env.flatMap(([key, text]) => (attached ? [`--env=${key}=${text}`] : ["-e", `${key}=${text}`]))
          const request = yield* parse("run", ...(quiet ? ["-q"] : []), ...flags, "--name", named, "--", "true")
          assert.deepStrictEqual(request.options.env, env)
          assert.strictEqual(request.options.name, named)
          assert.strictEqual(request.quiet, quiet)
        }),
      { discard: true }
    )
  })

  it.effect("takes a long allowlist", () =>
    Effect.gen(function* () {
      const hosts = Array.from({ length: 1000 }, (_, index) => `h${index}.example`)
      const request = yield* parse("run", ...hosts.flatMap((host) => ["--allow", host]), "--", "true")
      assert.deepStrictEqual(request.options.allow, hosts)
    })
  )
})
