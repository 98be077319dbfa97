import * as Capture from "@bottle/process/Capture"
import * as Identity from "@bottle/process/Identity"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { hasOverlay, note } from "./support/missing.js"
import { everybody, expectOk, freshName, isRoot, machine, nothingLeft, type Runner } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

const hasPerl = Fs.existsSync("/usr/bin/perl") && ["x64", "arm64"].includes(process.arch)

const directory = (runner: Runner, name: string, owner = runner.uid, group = owner): string => {
  const path = Path.join(runner.directory, name)
  Fs.mkdirSync(path, { recursive: true })
  if (isRoot) Fs.chownSync(path, owner, group)
  return path
}

/** Who owns the writable volumes of this runner's machines: root's must belong to somebody else. */
const ownerOf = (runner: Runner): number => (runner.uid === 0 ? 61_235 : runner.uid)

const homeOf = (runner: Runner, name: string) => Path.join(runner.state, "bottle", "local", "machines", name)

const readRecord = (runner: Runner, name: string): { readonly uid: number; readonly gid: number } =>
  JSON.parse(Fs.readFileSync(Path.join(homeOf(runner, name), "machine.json"), "utf8"))

const readRun = (
  runner: Runner,
  name: string
): { readonly pid1: Identity.Identity; readonly holder: Identity.Identity } =>
  JSON.parse(Fs.readFileSync(Path.join(homeOf(runner, name), "run.json"), "utf8"))

/** A machine that is there, and not started. */
const created = (runner: Runner, options: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const name = freshName()
    yield* Effect.addFinalizer(() => Effect.ignore(runner.call(["machine", "delete", "-f", "--name", name])))
    expectOk(yield* runner.call(["machine", "create", "--name", name, ...options]))
    return name
  })

const refused = (
  runner: Runner,
  words: ReadonlyArray<string>,
  says: string,
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.map(runner.call(words, { env }), (result) => {
    assert.strictEqual(result.code, 1, `${words.join(" ")}: ${result.stdout}${result.stderr}`)
    assert.match(result.stderr, /^Error: [^\n]+\n$/)
    assert.include(result.stderr, says)
  })

const listen = (path: string) =>
  Effect.acquireRelease(
    Effect.async<Net.Server>((resume) => {
      const server = Net.createServer().listen(path, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
  )

describe.each(everybody)(`what others may have changed, $name${note}`, ({ make, name: who }) => {
  const isRootRunner = who.startsWith("as root")
  const test = testsFor(make, 60_000)

  test("a root file system that has become a link is refused, and works when it is back", (runner) =>
    Effect.gen(function* () {
      const parent = directory(runner, "shared")
      const root = directory(runner, "shared/rootfs")
      const other = directory(runner, "other")
      for (const tree of [root, other]) Fs.mkdirSync(Path.join(tree, "usr"))
      const name = yield* created(runner, ["--image", `${root}/`])
      const start = ["machine", "start", "--name", name]
      Fs.renameSync(root, Path.join(parent, "moved"))
      for (const target of [other, "/"]) {
        Fs.symlinkSync(target, root)
        yield* refused(runner, start, "--image")
        yield* refused(
          runner,
          ["pack", "create", "--from-vm", name, "-o", Path.join(runner.directory, "pack")],
          "--image"
        )
        Fs.unlinkSync(root)
      }
      Fs.renameSync(Path.join(parent, "moved"), root)
      if (hasOverlay) expectOk(yield* runner.call(start))
    }))

  test("a volume that has become a link is refused, and works when it is back", (runner) =>
    Effect.gen(function* () {
      const volume = directory(runner, "volume", ownerOf(runner))
      const other = directory(runner, "other", ownerOf(runner))
      const name = yield* created(runner, ["-v", `${volume}:/project`])
      const start = ["machine", "start", "--name", name]
      Fs.renameSync(volume, `${volume}.moved`)
      for (const target of [other, "/etc"]) {
        Fs.symlinkSync(target, volume)
        yield* refused(runner, start, `leads to ${target} now`)
        Fs.unlinkSync(volume)
      }
      Fs.renameSync(`${volume}.moved`, volume)
      expectOk(yield* runner.call(start))
    }))

  test("a socket that has become a link to another one is refused, while a link given at first is followed", (runner) =>
    Effect.gen(function* () {
      const at = (name: string) => Path.join(runner.directory, name)
      const [path, other, link] = [at("x.sock"), at("other.sock"), at("link.sock")]
      for (const socket of [path, other]) {
        yield* listen(socket)
        Fs.chmodSync(socket, 0o666)
      }
      Fs.symlinkSync(other, link)
      const name = yield* created(runner, ["--mount-socket", `${path}:/run/x.sock`])
      const late = yield* created(runner, ["--mount-socket", `${runner.directory}/late.sock:/run/x.sock`])
      const linked = yield* created(runner, ["--mount-socket", `${link}:/run/x.sock`])
      Fs.symlinkSync(other, Path.join(runner.directory, "late.sock"))
      Fs.unlinkSync(path)
      Fs.symlinkSync(other, path)
      for (const one of [name, late]) {
        yield* refused(runner, ["machine", "start", "--name", one], `leads to ${other} now`)
      }
      expectOk(yield* runner.call(["machine", "start", "--name", linked]))
    }))

  test("a socket that the machine's user cannot connect to is refused, and nobody's permissions change", (runner) =>
    Effect.gen(function* () {
      const path = Path.join(runner.directory, "x.sock")
      yield* listen(path)
      // Root's machine acts as somebody else; a user's as that user.
      if (isRoot) Fs.chownSync(path, runner.uid, runner.uid)
      Fs.chmodSync(path, isRootRunner ? 0o600 : 0o400)
      const before = Fs.statSync(path)
      const name = yield* created(runner, ["--mount-socket", `${path}:/run/x.sock`])
      const start = ["machine", "start", "--name", name]
      yield* refused(runner, start, "do not let the machine's user")
      const after = Fs.statSync(path)
      assert.deepStrictEqual([after.uid, after.gid, after.mode], [before.uid, before.gid, before.mode])
      Fs.chmodSync(path, isRootRunner ? 0o666 : 0o600)
      expectOk(yield* runner.call(start))
      assert.deepStrictEqual([Fs.statSync(path).uid, Fs.statSync(path).gid], [before.uid, before.gid])
    }))

  test("a saved disk that is a link, or anything but a plain file, is not packed", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      expectOk(yield* runner.call(["machine", "stop", "--name", guest.name]))
      const secret = Path.join(runner.directory, "secret")
      Fs.writeFileSync(secret, "secret", { mode: 0o600 })
      if (isRoot) Fs.chownSync(secret, runner.uid, runner.uid)
      const disk = Path.join(homeOf(runner, guest.name), "disk", "disk.tar")
      const pack = Path.join(runner.directory, "pack")
      const packing = ["pack", "create", "--from-vm", guest.name, "-o", pack]
      Fs.renameSync(disk, `${disk}.kept`)
      for (const put of [
        () => Fs.symlinkSync(secret, disk),
        () => Fs.linkSync(secret, disk),
        () => execFileSync("/usr/bin/mkfifo", [disk]),
        () => Fs.mkdirSync(disk)
      ]) {
        put()
        yield* refused(runner, packing, "copy the disk")
        assert.isFalse(Fs.existsSync(`${pack}.smolmachine`))
        Fs.rmSync(disk, { recursive: true })
      }
      Fs.renameSync(`${disk}.kept`, disk)
      expectOk(yield* runner.call(packing))
      assert.strictEqual(Fs.statSync(`${pack}.smolmachine`).mode & 0o777, 0o600)
    }))

  test("what is said about a disk that was not saved is read from no other file", (runner) =>
    Effect.gen(function* () {
      const secret = Path.join(runner.directory, "secret")
      Fs.writeFileSync(secret, "hidden words", { mode: 0o600 })
      if (isRoot) Fs.chownSync(secret, runner.uid, runner.uid)
      const guest = yield* machine(runner)
      const run = readRun(runner, guest.name)
      process.kill(run.holder.pid, "SIGKILL")
      yield* waitUntil(Effect.negate(Identity.isAlive(run.holder)), { boundMillis: 10_000, what: "its end" })
      Fs.symlinkSync(secret, Path.join(homeOf(runner, guest.name), "disk", "save.log"))
      const stopped = yield* runner.call(["machine", "stop", "--name", guest.name])
      assert.strictEqual(stopped.code, 1)
      assert.notInclude(stopped.stderr, "hidden words")
    }))

  test("what a directory of the machine's user leads to outlives the machine", (runner) =>
    Effect.gen(function* () {
      const outside = directory(runner, "outside")
      Fs.writeFileSync(Path.join(outside, "f"), "kept")
      const guest = yield* machine(runner)
      const disk = Path.join(homeOf(runner, guest.name), "disk")
      Fs.mkdirSync(Path.join(disk, "deep", "er"), { recursive: true })
      Fs.symlinkSync(outside, Path.join(disk, "deep", "er", "link"))
      Fs.symlinkSync(outside, Path.join(disk, "link"))
      if (isRoot) execFileSync("/bin/chown", ["-R", `${runner.uid}:${runner.uid}`, Path.join(disk, "deep")])
      if (!isRootRunner) Fs.chmodSync(Path.join(disk, "deep"), 0)
      expectOk(yield* runner.call(["machine", "delete", "-f", "--name", guest.name]))
      assert.strictEqual(Fs.readFileSync(Path.join(outside, "f"), "utf8"), "kept")
      assert.isFalse(Fs.existsSync(disk))
    }))

  test("a machine that nobody noted is ended by delete, and by the next start", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const other = yield* machine(runner)
      const note = Path.join(homeOf(runner, guest.name), "run.json")
      const first = readRun(runner, guest.name)
      Fs.rmSync(note)
      expectOk(yield* runner.call(["machine", "start", "--name", guest.name]))
      assert.deepStrictEqual(yield* Effect.all([Identity.isAlive(first.holder), Identity.isAlive(first.pid1)]), [
        false,
        false
      ])
      expectOk(yield* guest.sh("true"))
      const second = readRun(runner, guest.name)
      Fs.writeFileSync(note, "no run", { mode: 0o600 })
      expectOk(yield* runner.call(["machine", "delete", "-f", "--name", guest.name]))
      assert.deepStrictEqual(yield* Effect.all([Identity.isAlive(second.holder), Identity.isAlive(second.pid1)]), [
        false,
        false
      ])
      yield* nothingLeft(guest.name)
      expectOk(yield* other.sh("true"))
    }))

  test("a machine whose files cannot be read is listed as failed, beside the others, and can be deleted", (runner) =>
    Effect.gen(function* () {
      const [bad, worse, good] = yield* Effect.all([created(runner, []), machine(runner), created(runner, [])])
      Fs.writeFileSync(Path.join(homeOf(runner, bad), "machine.json"), "{", { mode: 0o600 })
      Fs.writeFileSync(Path.join(homeOf(runner, worse.name), "run.json"), "{", { mode: 0o600 })
      const listed = JSON.parse((yield* runner.call(["machine", "ls", "--json"])).stdout)
      const states = Object.fromEntries(
        listed.map((one: { readonly name: string; readonly state: string }) => [one.name, one.state])
      )
      assert.deepStrictEqual(states, { [bad]: "failed", [worse.name]: "failed", [good]: "created" })
      const table = (yield* runner.call(["machine", "ls"])).stdout
      assert.include(table, `${bad}  failed  -\n`)
      for (const name of [bad, worse.name]) {
        expectOk(yield* runner.call(["machine", "delete", "-f", "--name", name]))
        yield* nothingLeft(name)
      }
      assert.strictEqual(JSON.parse((yield* runner.call(["machine", "ls", "--json"])).stdout).length, 1)
    }))

  test("a state that others can write or own is not used, while one's own is", (runner) =>
    Effect.gen(function* () {
      const stranger = isRoot ? 61_250 : undefined
      const create = ["machine", "create", "--name", "x"]
      const at = (parent: string) => ({ XDG_STATE_HOME: Path.join(parent, "state") })
      const open = directory(runner, "open")
      Fs.chmodSync(open, 0o777)
      for (const words of [create, ["machine", "ls"], ["machine", "start", "--name", "x"]]) {
        yield* refused(runner, words, `${open} can be written by other users`, at(open))
      }
      if (stranger !== undefined) {
        const theirs = directory(runner, "theirs", stranger)
        yield* refused(runner, create, `${theirs} belongs to another user (uid ${stranger})`, at(theirs))
        const linked = directory(runner, "linked")
        const link = Path.join(linked, "state")
        Fs.symlinkSync(directory(runner, "theirs/state", runner.uid), link)
        Fs.lchownSync(link, runner.uid, runner.uid)
        yield* refused(runner, create, "belongs to another user", at(linked))
      }
      const sticky = directory(runner, "sticky")
      Fs.chmodSync(sticky, 0o1777)
      expectOk(yield* runner.call(create, { env: at(sticky) }))
      const record = Path.join(sticky, "state", "bottle", "local", "machines", "x", "machine.json")
      Fs.chmodSync(record, 0o666)
      yield* refused(runner, ["machine", "status", "--name", "x"], "can be written by other users", at(sticky))
      Fs.chmodSync(record, 0o600)
      if (stranger !== undefined) {
        Fs.chownSync(record, stranger, stranger)
        yield* refused(runner, ["machine", "status", "--name", "x"], "belongs to another user", at(sticky))
        Fs.chownSync(record, runner.uid, runner.uid)
      }
      expectOk(yield* runner.call(["machine", "status", "--name", "x"], { env: at(sticky) }))
      expectOk(yield* runner.call(["machine", "delete", "-f", "--name", "x"], { env: at(sticky) }))
    }))

  test("a record that names another user is not started", (runner) =>
    Effect.gen(function* () {
      const name = yield* created(runner, [])
      const path = Path.join(homeOf(runner, name), "machine.json")
      const text = Fs.readFileSync(path, "utf8")
      const record = readRecord(runner, name)
      const write = (content: string) => Fs.writeFileSync(path, content, { mode: 0o600 })
      write(text.replace(`"uid":${record.uid}`, `"uid":${record.uid + 1}`))
      yield* refused(runner, ["machine", "start", "--name", name], "was created to act as user")
      write(text)
      expectOk(yield* runner.call(["machine", "start", "--name", name]))
    }))

  test(
    "a writable volume that has become root's is refused at start",
    (runner) =>
      Effect.gen(function* () {
        const volume = directory(runner, "volume", 61_243)
        const name = yield* created(runner, ["-v", `${volume}:/project`])
        Fs.chownSync(volume, 0, 0)
        yield* refused(runner, ["machine", "start", "--name", name], "belongs to root")
        Fs.chownSync(volume, 61_244, 61_244)
        yield* refused(runner, ["machine", "start", "--name", name], "was created to act as user 61243:61243")
        Fs.chownSync(volume, 61_243, 61_243)
        expectOk(yield* runner.call(["machine", "start", "--name", name]))
      }),
    { skip: !isRootRunner }
  )

  test(
    "a writable volume of a user's whose group is root's acts as the user, and not as root's group",
    (runner) =>
      Effect.gen(function* () {
        const volume = directory(runner, "volume", 61_243, 0)
        const guest = yield* machine(runner, ["-v", `${volume}:/project`])
        expectOk(yield* guest.sh("echo x >/project/f"))
        const stat = Fs.statSync(Path.join(volume, "f"))
        assert.deepStrictEqual([stat.uid, stat.gid], [61_243, 61_243])
      }),
    { skip: !isRootRunner }
  )

  test("a pack is unpacked as the machine's user, and its disk must be a plain file", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      expectOk(yield* guest.sh("echo packed >/workspace/f"))
      expectOk(yield* runner.call(["machine", "stop", "--name", guest.name]))
      const pack = Path.join(runner.directory, "pack")
      expectOk(yield* runner.call(["pack", "create", "--from-vm", guest.name, "-o", pack]))
      const good = yield* created(runner, ["--from", `${pack}.smolmachine`])
      const disk = Fs.statSync(Path.join(homeOf(runner, good), "disk", "disk.tar"))
      const record = readRecord(runner, good)
      assert.deepStrictEqual([disk.uid, disk.gid, disk.mode & 0o777], [record.uid, record.gid, 0o600])
      const work = directory(runner, "evil")
      const evil = Path.join(work, "pack")
      execFileSync("/bin/tar", ["-C", work, "-xf", `${pack}.smolmachine`, "bottle-pack.json"])
      const outside = Path.join(runner.directory, "outside.tar")
      Fs.writeFileSync(outside, "")
      for (const put of [
        () => Fs.symlinkSync(outside, Path.join(work, "disk.tar")),
        () => {
          Fs.mkdirSync(Path.join(work, "disk.tar"))
          Fs.writeFileSync(Path.join(work, "disk.tar", "inside"), "x")
        }
      ]) {
        put()
        execFileSync("/bin/tar", ["--format=ustar", "-C", work, "-cf", evil, "bottle-pack.json", "disk.tar"])
        Fs.chmodSync(evil, 0o644)
        yield* refused(runner, ["machine", "create", "--from", evil], "plain file")
        Fs.rmSync(Path.join(work, "disk.tar"), { recursive: true })
      }
      execFileSync("/bin/tar", ["--format=ustar", "-C", work, "-cf", evil, "bottle-pack.json"])
      Fs.chmodSync(evil, 0o644)
      yield* refused(runner, ["machine", "create", "--from", evil], "unpack pack")
    }))

  test("a disk that the machine's own files do not fit in any more is called so", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      expectOk(yield* guest.sh("mv /etc /etc.old && echo x >/etc"))
      expectOk(yield* runner.call(["machine", "stop", "--name", guest.name]))
      const start = ["machine", "start", "--name", guest.name]
      yield* refused(runner, start, "the guest has left its disk so that the machine's own files do not fit")
      const linked = yield* machine(runner)
      expectOk(yield* linked.sh("mv /etc /etc.old && ln -s /tmp /etc"))
      expectOk(yield* runner.call(["machine", "stop", "--name", linked.name]))
      yield* refused(runner, ["machine", "start", "--name", linked.name], "disk")
    }))

  test(
    "a command is the first to go when memory runs out",
    (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        assert.strictEqual((yield* guest.sh("cat /proc/self/oom_score_adj")).stdout, "500\n")
      }),
    { skip: !hasPerl }
  )

  test(
    "variables that our shells use arrive as they were given, whatever the caller left open",
    (runner) =>
      Effect.gen(function* () {
        const [program = "", ...first] = runner.words
        if (first.length === 0) return
        const guest = yield* machine(runner)
        const wanted = ["number=x", "PWD=/given", "OLDPWD=/before", "SHLVL=7", "_=u", "n=1", "fd=2", "descriptor=3"]
        const flags = wanted.flatMap((pair) => ["-e", pair])
        const call = ["machine", "exec", "--name", guest.name, ...flags, "--", "/usr/bin/env"]
        const open = 'exec 5</dev/null 251</dev/null; exec "$@"'
        const words = ["-c", open, "bash", program, ...first, ...call]
        for (const [shell, args] of [
          ["/bin/bash", words],
          [program, [...first, ...call]]
        ] as const) {
          const result = yield* Effect.orDie(Capture.capture({ program: shell, args, env: runner.env, cwd: "/" }))
          const lines = Capture.stdoutText(result).split("\n")
          assert.deepStrictEqual(
            wanted.filter((pair) => !lines.includes(pair)),
            [],
            shell
          )
        }
      }),
    { skip: !Fs.existsSync("/bin/bash") }
  )
})
