/* Packs hold what a guest has written, or a stranger: whatever is in one, nothing of the host's is reached by it. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { note } from "./support/missing.js"
import { everybody, expectOk, freshName, isRoot, nothingLeft, type Runner } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

const SECRET = "nobody's business\n"

/**
 * A directory that the machine's user could write to, if only it came there. Not below /tmp, over which a start lays
 * another one.
 */
const makeCanary = (runner: Runner) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => Fs.mkdtempSync("/var/tmp/bottle-canary-")),
      (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
    ),
    (directory) => {
      const secret = Path.join(directory, "secret")
      Fs.writeFileSync(secret, SECRET)
      for (const [path, mode] of [
        [directory, 0o777],
        [secret, 0o666]
      ] as const) {
        Fs.chmodSync(path, mode)
        if (isRoot) Fs.chownSync(path, runner.uid, runner.uid)
      }
      const seen = () => {
        const { ino, mode, mtimeMs, nlink, uid } = Fs.statSync(secret)
        return [Fs.readdirSync(directory), Fs.readFileSync(secret, "utf8"), ino, mode, mtimeMs, nlink, uid]
      }
      const before = seen()
      return { directory, secret, check: () => assert.deepStrictEqual(seen(), before) }
    }
  )

const tar = (directory: string, ...args: ReadonlyArray<string>): void =>
  void execFileSync("/bin/tar", ["-P", "-C", directory, ...args], { stdio: "pipe" })

/** What is put into an archive after its allowed member; the directory holds what the names in it stand for. */
type Harm = (work: string, archive: string, canary: { readonly directory: string; readonly secret: string }) => void

const through = (work: string, archive: string, target: string): void => {
  Fs.symlinkSync(target, Path.join(work, "away"))
  tar(work, "-rf", archive, "away")
  Fs.rmSync(Path.join(work, "away"))
  Fs.mkdirSync(Path.join(work, "away"))
  for (const name of ["secret", "new"]) Fs.writeFileSync(Path.join(work, "away", name), "theirs")
  tar(work, "-rf", archive, "away/secret", "away/new")
}

const harms: Readonly<Record<string, Harm>> = {
  "names that lead up": (work, archive, { secret }) =>
    tar(work, "-rf", archive, `--transform=s,^payload$,${"../".repeat(20)}${secret.slice(1)},`, "payload"),
  "absolute names": (work, archive, { secret }) =>
    tar(work, "-rf", archive, `--transform=s,^payload$,${secret},`, "payload"),
  "names that go through an absolute link of its own": (work, archive, { directory }) =>
    through(work, archive, directory),
  "names that go through a link of its own that leads up": (work, archive, { directory }) =>
    through(work, archive, `${"../".repeat(20)}${directory.slice(1)}`),
  "another name of a file of the host's": (work, archive, { secret }) => {
    Fs.writeFileSync(Path.join(work, "first"), "x")
    Fs.linkSync(Path.join(work, "first"), Path.join(work, "second"))
    tar(work, "-rf", archive, `--transform=flags=h;s,^first$,${secret},`, "first", "second")
    Fs.rmSync(Path.join(work, "first"))
    Fs.rmSync(Path.join(work, "second"))
    // Written to afterwards, as if it were its own.
    Fs.writeFileSync(Path.join(work, "second"), "theirs")
    tar(work, "-rf", archive, "second")
  },
  "a FIFO and a program that takes its owner's rights": (work, archive) => {
    execFileSync("mkfifo", [Path.join(work, "pipe")])
    Fs.copyFileSync("/bin/sh", Path.join(work, "rights"))
    Fs.chmodSync(Path.join(work, "rights"), 0o6755)
    tar(work, "-rf", archive, "pipe", "rights")
  }
}

const makePack = (
  runner: Runner,
  part: "rootfs.tar" | "disk.tar",
  harm: Harm,
  canary: { readonly directory: string; readonly secret: string }
): string => {
  const work = Path.join(runner.directory, "work")
  Fs.mkdirSync(work)
  Fs.writeFileSync(Path.join(work, "payload"), "theirs")
  Fs.mkdirSync(Path.join(work, "opt"))
  Fs.writeFileSync(Path.join(work, "opt", "fine"), "fine\n")
  tar(work, "-cf", Path.join(work, part), "opt")
  harm(work, Path.join(work, part), canary)
  const manifest = { format: "bottle-local-pack", version: 1, architecture: process.arch }
  const parts = { hasRootfs: part === "rootfs.tar", hasDisk: part === "disk.tar" }
  Fs.writeFileSync(Path.join(work, "bottle-pack.json"), `${JSON.stringify({ ...manifest, ...parts })}\n`)
  const pack = Path.join(runner.directory, "evil.smolmachine")
  tar(work, "--format=ustar", "-cf", pack, "bottle-pack.json", part)
  Fs.chmodSync(pack, 0o644)
  return pack
}

for (const who of everybody) {
  describe(`hostile packs, ${who.name}${note}`, () => {
    const test = testsFor(who.make, 120_000)

    for (const [what, harm] of Object.entries(harms)) {
      for (const part of ["disk.tar", "rootfs.tar"] as const) {
        test(`a ${part} with ${what} touches nothing of the host's`, (runner) =>
          Effect.gen(function* () {
            const canary = yield* makeCanary(runner)
            const pack = makePack(runner, part, harm, canary)
            const name = freshName()
            yield* Effect.addFinalizer(() => Effect.ignore(runner.call(["machine", "delete", "-f", "--name", name])))
            const created = yield* runner.call(["machine", "create", "--name", name, "--from", pack])
            canary.check()
            // A root of a few files cannot start; what it is unpacked to is what matters.
            if (created.code === 0 && part === "disk.tar") {
              const started = yield* runner.call(["machine", "start", "--name", name])
              canary.check()
              if (started.code === 0) {
                const exec = ["machine", "exec", "--name", name, "--", "sh", "-c"]
                assert.strictEqual((yield* runner.call([...exec, "cat /opt/fine"])).stdout, "fine\n")
                yield* runner.call([...exec, "echo more >>/second; echo more >>/away/secret; chmod 600 /second"])
                canary.check()
                const rights = yield* runner.call([...exec, "/rights -p -c 'id -u; grep CapEff /proc/self/status'"])
                if (rights.code === 0) assert.match(rights.stdout, /^1000\nCapEff:\s0+\n$/)
                expectOk(yield* runner.call(["machine", "stop", "--name", name]))
              }
              canary.check()
            }
            if (created.code === 0) expectOk(yield* runner.call(["machine", "delete", "-f", "--name", name]))
            yield* nothingLeft(Path.basename(runner.directory))
          }))
      }
    }

    test("a pack with an honest disk starts, with what is in it", (runner) =>
      Effect.gen(function* () {
        const pack = makePack(runner, "disk.tar", () => {}, yield* makeCanary(runner))
        const name = freshName()
        yield* Effect.addFinalizer(() => Effect.ignore(runner.call(["machine", "delete", "-f", "--name", name])))
        expectOk(yield* runner.call(["machine", "create", "--name", name, "--from", pack]))
        expectOk(yield* runner.call(["machine", "start", "--name", name]))
        const read = yield* runner.call(["machine", "exec", "--name", name, "--", "cat", "/opt/fine"])
        assert.strictEqual(read.stdout, "fine\n", read.stderr)
      }))
  })
}
