import * as Commands from "@bottle/cli/Commands"
import * as Config from "@bottle/cli/commands/Config"
import * as Init from "@bottle/cli/commands/Init"
import { Invocation } from "@bottle/cli/Invocation"
import * as ManifestFile from "@bottle/cli/ManifestFile"
import * as ManifestPlace from "@bottle/cli/ManifestPlace"
import { template } from "@bottle/cli/ManifestTemplate"
import * as Prepared from "@bottle/cli/Prepared"
import * as RunRequest from "@bottle/cli/RunRequest"
import * as SettingsText from "@bottle/cli/SettingsText"
import * as Stdio from "@bottle/cli/Stdio"
import * as Words from "@bottle/cli/Words"
import { presets } from "@bottle/engine/AgentPresets"
import { Agent, Bottle } from "@bottle/engine/Manifest"
import * as ManifestText from "@bottle/engine/ManifestText"
import * as Temp from "@bottle/testing/Temp"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"

const uid = process.getuid?.() ?? 0

describe("ManifestPlace", () => {
  const environment = { HOME: "/home/me" }
  const of = (flag: string | null, env: Readonly<Record<string, string>>) =>
    ManifestPlace.of(Option.fromNullable(flag), { cwd: "/srv/project", environment: env })

  it("is what the line names, else the user's own configuration directory", () => {
    assert.deepStrictEqual(of("my.json", environment), { file: "/srv/project/my.json", isNamed: true })
    assert.deepStrictEqual(of(null, environment), { file: "/home/me/.config/bottle/bottle.json", isNamed: false })
    const xdg = { ...environment, XDG_CONFIG_HOME: "/etc/me" }
    assert.deepStrictEqual(of(null, xdg), { file: "/etc/me/bottle/bottle.json", isNamed: false })
    // The specification says to ignore a relative one, which would be below the working directory.
    const relative = { ...environment, XDG_CONFIG_HOME: "conf" }
    assert.deepStrictEqual(of(null, relative), { file: "/home/me/.config/bottle/bottle.json", isNamed: false })
    assert.deepStrictEqual(of(null, {}), null)
    assert.deepStrictEqual(of(null, { HOME: "home" }), null)
  })

  it.scoped("is never one that lies in the working directory", () =>
    Effect.gen(function* () {
      const cwd = yield* Temp.directory
      const home = yield* Temp.directory
      const find = (flag: string | null) =>
        ManifestPlace.find(Option.fromNullable(flag), { cwd, environment: { HOME: home } })
      for (const name of ["bottle.json", "bottle/bottle.json", ".config/bottle/bottle.json"]) {
        Fs.mkdirSync(Path.dirname(Path.join(cwd, name)), { recursive: true })
        Fs.writeFileSync(Path.join(cwd, name), "{}")
      }
      assert.strictEqual(yield* find(null), null)
      assert.deepStrictEqual(yield* find("bottle.json"), { file: Path.join(cwd, "bottle.json"), isNamed: true })
      const own = Path.join(home, ".config/bottle/bottle.json")
      Fs.mkdirSync(Path.dirname(own), { recursive: true })
      Fs.writeFileSync(own, "{}")
      assert.deepStrictEqual(yield* find(null), { file: own, isNamed: false })
      // What is there and cannot be looked at is no launch without a manifest.
      Fs.rmSync(own)
      Fs.rmdirSync(Path.dirname(own))
      Fs.symlinkSync("bottle", Path.dirname(own))
      assert.deepStrictEqual(yield* find(null), { file: own, isNamed: false })
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("ManifestFile.read", () => {
  const refused = (file: string, as = uid) =>
    Effect.map(Effect.flip(ManifestFile.read(file, as)), (error) => [error._tag, error.message, error.suggestion])

  /** A file in a directory of its own. */
  const written = (content: string) =>
    Effect.map(Temp.directory, (above) => {
      const directory = Path.join(above, "own")
      Fs.mkdirSync(directory, { mode: 0o700 })
      const file = Path.join(directory, "bottle.json")
      Fs.writeFileSync(file, content, { mode: 0o600 })
      return { above, directory, file }
    })

  it.scoped("gives the manifest, and the directory that paths in it are beside", () =>
    Effect.gen(function* () {
      const { above, directory, file } = yield* written('{ "bottles": { "dev": {} }, }')
      const manifest = { bottles: { dev: {} } }
      assert.deepStrictEqual(yield* ManifestFile.read(file), { manifest, file, directory: Fs.realpathSync(directory) })
      const link = Path.join(above, "link.json")
      Fs.symlinkSync(file, link)
      const linked = yield* ManifestFile.read(link)
      assert.deepStrictEqual(linked, { manifest, file: link, directory: Fs.realpathSync(directory) })
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("refuses what is not there, is no file, or says nothing that can be taken", () =>
    Effect.gen(function* () {
      const { directory, file } = yield* written('{\n  "botles": {}\n}')
      assert.deepStrictEqual(yield* refused(file), [
        "ManifestInvalid",
        `${file}:2:3: botles: the key "botles" is not known here`,
        'Write "bottles"'
      ])
      const missing = Path.join(directory, "none.json")
      assert.deepStrictEqual(yield* refused(missing), [
        "ManifestUnreadable",
        `${missing}: there is no such file`,
        "Check its name; bottle init writes one"
      ])
      assert.deepStrictEqual((yield* refused(directory)).slice(0, 2), [
        "ManifestUnreadable",
        `${directory}: it is not a file`
      ])
      // Whom it belongs to, and who may write to it, is nothing to be mended.
      assert.deepStrictEqual(yield* refused("/dev/null"), [
        "ManifestUnreadable",
        "/dev/null: it is not a file",
        "Name a regular file"
      ])
      Fs.writeFileSync(file, " ".repeat(1024 * 1024 + 1))
      assert.strictEqual((yield* refused(file))[0], "ManifestUnreadable")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("refuses a file, a directory and a link's directory that others can write to, and says what to run", () =>
    Effect.gen(function* () {
      const { above, directory, file } = yield* written("{}")
      const changed = (path: string, mode: number, as = file) =>
        Effect.gen(function* () {
          const before = Fs.statSync(path).mode
          Fs.chmodSync(path, mode)
          const told = yield* refused(as)
          Fs.chmodSync(path, before)
          return told
        })
      const others = "can be written by other users"
      assert.deepStrictEqual(yield* changed(file, 0o620), [
        "ManifestUntrusted",
        `${file}: it ${others}`,
        `chmod go-w ${file}`
      ])
      assert.deepStrictEqual(yield* changed(directory, 0o702), [
        "ManifestUntrusted",
        `${file}: ${directory} ${others}`,
        `chmod go-w ${directory}`
      ])
      assert.strictEqual((yield* changed(above, 0o770))[0], "ManifestUntrusted")
      // What protects what is in a directory says nothing of a file.
      assert.strictEqual((yield* changed(file, 0o1602))[0], "ManifestUntrusted")
      // Nobody can take away what is another's in such a directory.
      Fs.chmodSync(above, 0o1777)
      yield* ManifestFile.read(file)
      Fs.chmodSync(above, 0o755)
      const links = Path.join(above, "links")
      Fs.mkdirSync(links)
      const link = Path.join(links, "bottle.json")
      Fs.symlinkSync(file, link)
      yield* ManifestFile.read(link)
      assert.strictEqual((yield* changed(links, 0o777, link))[1], `${link}: ${links} ${others}`)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("refuses what belongs to another user that is not root", () =>
    Effect.gen(function* () {
      const { file } = yield* written("{}")
      yield* ManifestFile.read(file, uid)
      // As somebody else sees it: what is root's may be read by everyone, what is this user's may not.
      const seen = yield* Effect.either(ManifestFile.read(file, uid + 1))
      if (uid === 0) assert.isTrue(Either.isRight(seen))
      else assert.strictEqual(Either.getOrThrow(Either.flip(seen))._tag, "ManifestUntrusted")
      if (uid !== 0) return
      Fs.chownSync(file, 34_567, 34_567)
      assert.deepStrictEqual(yield* refused(file), [
        "ManifestUntrusted",
        `${file}: it belongs to another user`,
        "Keep the manifest in a directory of your own."
      ])
      yield* ManifestFile.read(file, 34_567)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped(
    "refuses a policy that it names and others can write to, and a launch whose guest could change either",
    () =>
      Effect.gen(function* () {
        const { directory, file } = yield* written("{}")
        const policy = Path.join(directory, "policy.json")
        Fs.writeFileSync(policy, '{"allow": ["a.example"]}')
        const manifest = { bottles: { dev: { policy: "policy.json" } } }
        const prepared = (words: ReadonlyArray<string>) =>
          Effect.gen(function* () {
            const reading = yield* Words.read(["run", ...words], ["true"])
            if (reading._tag !== "Command") return yield* Effect.dieMessage("not a command")
            const parsed = yield* Commands.parse(reading)
            if (parsed._tag !== "Run") return yield* Effect.dieMessage("not a launch")
            const around = { cwd: directory, environment: {} }
            return yield* Prepared.options(
              yield* RunRequest.make(parsed.flags, ["true"], around, { manifest, file, directory })
            )
          })
        Fs.chmodSync(policy, 0o600)
        assert.deepStrictEqual((yield* prepared(["--bottle", "dev"])).policy?.allow, ["a.example"])
        Fs.chmodSync(policy, 0o620)
        const error = yield* Effect.flip(prepared(["--bottle", "dev"]))
        assert.strictEqual(error.message, `${policy}: it can be written by other users`)
        yield* prepared(["--bottle", "dev", "--policy", "policy.json"])
        Fs.chmodSync(policy, 0o600)
        const ways = [
          ["-v", `${directory}:/work:ro`, `${directory}:/work`],
          ["--workspace", `${directory}:ro`, `${directory}:rw`]
        ] as const
        for (const [flag, readOnly, writable] of ways) {
          yield* prepared([flag, readOnly])
          assert.strictEqual((yield* Effect.flip(prepared([flag, writable])))._tag, "ManifestInMount")
        }
        const absent = yield* Effect.flip(prepared(["-v", `${directory}:/a:ro`, "-v", "absent:/b"]))
        assert.strictEqual(absent.message, `mounts: there is no ${directory}/absent`)
        Fs.rmSync(policy)
        assert.include((yield* Effect.flip(prepared(["--bottle", "dev"]))).message, "there is no such file")
      }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("is refused where the guest of the launch could change it", () =>
    Effect.gen(function* () {
      const { above, directory, file } = yield* written("{}")
      const mount = (host: string, readonly: boolean) => [{ host, guest: "/work", readonly }]
      yield* ManifestPlace.checkMounts(file, mount(above, true))
      yield* ManifestPlace.checkMounts(file, mount(Path.join(above, "other"), false))
      for (const host of [above, directory]) {
        const error = yield* Effect.flip(ManifestPlace.checkMounts(file, mount(host, false)))
        assert.strictEqual(error.message, `${file}: the guest can change the manifest, below -v ${host}`)
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

const flags = { manifest: Option.none(), format: Option.none(), bottle: Option.none(), agent: Option.none() }

/** What a command gives and prints in a home of its own. */
const at =
  (home: string, environment: Readonly<Record<string, string>> = {}) =>
  (command: Effect.Effect<number, never, Invocation | Stdio.Stdio | FileSystem.FileSystem>) => {
    const printed = { out: "", error: "" }
    const decoder = new TextDecoder()
    const stdio = Layer.succeed(Stdio.Stdio, {
      isInteractive: false,
      stdout: (bytes) => Effect.sync(() => void (printed.out += decoder.decode(bytes))),
      stderr: (bytes) => Effect.sync(() => void (printed.error += decoder.decode(bytes))),
      stdin: Stream.empty
    })
    const invocation = Layer.succeed(Invocation, {
      argv: [],
      cwd: home,
      environment: { HOME: home, ...environment },
      programDirectory: home,
      keeper: null,
      superuser: false,
      arch: "x64",
      platform: "linux",
      nodeVersion: "20.0.0"
    })
    return command.pipe(
      Effect.map((code) => ({ code, ...printed })),
      Effect.provide(Layer.mergeAll(stdio, invocation, NodeFileSystem.layer))
    )
  }

describe("bottle init and bottle config", () => {
  it("write a manifest of which every line of comment is right, too", () => {
    const uncommented = template.replace(/^(\s*)\/\/\s+(?=["{}\]])/gm, "$1")
    const commented = Either.getOrThrow(ManifestText.parse(template, presets))
    const whole = Either.getOrThrowWith(ManifestText.parse(uncommented, presets), (error) => new Error(error.message))
    assert.deepStrictEqual(commented, {
      version: 1,
      bottles: { dev: { env: {}, mounts: [], policy: { allow: [] } } },
      agents: {}
    })
    assert.deepStrictEqual(
      Object.keys(whole.bottles?.["dev"] ?? {}).sort(),
      Object.keys(Bottle.fields)
        .filter((key) => key !== "pack")
        .sort()
    )
    assert.deepStrictEqual(Object.keys(whole.bottles?.["packed"] ?? {}), ["pack"])
    assert.deepStrictEqual(
      Object.keys(whole.agents?.["helper"] ?? {}).sort(),
      Object.keys(Agent.fields)
        .filter((key) => key !== "extends")
        .sort()
    )
    assert.deepStrictEqual(
      [whole.bottle, whole.$schema, whole.agents?.["claude"]?.extends],
      ["dev", "./manifest.schema.json", "claude"]
    )
  })

  it("are explained by a manifest that says what the guide says", () => {
    const guide = Fs.readFileSync(new URL("../../../docs/guides/manifest.md", import.meta.url), "utf8")
    const [, example = ""] = /```jsonc\n([^]*?)```/.exec(guide) ?? []
    const parsed = ManifestText.parse(example, presets)
    const manifest = Either.getOrThrowWith(parsed, (error) => new Error(error.message))
    assert.deepStrictEqual(
      Object.keys(manifest.bottles?.["dev"] ?? {}).sort(),
      Object.keys(Bottle.fields)
        .filter((key) => key !== "pack")
        .sort()
    )
    const agents = Object.values(manifest.agents ?? {}).flatMap((agent) => Object.keys(agent))
    assert.deepStrictEqual([...new Set(agents)].sort(), Object.keys(Agent.fields).sort())
    // What the guide prints of it.
    const read = { manifest, file: "/home/me/.config/bottle/bottle.json", directory: "/home/me/.config/bottle" }
    const helper = { ...flags, agent: Option.some("helper") }
    const begun = Either.getOrThrow(RunRequest.begin(helper, read, { HOME: "/home/me" }))
    const [, shown = ""] = /\$ bottle config --agent helper\n(?:#.*\n)*([^]*?)```/.exec(guide) ?? []
    assert.deepStrictEqual(SettingsText.lines(SettingsText.rows(begun)), shown.trimEnd().split("\n"))
  })

  it.scoped("write it whole and private, and never over another unless they are told to", () =>
    Effect.gen(function* () {
      const home = yield* Temp.directory
      const run = at(home)
      const file = Path.join(home, ".config/bottle/bottle.json")
      const first = yield* run(Init.init({ ...flags, force: false }))
      assert.deepStrictEqual(first, { code: 0, out: `${file}\ntry: bottle run --bottle dev -- uname -a\n`, error: "" })
      assert.strictEqual(Fs.readFileSync(file, "utf8"), template)
      assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(Fs.statSync(Path.dirname(file)).mode & 0o777, 0o700)
      Fs.writeFileSync(file, "{}")
      const second = yield* run(Init.init({ ...flags, force: false }))
      assert.strictEqual(second.code, 125)
      assert.include(second.error, `${file}: there is a file already`)
      assert.strictEqual(Fs.readFileSync(file, "utf8"), "{}")
      assert.strictEqual((yield* run(Init.init({ ...flags, force: true }))).code, 0)
      assert.strictEqual(Fs.readFileSync(file, "utf8"), template)
      assert.deepStrictEqual(Fs.readdirSync(Path.dirname(file)), ["bottle.json"])
      // Kept elsewhere, it stays there.
      const elsewhere = Path.join(home, "mine.json")
      Fs.renameSync(file, elsewhere)
      Fs.symlinkSync(elsewhere, file)
      Fs.writeFileSync(elsewhere, "{}")
      assert.strictEqual((yield* run(Init.init({ ...flags, force: true }))).code, 0)
      assert.strictEqual(Fs.readlinkSync(file), elsewhere)
      assert.strictEqual(Fs.readFileSync(elsewhere, "utf8"), template)
    })
  )

  it.scoped("write where they are told to, and say so when that is no place for a manifest", () =>
    Effect.gen(function* () {
      const home = yield* Temp.directory
      const run = at(home)
      const json = { ...flags, force: false, format: Option.some("json") }
      const named = yield* run(Init.init({ ...json, manifest: Option.some("mine.json") }))
      const manifest = Path.join(home, "mine.json")
      assert.deepStrictEqual(JSON.parse(named.out), {
        version: 1,
        init: { manifest, next: `bottle run --manifest ${manifest} --bottle dev -- uname -a` }
      })
      Fs.mkdirSync(Path.join(home, "shared"))
      Fs.chmodSync(Path.join(home, "shared"), 0o777)
      const shared = yield* run(Init.init({ ...flags, force: false, manifest: Option.some("shared/bottle.json") }))
      assert.include(shared.error, `chmod go-w ${home}/shared`)
      Fs.writeFileSync(Path.join(home, "file"), "")
      const below = yield* run(Init.init({ ...flags, force: false, manifest: Option.some("file/bottle.json") }))
      assert.include(below.error, "cannot be written")
    })
  )

  it.scoped("print what is merged, and where it comes from, without a secret", () =>
    Effect.gen(function* () {
      const home = yield* Temp.directory
      const file = Path.join(home, ".config/bottle/bottle.json")
      Fs.mkdirSync(Path.dirname(file), { recursive: true, mode: 0o700 })
      Fs.writeFileSync(
        file,
        JSON.stringify({
          bottle: "dev",
          bottles: {
            dev: {
              image: "alpine:3.20",
              limits: { cpus: 2, mem: "2G" },
              env: { LANG: "C.UTF-8", TOKEN: { from: "MY_TOKEN" } },
              mounts: [{ host: "~/src", guest: "/work", readonly: true }],
              policy: { allow: ["example.com"] },
              ttl: "2h"
            }
          },
          agents: {
            mine: {
              command: ["mine"],
              env: { LANG: "C" },
              allow: ["b.example"],
              credentials: {
                api: {
                  source: { command: ["vault", "s3cret"] },
                  header: "x-api-key",
                  upstream: "https://c.example"
                }
              }
            }
          }
        }),
        { mode: 0o600 }
      )
      const run = at(home, { MY_TOKEN: "s3cret", ANTHROPIC_API_KEY: "s3cret", BOTTLE_RUNTIME: "local" })
      const mine = yield* run(Config.config({ ...flags, agent: Option.some("mine") }))
      assert.deepStrictEqual(mine.out.replace(/ {2,}/g, "  ").split("\n"), [
        `# ${file}`,
        "# bottle dev",
        "# agent mine",
        "image  alpine:3.20  # bottles.dev",
        "isolation  any  # default",
        "runtime  local  # BOTTLE_RUNTIME",
        "limits.cpus  2  # bottles.dev",
        "limits.mem  2G  # bottles.dev",
        'env.LANG  "C"  # agents.mine',
        "env.TOKEN  $MY_TOKEN, a secret  # bottles.dev",
        `mounts./work  ${home}/src, read-only  # bottles.dev`,
        'policy.allow  ["example.com"]  # bottles.dev',
        "ttl  2h  # bottles.dev",
        "command  mine  # agents.mine",
        "prompt  argument  # default",
        "workspace  copy  # default",
        "allow.b.example  b.example  # agents.mine",
        "credentials.api  https://c.example, x-api-key from the output of vault  # agents.mine",
        ""
      ])
      const claude = yield* run(Config.config({ ...flags, agent: Option.some("claude"), format: Option.some("json") }))
      assert.strictEqual(claude.code, 0)
      const { config } = Schema.decodeUnknownSync(Schema.parseJson(Config.ConfigDocument))(claude.out)
      assert.deepStrictEqual(
        config.settings.filter(({ key }) => key.startsWith("credentials.") || key === "env.TOKEN"),
        [
          { key: "env.TOKEN", value: { from: "MY_TOKEN" }, origin: { kind: "bottle", name: "dev" } },
          {
            key: "credentials.anthropic",
            value: { upstream: "https://api.anthropic.com", header: "x-api-key", from: "$ANTHROPIC_API_KEY" },
            origin: { kind: "preset", name: "claude" }
          }
        ]
      )
      assert.notInclude(mine.out + claude.out, "s3cret")
      const wrong = yield* run(Config.config({ ...flags, bottle: Option.some("dve") }))
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.error, "try: --bottle dev")
    })
  )

  it.scoped("say that there is no manifest where there is none", () =>
    Effect.gen(function* () {
      const home = yield* Temp.directory
      const none = yield* at(home)(Config.config(flags))
      assert.deepStrictEqual(none.out.split("\n"), [
        "# no manifest: bottle init writes one",
        "image      none  # default",
        "isolation  any   # default",
        ""
      ])
      const named = yield* at(home)(Config.config({ ...flags, manifest: Option.some("none.json") }))
      assert.include(named.error, `${home}/none.json: there is no such file`)
    })
  )
})
