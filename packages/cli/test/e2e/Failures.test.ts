import * as Failure from "@bottle/cli/Failure"
import { LaunchPlan } from "@bottle/engine/LaunchPlan"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Ended, Home } from "./harness.js"
import { failureLines, find, inHome, lacks, ordinary, users } from "./harness.js"

/** A smolvm that answers as the cases say, and otherwise succeeds without a word. */
const fakeSmolvm = (home: Home, version: string, cases = ""): void => {
  home.program(
    "smolvm",
    `#!/bin/sh
case "$1 $2" in
  "--version "*) echo "smolvm ${version}" ;;
  ${cases}
esac
`
  )
}

/** One clear line and what to do about it, on standard error only. */
const assertTold = (ended: Ended, code: number, message: RegExp): void => {
  assert.strictEqual(ended.code, code, ended.stderr)
  assert.strictEqual(ended.stdout.toString(), "")
  const lines = failureLines(ended.stderr)
  assert.lengthOf(lines, 2, ended.stderr)
  assert.match(lines[0] ?? "", message)
  assert.match(lines[1] ?? "", /^try: .+/)
}

const decodeFailure = (text: string): Failure.Failure =>
  Schema.decodeUnknownSync(Schema.parseJson(Failure.FailureDocument))(text).failure

/** The same failure as text, as JSON where a run says it, and as JSON where a plan says it. */
const assertFails = async (home: Home, args: ReadonlyArray<string>, code: number, message: RegExp): Promise<void> => {
  assertTold(await home.bottle("run", "-q", ...args, "--", "true"), code, message)
  const run = await home.bottle("run", "--format", "json", ...args, "--", "true")
  assert.strictEqual(run.code, code)
  assert.strictEqual(run.stdout.toString(), "")
  const failure = decodeFailure(run.stderr)
  assert.strictEqual(failure.exitCode, code)
  assert.match(`bottle: ${failure.message}`, message)
  assert.isString(failure.suggestion)
}

const assertPlanFails = async (
  home: Home,
  args: ReadonlyArray<string>,
  code: number,
  message: RegExp
): Promise<void> => {
  const plan = await home.bottle("plan", "--format", "json", ...args)
  assert.strictEqual(plan.code, code)
  assert.match(`bottle: ${decodeFailure(plan.stdout.toString()).message}`, message)
  assert.match(failureLines(plan.stderr)[0] ?? "", message)
}

/** A root file system with a shell and a few programs, and nothing that could be a relay. */
const makeRootfs = (home: Home): string => {
  const root = home.path("work/rootfs")
  for (const name of ["sh", "cat", "head", "rm", "sleep", "true", "mkdir"]) {
    const program = find(name) ?? name
    const libraries = execFileSync("ldd", [program])
      .toString()
      .matchAll(/(\/\S+) \(0x/g)
    for (const file of [program, ...[...libraries].map(([, path]) => path ?? "")]) {
      const target = Path.join(root, file)
      Fs.mkdirSync(Path.dirname(target), { recursive: true })
      Fs.copyFileSync(Fs.realpathSync(file), target)
    }
  }
  Fs.mkdirSync(Path.join(root, "bin"), { recursive: true })
  Fs.copyFileSync(find("sh") ?? "/bin/sh", Path.join(root, "bin/sh"))
  for (const name of ["dev", "proc", "sys", "tmp", "run", "etc"])
    Fs.mkdirSync(Path.join(root, name), { recursive: true })
  home.own()
  return root
}

describe.concurrent("failures", () => {
  it("of the command line exit 2 and create nothing", () =>
    inHome(ordinary, async (home) => {
      await assertFails(home, ["--alow", "x"], 2, /^bottle: unknown flag --alow$/)
      await assertFails(home, ["--timeout", "30"], 2, /^bottle: --timeout "30" is not a time/)
      await assertFails(
        home,
        ["--allow", "http://x/"],
        2,
        /^bottle: --allow "http:\/\/x\/": it is more than a host and a port$/
      )
      await assertFails(home, ["--mem", "1"], 2, /^bottle: --mem: /)
      await assertFails(home, ["-e", "NOT_SET"], 2, /^bottle: -e NOT_SET: your environment has no NOT_SET$/)
      await assertPlanFails(home, ["--resolve", "x"], 2, /^bottle: --resolve "x": it is not HOST=IP$/)
      assertTold(await home.bottle("run", "-q"), 2, /^bottle: no command was given to run$/)
      assertTold(await home.bottle("run", "ls", "-l"), 2, /^bottle: unexpected word "ls" before --$/)
      const bare = await home.bottle()
      assert.deepStrictEqual([bare.code, bare.stdout.toString()], [2, ""])
      assert.match(bare.stderr, /^Try: bottle run -- /m)
      const dry = await home.bottle("run", "--dry-run", "--format=json", "--nope")
      assert.strictEqual(dry.code, 2)
      assert.strictEqual(decodeFailure(dry.stdout.toString()).kind, "usage")
      assert.isFalse(Fs.existsSync(home.path("home/.local")))
      assert.strictEqual((await home.bottle("run", "-q", "--", "true")).code, 0)
    }))

  it("of a runtime that is missing, is no smolvm, or is too old", () =>
    inHome(ordinary, async (home) => {
      await assertFails(home, ["--runtime", "smolvm"], 125, /^bottle: .*smolvm is not installed/)
      await assertFails(home, ["--runtime", "./nowhere/smolvm"], 125, /^bottle: .*nowhere\/smolvm is not installed/)
      await assertPlanFails(home, ["--runtime", "smolvm"], 125, /^bottle: .*smolvm is not installed/)
      fakeSmolvm(home, "0.7.9")
      await assertFails(home, [], 125, /^bottle: .*0\.7\.9/)
      home.program("smolvm", "#!/bin/sh\necho GNU something 4.2\n")
      await assertFails(home, [], 125, /^bottle: /)
      fakeSmolvm(home, "1.5.2")
      await assertFails(home, ["--allow", "example.com", "--bundle", "process"], 125, /^bottle: .*1\.5\.2.*/)
      const bare = await home.bottle("plan", "--bundle", "none")
      assert.strictEqual(bare.code, 0, bare.stderr)
    }))

  it("of the record are told once, and the run goes on", () =>
    inHome(ordinary, async (home) => {
      const state = home.path("home/.local/state/bottle")
      Fs.mkdirSync(state, { recursive: true })
      Fs.writeFileSync(`${state}/records`, "in the way")
      home.own()
      const text = await home.bottle("run", "-q", "--", "sh", "-c", "echo works; exit 3")
      assert.strictEqual(text.code, 3)
      assert.strictEqual(text.stdout.toString(), "works\n")
      assert.lengthOf(failureLines(text.stderr), 2, text.stderr)
      assert.match(text.stderr, /^bottle: the record \S+\/records\/sh-\S+ is not complete: .+\ntry: .+/)
      const json = await home.bottle("run", "--format", "json", "--", "true")
      assert.strictEqual(json.code, 0)
      assert.match(JSON.parse(json.stderr).recordFailure.message, /is not complete/)
      Fs.rmSync(`${state}/records`)
      const after = await home.bottle("run", "-q", "--", "true")
      assert.strictEqual(after.stderr, "")
      assert.lengthOf(Fs.readdirSync(home.records), 1)
    }))

  it("of a bundle that cannot be had say which flag, or what is missing", () =>
    inHome(ordinary, async (home) => {
      await assertFails(home, ["--topology", "address"], 125, /^bottle: .*--topology address.*local runtime/)
      await assertFails(home, ["--bundle", "none", "--topology", "socket"], 2, /^bottle: --topology: /)
      const policy = home.path("policy.json")
      Fs.writeFileSync(policy, `{"allow": ["a.test"]}`)
      await assertFails(home, ["--bundle", "none", "--policy", policy], 2, /^bottle: --bundle: none leaves nothing/)
      await assertFails(home, ["-v", "../home:/x"], 2, /^bottle: -v: the guest could write to bottle's own files/)
      // No engine of this name is anywhere.
      const env = { BOTTLE_DOCKER: "no-such-docker" }
      const absent = await home.start(["run", "-q", "--bundle", "container", "--", "true"], { env }).ended
      assertTold(absent, 125, /^bottle: image: no-such-docker is not installed/)
      Fs.rmSync(home.path("bundle"), { recursive: true })
      await assertFails(home, ["--bundle", "container"], 125, /^bottle: .*container/)
      assert.strictEqual((await home.bottle("run", "-q", "--", "true")).code, 0)
    }))

  it("of an image that is missing, or that this runtime cannot pull", () =>
    inHome(ordinary, async (home) => {
      await assertFails(home, ["--image", "./no-rootfs"], 125, /^bottle: .*no-rootfs/)
      await assertFails(home, ["--image", "alpine:3.20"], 125, /^bottle: .*alpine:3\.20/)
      await assertFails(home, ["--from", "no.smolmachine"], 125, /^bottle: .*no\.smolmachine/)
      await assertFails(home, ["-v", "./no-directory:/x"], 2, /^bottle: -v: there is no \S+no-directory$/m)
    }))

  for (const step of ["machine create", "machine start"] as const) {
    it(
      `of "${step}" say so, and take down what was there`,
      () =>
        inHome(ordinary, async (home) => {
          const log = home.path("deleted")
          fakeSmolvm(
            home,
            "1.9.3",
            `"${step}") echo "Error: agent operation failed: boot: \u001b[31mno such luck" >&2; exit 1 ;; "machine delete") echo x >> ${log} ;;`
          )
          const ended = await home.bottle("run", "-q", "--report", "r.json", "--bundle", "none", "--", "true")
          assert.strictEqual(ended.code, 125, ended.stderr)
          // oxlint-disable-next-line no-control-regex
          assert.notMatch(ended.stderr, /\u001b/)
          assert.match(ended.stderr, /no such luck/)
          assert.match(failureLines(ended.stderr).at(-1) ?? "", /^try: .+/)
          assert.match(ended.stderr, new RegExp(`^ {2}ran {3}\\S*smolvm ${step} `, "m"))
          assert.match(ended.stderr, /^more: docs\/reference\/errors\.md#stagefailed$/m)
          const other = await home.bottle("up", "-q", "--bundle", "none", "--", "true")
          const anonymous = (text: string) => text.replaceAll(/\btrue-\w{5}\b/g, "ID")
          assert.strictEqual(anonymous(other.stderr), anonymous(ended.stderr))
          assert.deepStrictEqual([other.code, other.stdout.toString()], [125, ""])
          assert.isTrue(Fs.existsSync(log))
          const report = JSON.parse(Fs.readFileSync(home.path("work/r.json"), "utf8"))
          assert.deepStrictEqual(report.exit, { code: 125, origin: "engine", timedOut: false })
          assert.strictEqual(report.failure.exitCode, 125)
          assert.isNotNull(report.plan)
        }),
      120_000
    )
  }

  it(
    "of a machine that never gets ready say so after its time",
    () =>
      inHome(ordinary, async (home) => {
        fakeSmolvm(home, "1.9.3", `"machine exec") exit 137 ;;`)
        const ended = await home.bottle("run", "-q", "--bundle", "none", "--", "true")
        assertTold(ended, 125, /^bottle: ready: .*not ready/)
      }),
    120_000
  )

  it("of a release say what may be left and how to remove it, and leave the exit code alone", () =>
    inHome(ordinary, async (home) => {
      // It does delete, and says that it does not.
      const runtime = home.program(
        "deletes-and-denies",
        `#!/bin/sh
if [ "$1 $2" = "machine delete" ]; then
  "${home.node}" "${home.path("smolvm-local.mjs")}" "$@" >/dev/null 2>&1
  echo "Error: database operation failed: locked" >&2
  exit 1
fi
exec "${home.node}" "${home.path("smolvm-local.mjs")}" "$@"
`
      )
      const ended = await home.bottle("run", "-q", "--runtime", runtime, "--report", "r.json", "--", "true")
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.match(ended.stderr, /^bottle: machine bottle-\S+ may be left behind: .*locked\ntry: .+\n$/)
      const report = JSON.parse(Fs.readFileSync(home.path("work/r.json"), "utf8"))
      assert.lengthOf(report.releaseFailures, 1)
      // What may be left is written down until somebody has seen that it is not.
      const [, machine = ""] = /machine bottle-(\S+) may/.exec(ended.stderr) ?? []
      assert.match((await home.bottle("ls")).stdout.toString(), new RegExp(`${machine} +left `))
      home.program("deletes-and-denies", `#!/bin/sh\nexec "${home.node}" "${home.path("smolvm-local.mjs")}" "$@"\n`)
      const down = await home.bottle("down", machine)
      assert.strictEqual(down.code, 0, down.stderr)
    }))

  it.skipIf(lacks("ldd"))(
    "of a guest without a relay program name the programs, and such a guest works without a bundle (needs ldd)",
    () =>
      inHome(ordinary, async (home) => {
        makeRootfs(home)
        await assertFails(
          home,
          ["--image", "./rootfs", "--allow", "example.com"],
          125,
          /^bottle: relay: .*socat, node, python3, perl/
        )
        const offline = (...args: ReadonlyArray<string>) =>
          home.bottle("run", "--runtime", "local", "--bundle", "none", ...args, "--", "sh", "-c", "echo works; exit 6")
        const bare = await offline()
        const ended = await offline("--image", "./rootfs")
        for (const { code, stderr, stdout } of [bare, ended]) {
          assert.strictEqual(stdout.toString(), "works\n", stderr)
          assert.strictEqual(code, 6)
        }
        // It has nothing to probe with either, which is taken without a bundle, and told.
        assert.strictEqual(bare.stderr, "")
        assert.match(ended.stderr, /^bottle: not proven closed: the guest has none of perl, [^\n]+\n$/)
      })
  )

  it("of the report's file are told before anything is created", () =>
    inHome(ordinary, async (home) => {
      await assertFails(
        home,
        ["--report", "no/such/r.json"],
        125,
        /^bottle: the report .*no\/such\/r\.json cannot be written/
      )
      await assertFails(home, ["--report", "."], 125, /^bottle: the report .* cannot be written: it is a directory/)
      assert.isFalse(Fs.existsSync(home.path("home/.local")))
    }))
})

describe.concurrent("plan and doctor", () => {
  for (const user of users) {
    it(`print a plan, creating nothing, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const args = [
          "--allow",
          "b.example",
          "--allow",
          "a.example:8443",
          "--resolve",
          "b.example=127.0.0.1",
          "-e",
          "A=x y",
          "-e",
          "TOKEN"
        ]
        const env = { TOKEN: "the-value" }
        const text = await home.start(["plan", ...args, "--", "sh", "-c", "echo hi"], { env }).ended
        assert.strictEqual(text.code, 0, text.stderr)
        const lines = text.stdout.toString()
        assert.include(lines, "namespaces, shared kernel")
        assert.include(lines, "can reach:\n  a.example:8443\n  b.example (ports 80, 443) at 127.0.0.1\n")
        assert.include(lines, "A='x y'")
        assert.include(lines, "TOKEN (a secret, from your environment)")
        assert.include(lines, "then in the bottle: sh -c 'echo hi'")
        assert.notInclude(lines, "the-value")
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(lines, /\u001b/)
        const json = await home.start(["run", "--dry-run", "--format", "json", ...args], { env }).ended
        const plan = Schema.decodeUnknownSync(Schema.parseJson(LaunchPlan))(json.stdout.toString())
        assert.deepStrictEqual(plan.guest.secrets, ["TOKEN"])
        assert.notInclude(json.stdout.toString(), "the-value")
        assert.isFalse(Fs.existsSync(home.path("home/.local")))
      }))

    it(`say that a bottle can run here, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const text = await home.bottle("doctor")
        assert.strictEqual(text.code, 0, text.stdout.toString())
        assert.match(text.stdout.toString(), /^ok {8}runtime: local \(namespaces, shared kernel/m)
        assert.match(text.stdout.toString(), /A bottle can run here, in namespaces, .*\n$/)
        assert.isBelow(
          Math.max(
            ...text.stdout
              .toString()
              .split("\n")
              .map((line) => line.length)
          ),
          81
        )
        const json = JSON.parse((await home.bottle("doctor", "--format", "json")).stdout.toString())
        assert.isTrue(json.ok)
        assert.strictEqual(json.isolation, "namespaces")
        assert.strictEqual(json.runtime.isolation, "namespaces")
        const ids: ReadonlyArray<string> = json.checks.map(({ id }: { readonly id: string }) => id)
        assert.deepStrictEqual(new Set(ids).size, ids.length)
      }))
  }

  it("say what is missing, with 125", () =>
    inHome(ordinary, async (home) => {
      const text = await home.bottle("doctor", "--runtime", "smolvm")
      assert.strictEqual(text.code, 125)
      assert.match(text.stdout.toString(), /^MISSING {3}runtime: smolvm is not installed.*\n {10}try: .+$/m)
      assert.notInclude(text.stdout.toString(), "\u001b")
      assert.match(text.stdout.toString(), /A bottle cannot run here\.\n(try: --runtime local, .*\n)?$/)
      const json = await home.bottle("doctor", "--runtime", "smolvm", "--format", "json")
      assert.strictEqual(json.code, 125)
      assert.deepInclude(JSON.parse(json.stdout.toString()), { ok: false, isolation: "none", runtime: null })
    }))

  it("say which smolvm there is", () =>
    inHome(ordinary, async (home) => {
      fakeSmolvm(home, "1.9.3")
      const json = JSON.parse((await home.bottle("doctor", "--format", "json")).stdout.toString())
      assert.deepStrictEqual(json.runtime, {
        kind: "smolvm",
        program: "smolvm",
        version: "smolvm 1.9.3",
        isolation: "microvm"
      })
    }))

  it("take the local runtime's own program for what it is", () =>
    inHome(ordinary, async (home) => {
      const program = home.program("my-runtime", `#!/bin/sh\nexec ${home.node} ${home.path("smolvm-local.mjs")} "$@"\n`)
      const json = JSON.parse((await home.bottle("doctor", "--format", "json", "--runtime", program)).stdout.toString())
      assert.strictEqual(json.runtime.kind, "local")
      const ended = await home.bottle("run", "-q", "--runtime", program, "--", "sh", "-c", "echo works; exit 8")
      assert.strictEqual(ended.stdout.toString(), "works\n", ended.stderr)
      assert.strictEqual(ended.code, 8)
    }))
})

describe.concurrent("--keep-on-failure", () => {
  it("keeps the machine of a command that fails, without a network, and no other", () =>
    inHome(ordinary, async (home) => {
      const fine = await home.bottle("run", "-q", "--keep-on-failure", "--", "true")
      assert.strictEqual(fine.code, 0)
      await home.assertNothingLeft()
      const ended = await home.bottle(
        "run",
        "--runtime",
        "local",
        "--keep-on-failure",
        "--report",
        "r.json",
        "--",
        "sh",
        "-c",
        "exit 3"
      )
      assert.strictEqual(ended.code, 3)
      const [, machine = ""] = /kept (\S+), without any network/.exec(ended.stderr) ?? []
      const report = JSON.parse(Fs.readFileSync(home.path("work/r.json"), "utf8"))
      assert.deepStrictEqual(report.kept, [machine])
      const smolvm = [...home.user.become, home.node, home.path("smolvm-local.mjs"), "machine"]
      const listed = await home.spawn([...smolvm, "ls", "--json"]).ended
      assert.deepStrictEqual(
        JSON.parse(listed.stdout.toString()).map(({ name }: { name: string }) => name),
        [machine]
      )
      const down = await home.bottle("down", machine.replace(/^bottle-/, ""))
      assert.strictEqual(down.code, 0, down.stderr)
    }))
})
