import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { findProgram } from "../src/Host.js"
import * as Limits from "../src/Limits.js"
import { note } from "./support/missing.js"
import { everybodyByProgram, expectOk, isRoot, machine, nothingLeft, startedBy } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

const umaskText = String.raw`umask "$1"; shift; exec "$@"`

const pattern = (): string => Fs.readFileSync("/proc/sys/kernel/core_pattern", "utf8").trimEnd()
const isToFile = !/^[|@]/.test(pattern())

const prlimit = findProgram("prlimit") ?? "prlimit"
const setpriv = findProgram("setpriv") ?? "setpriv"
const unshare = findProgram("unshare") ?? "unshare"
/** CAP_SYS_RESOURCE, which root of a container may not have. */
const mayRaise = (): boolean => {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(Fs.readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"
  return isRoot && ((BigInt(`0x${capabilities}`) >> 24n) & 1n) === 1n
}
const hasPerl = findProgram("perl") !== undefined

describe.each(everybodyByProgram)(`what the caller's process brings along, $name${note}`, ({ make }) => {
  const test = testsFor(make, 120_000)

  // What the guest's files keep from others: as much as the caller's, and at least what is usual.
  const umasks = [
    ["000", "0022"],
    ["022", "0022"],
    ["027", "0027"],
    ["077", "0077"],
    ["0777", "0077"]
  ] as const

  for (const [umask, inside] of umasks) {
    test(`a machine works under the umask ${umask}, and nothing of it is for others to write`, (runner) =>
      Effect.gen(function* () {
        const under = startedBy(runner, "/bin/sh", "-c", umaskText, "sh", umask)
        const guest = yield* machine(under)
        const text = 'umask; echo x >/workspace/f && cat /workspace/f; stat -c "%a %n" / /etc /tmp /dev /etc/hosts'
        const result = yield* guest.sh(text)
        expectOk(result)
        const expected = ["x", "755 /", "755 /etc", "1777 /tmp", "755 /dev", "644 /etc/hosts"]
        assert.deepStrictEqual(result.stdout.trimEnd().split("\n").slice(1), expected)
        if (hasPerl) assert.strictEqual(result.stdout.split("\n")[0], inside)
        const names = Fs.readdirSync(runner.state, { recursive: true, encoding: "utf8" })
        const open = names.filter((name) => (Fs.lstatSync(`${runner.state}/${name}`).mode & 0o022) !== 0)
        assert.deepStrictEqual(open, [])
        // Its disk is saved, and it comes up again.
        expectOk(yield* under.call(["machine", "stop", "--name", guest.name]))
        expectOk(yield* under.call(["machine", "start", "--name", guest.name]))
        assert.strictEqual((yield* guest.sh("cat /workspace/f")).stdout, "x\n")
      }))
  }

  const noCores = ["--core=0:0"]
  const withoutRight = isRoot ? [setpriv, "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "--"] : []
  const least = [...noCores, "--nofile=64:64", "--stack=262144:262144", "--memlock=0:0", "--sigpending=0:0"]

  test(
    "a machine works under low hard limits, and dumps no core",
    (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(startedBy(runner, prlimit, ...least, "--"))
        const result = yield* guest.sh("grep -E 'core file size|open files' /proc/self/limits")
        expectOk(result)
        // Root may raise the limit to the one at which no handler of the host's is run either.
        const core = runner.uid === 0 && mayRaise() ? "1 +1" : "0 +0"
        assert.match(result.stdout, new RegExp(`^Max core file size +${core} .*\\nMax open files +64 +64 `))
        assert.strictEqual((yield* guest.sh("ulimit -c; kill -SEGV $$")).code, 139)
      }),
    { skip: !isToFile }
  )

  test(
    "a machine keeps to the hard limit of 0 without the right to raise it",
    (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(startedBy(runner, prlimit, ...noCores, "--", ...withoutRight))
        assert.match((yield* guest.sh("grep 'core file size' /proc/self/limits")).stdout, / 0 +0 /)
      }),
    { skip: !isToFile }
  )

  // Who reads the pattern there reads that of this test; a machine's own /proc would be refused by the kernel.
  const patternText = String.raw`mount --bind "$1" /proc/sys/kernel/core_pattern && shift && exec "$@"`

  test(
    "a start is refused at once where a crash would be handed to a program of the host's",
    (runner) =>
      Effect.gen(function* () {
        const file = `${runner.directory}/pattern`
        const handled = (text: string, ...words: ReadonlyArray<string>) =>
          Effect.gen(function* () {
            yield* Effect.sync(() => Fs.writeFileSync(file, `${text}\n`))
            const space = [unshare, "--mount", "--", "/bin/sh", "-c", patternText, "sh", file]
            const name = "handled"
            const by = startedBy(runner, ...space, ...words)
            expectOk(yield* by.call(["machine", "create", "--name", name]))
            const started = yield* by.call(["machine", "start", "--name", name])
            expectOk(yield* runner.call(["machine", "delete", "-f", "--name", name]))
            assert.strictEqual(started.code, 1)
            return started.stderr
          })
        const lowered = [prlimit, ...noCores, "--", ...withoutRight]
        const refused = /^Error: agent operation failed: start: crashes kept from the host: /
        const piped = yield* handled("|/usr/lib/handler %P", ...lowered)
        assert.match(piped, refused)
        assert.include(piped, "kernel.core_pattern is |/usr/lib/handler %P")
        assert.include(piped, "--ulimit core=1")
        // With the limit that turns it off, it is not this that the start fails for.
        assert.notMatch(yield* handled("|/usr/lib/handler %P"), refused)
        const served = yield* handled("@/run/handler.sock")
        assert.match(served, refused)
        assert.include(served, "which no limit turns off")
        yield* nothingLeft(runner.directory)
      }),
    { skip: !isRoot }
  )
})

describe("the limit of core dumps", () => {
  const pipe = "|/usr/lib/systemd/systemd-coredump %P"
  const unlimited = Number.POSITIVE_INFINITY

  const does: ReadonlyArray<Limits.CoreSetting & { readonly decision: Limits.CoreDecision }> = [
    { hardLimit: unlimited, mayRaise: false, pattern: pipe, decision: { limit: 1, isRaise: false } },
    { hardLimit: 1, mayRaise: false, pattern: pipe, decision: { limit: 1, isRaise: false } },
    { hardLimit: unlimited, mayRaise: true, pattern: "core", decision: { limit: 1, isRaise: false } },
    { hardLimit: unlimited, mayRaise: false, pattern: undefined, decision: { limit: 1, isRaise: false } },
    { hardLimit: 0, mayRaise: true, pattern: pipe, decision: { limit: 1, isRaise: true } },
    { hardLimit: 0, mayRaise: false, pattern: "core", decision: { limit: 0, isRaise: false } },
    { hardLimit: 0, mayRaise: false, pattern: "/var/crash/core.%p", decision: { limit: 0, isRaise: false } },
    { hardLimit: 0, mayRaise: false, pattern: "", decision: { limit: 0, isRaise: false } }
  ]
  it.each(does)(
    "is $decision.limit for a hard limit of $hardLimit and the pattern '$pattern'",
    ({ decision, ...setting }) => {
      assert.deepStrictEqual(Limits.decideCore(setting), decision)
    }
  )

  it.each([
    { hardLimit: 0, mayRaise: false, pattern: pipe, why: /kernel\.core_pattern is \|.*the hard limit of 0/ },
    { hardLimit: 0, mayRaise: false, pattern: undefined, why: /cannot be read.*the hard limit of 0/ },
    { hardLimit: 0, mayRaise: true, pattern: "@/run/handler.sock", why: /which no limit turns off/ },
    { hardLimit: unlimited, mayRaise: true, pattern: "@@/run/handler.sock", why: /which no limit turns off/ }
  ])("does not do for a hard limit of $hardLimit and the pattern '$pattern'", ({ why, ...setting }) => {
    const decision = Limits.decideCore(setting)
    assert.match("problem" in decision ? decision.problem : "", why)
  })
})
