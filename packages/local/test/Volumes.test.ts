import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { hasOverlay, note } from "./support/missing.js"
import { everybody, expectOk, freshName, handle, isRoot, machine, type Runner } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

const directory = (runner: Runner, name: string, owner = runner.uid): string => {
  const path = Path.join(runner.directory, name)
  Fs.mkdirSync(path, { recursive: true })
  if (isRoot) Fs.chownSync(path, owner, owner)
  return path
}

/** Who owns the writable volumes of this runner's machines: root's must belong to somebody else. */
const ownerOf = (runner: Runner): number => (runner.uid === 0 ? 61_235 : runner.uid)

describe.each(everybody)(`what a machine is given, $name${note}`, ({ make, name: who }) => {
  const isRootRunner = who.startsWith("as root")
  const test = testsFor(make, 60_000)

  test("a writable volume acts as its owner", (runner) =>
    Effect.gen(function* () {
      const owner = ownerOf(runner)
      const host = directory(runner, "work dir", owner)
      Fs.writeFileSync(Path.join(host, "in"), "from the host")
      if (isRoot) Fs.chownSync(Path.join(host, "in"), owner, owner)
      const guest = yield* machine(runner, ["-v", `${host}:/project`])
      assert.strictEqual(
        (yield* guest.sh("cat /project/in; echo -n x >>/project/in; echo new >/project/out")).stdout,
        "from the host"
      )
      assert.strictEqual(Fs.readFileSync(Path.join(host, "in"), "utf8"), "from the hostx")
      const stat = Fs.statSync(Path.join(host, "out"))
      assert.deepStrictEqual([stat.uid, stat.gid], [owner, owner])
      assert.strictEqual((yield* guest.sh("stat -c %U /project/out")).stdout, "bottle\n")
      // Nothing with the rights of another user can be left for the host to run.
      yield* guest.sh("cp /usr/bin/id /project/id && chmod 4755 /project/id")
      assert.strictEqual(Fs.statSync(Path.join(host, "id")).uid, owner)
      assert.notStrictEqual((yield* guest.sh("mknod /project/dev c 1 3")).code, 0)
    }))

  test("a read-only volume stays so, while it can be read", (runner) =>
    Effect.gen(function* () {
      const host = directory(runner, "docs")
      Fs.writeFileSync(Path.join(host, "f"), "content", { mode: 0o666 })
      Fs.chmodSync(host, 0o777)
      const guest = yield* machine(runner, ["-v", `${host}:/docs:ro`])
      assert.strictEqual((yield* guest.sh("cat /docs/f")).stdout, "content")
      for (const script of [
        "echo x >/docs/f",
        "echo x >/docs/new",
        "rm /docs/f",
        "mount -o remount,rw,bind /docs",
        "chmod 777 /docs"
      ]) {
        assert.notStrictEqual((yield* guest.sh(script)).code, 0, script)
      }
      assert.deepStrictEqual([Fs.readFileSync(Path.join(host, "f"), "utf8"), Fs.readdirSync(host)], ["content", ["f"]])
    }))

  test("one volume in another, and strange names, work", (runner) =>
    Effect.gen(function* () {
      const owner = ownerOf(runner)
      const outer = directory(runner, "outer # \\ ü,x", owner)
      directory(runner, "outer # \\ ü,x/sub", owner)
      const inner = directory(runner, "inner", owner)
      Fs.writeFileSync(Path.join(inner, "f"), "inner")
      const guest = yield* machine(runner, ["-v", `${inner}:/project a/sub:ro`, "-v", `${outer}:/project a`])
      assert.strictEqual((yield* guest.sh("cat '/project a/sub/f'")).stdout, "inner")
      expectOk(yield* guest.sh("echo x >'/project a/new'"))
      assert.isTrue(Fs.existsSync(Path.join(outer, "new")))
    }))

  test("links in a volume lead nowhere but inside", (runner) =>
    Effect.gen(function* () {
      const owner = ownerOf(runner)
      const host = directory(runner, "links", owner)
      Fs.writeFileSync(Path.join(runner.directory, "secret"), "secret")
      Fs.symlinkSync(Path.join(runner.directory, "secret"), Path.join(host, "absolute"))
      Fs.symlinkSync("../secret", Path.join(host, "relative"))
      Fs.symlinkSync("f", Path.join(host, "inside"))
      Fs.writeFileSync(Path.join(host, "f"), "inside")
      const guest = yield* machine(runner, ["-v", `${host}:/project`])
      for (const name of ["absolute", "relative", "../secret"]) {
        assert.notStrictEqual((yield* guest.sh('cat "/project/$1"', name)).code, 0, name)
      }
      assert.strictEqual((yield* guest.sh("cat /project/inside")).stdout, "inside")
    }))

  test("system directories, our own state, sockets and impossible targets are refused", (runner) =>
    Effect.gen(function* () {
      const mine = directory(runner, "mine", ownerOf(runner))
      Fs.symlinkSync("/etc", Path.join(runner.directory, "to-etc"))
      Fs.symlinkSync("/", Path.join(runner.directory, "to-root"))
      Fs.writeFileSync(Path.join(runner.directory, "file"), "x")
      const socket = Path.join(runner.directory, "x.sock")
      yield* Effect.acquireRelease(
        Effect.async<Net.Server>((resume) => {
          const server = Net.createServer().listen(socket, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      // The state must be there to be resolved.
      expectOk(yield* runner.call(["machine", "create", "--name", "there"]))
      const state = Path.join(runner.state, "bottle", "local")
      for (const volume of [
        ...["/", "/etc", "/usr", "/usr/bin", "/bin", "/sbin", "/lib", "/boot", "/proc", "/sys", "/dev", "/run"].map(
          (path) => `${path}:/x:ro`
        ),
        ...["/var", "/var/run", "/var/log", "/var/lib", "/root", "/home", "/etc/ssl", "/proc/self", "/dev/shm"].map(
          (path) => `${path}:/x:ro`
        ),
        "/etc/..:/x:ro",
        `${Path.join(runner.directory, "to-etc")}:/x:ro`,
        `${Path.join(runner.directory, "to-root")}:/x:ro`,
        `${Path.join(runner.directory, "file")}:/x`,
        `${socket}:/x`,
        `${runner.directory}:/x:ro`,
        `${state}:/x:ro`,
        `${Path.join(state, "machines", "there")}:/x:ro`,
        `${runner.directory}/absent:/x`,
        `${mine}:relative`,
        `${mine}:/`,
        `${mine}:/a/../b`,
        `${mine}:/proc/x`,
        `${mine}:/dev`,
        `${mine}:/a\nb`,
        `${mine}`
      ]) {
        const refused = yield* runner.call(["machine", "create", "--name", "refused", "-v", volume])
        assert.strictEqual(refused.code, 1, volume)
        assert.match(refused.stderr, /^Error: config operation failed: [^\n]+\n$/)
      }
      const twice = yield* runner.call([
        "machine",
        "create",
        "--name",
        "refused",
        "-v",
        `${mine}:/x`,
        "-v",
        `${mine}:/x/`
      ])
      assert.include(twice.stderr, "mounted twice")
      const inside = yield* runner.call([
        "machine",
        "create",
        "--name",
        "refused",
        "-v",
        `${mine}:/x`,
        "--mount-socket",
        `${socket}:/x/s.sock`
      ])
      assert.include(inside.stderr, "inside a volume")
      expectOk(yield* runner.call(["machine", "create", "--name", "accepted", "-v", `${mine}:/x:rw`]))
    }))

  test("a socket that is none, or not there, is refused at start", (runner) =>
    Effect.gen(function* () {
      const file = Path.join(runner.directory, "no.sock")
      for (const path of [file, runner.directory, `${file}.absent`]) {
        const name = freshName()
        if (path === file) Fs.writeFileSync(file, "")
        expectOk(yield* runner.call(["machine", "create", "--name", name, "--mount-socket", `${path}:/run/s`]))
        const refused = yield* runner.call(["machine", "start", "--name", name])
        assert.deepStrictEqual([refused.code, refused.stderr.startsWith("Error: config operation failed")], [1, true])
      }
    }))

  test("a link that the guest leaves where a mount belongs is not followed", (runner) =>
    Effect.gen(function* () {
      const host = directory(runner, "target", ownerOf(runner))
      const outside = directory(runner, "outside", ownerOf(runner))
      const first = yield* machine(runner)
      expectOk(yield* first.sh('ln -s "$1" /data', outside))
      expectOk(yield* first.sh("rm -rf /workspace && ln -s /etc /workspace"))
      expectOk(yield* runner.call(["machine", "stop", "--name", first.name]))
      const output = Path.join(runner.directory, "pack")
      expectOk(yield* runner.call(["pack", "create", "--from-vm", first.name, "-o", output]))
      for (const target of ["/data/sub", "/data", "/workspace/ssl"]) {
        const name = freshName()
        yield* Effect.addFinalizer(() => Effect.ignore(runner.call(["machine", "delete", "-f", "--name", name])))
        const from = ["--from", `${output}.smolmachine`, "-v", `${host}:${target}`]
        expectOk(yield* runner.call(["machine", "create", "--name", name, ...from]))
        const refused = yield* runner.call(["machine", "start", "--name", name])
        assert.strictEqual(refused.code, 1, target)
        assert.include(refused.stderr, "symbolic link")
      }
      assert.deepStrictEqual(Fs.readdirSync(outside), [])
      const name = freshName()
      yield* Effect.addFinalizer(() => Effect.ignore(runner.call(["machine", "delete", "-f", "--name", name])))
      const good = ["--from", `${output}.smolmachine`, "-v", `${host}:/elsewhere/sub`]
      expectOk(yield* runner.call(["machine", "create", "--name", name, ...good]))
      expectOk(yield* runner.call(["machine", "start", "--name", name]))
      expectOk(yield* handle(runner, name).sh("echo x >/elsewhere/sub/f"))
      assert.deepStrictEqual(Fs.readdirSync(host), ["f"])
    }))

  test(
    "root's writable volume must belong to somebody else, and all to the same",
    (runner) =>
      Effect.gen(function* () {
        const mine = directory(runner, "roots", 0)
        const one = directory(runner, "one", 61_240)
        const two = directory(runner, "two", 61_241)
        const refusedRoot = yield* runner.call(["machine", "create", "-v", `${mine}:/x`])
        assert.deepStrictEqual([refusedRoot.code, refusedRoot.stderr.includes("belongs to root")], [1, true])
        assert.include(refusedRoot.stderr, "chown it to another user, or mount it read-only with :ro")
        expectOk(yield* runner.call(["machine", "create", "--name", "ro", "-v", `${mine}:/x:ro`]))
        const refusedTwo = yield* runner.call(["machine", "create", "-v", `${one}:/x`, "-v", `${two}:/y`])
        assert.include(refusedTwo.stderr, "different owners")
        expectOk(yield* runner.call(["machine", "create", "--name", "rw", "-v", `${one}:/x`, "-v", `${two}:/y:ro`]))
      }),
    { skip: !isRootRunner }
  )

  test(
    "mounts below a volume come along, and are read-only with it",
    (runner) =>
      Effect.gen(function* () {
        const host = directory(runner, "tree", 61_242)
        const sub = directory(runner, "tree/sub", 61_242)
        const mount = (...words: ReadonlyArray<string>) => void execFileSync("/bin/mount", words)
        yield* Effect.acquireRelease(
          Effect.sync(() => mount("-t", "tmpfs", "-o", "mode=0777,noexec", "tmpfs", sub)),
          () => Effect.sync(() => execFileSync("/bin/umount", [sub]))
        )
        Fs.writeFileSync(Path.join(sub, "f"), "#!/bin/sh\necho run\n", { mode: 0o777 })
        const readonly = yield* machine(runner, ["-v", `${host}:/tree:ro`])
        assert.strictEqual((yield* readonly.sh("grep -c echo /tree/sub/f")).stdout, "1\n")
        assert.notStrictEqual((yield* readonly.sh("echo x >/tree/sub/new")).code, 0)
        const writable = yield* machine(runner, ["-v", `${host}:/tree`])
        expectOk(yield* writable.sh("echo x >/tree/sub/new"))
        assert.notStrictEqual((yield* writable.sh("/tree/sub/f")).code, 0)
      }),
    { skip: !isRoot }
  )

  test(
    "a root file system is a directory or an archive, and is never written",
    (runner) =>
      Effect.gen(function* () {
        const root = directory(runner, "rootfs")
        for (const name of ["bin", "etc", "usr", "lib", "lib64", "home"])
          Fs.mkdirSync(Path.join(root, name), { recursive: true })
        const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => Fs.existsSync(path))
        if (busybox === undefined) {
          // Without a static program the whole of the host's own is the smallest root there is.
          for (const program of ["sh", "cat", "ls", "env", "mkdir", "id", "rm"])
            copyWithLibraries(`/bin/${program}`, root)
        } else {
          for (const program of ["sh", "cat", "ls", "env", "mkdir", "id", "rm"]) {
            Fs.copyFileSync(busybox, Path.join(root, "bin", program))
          }
        }
        Fs.writeFileSync(Path.join(root, "etc", "marker"), "of the image\n")
        const archive = Path.join(runner.directory, "rootfs.tar")
        execFileSync("/bin/tar", ["-C", root, "-cf", archive, "."])
        Fs.chmodSync(archive, 0o644)
        if (isRoot) execFileSync("/bin/chown", ["-R", `${runner.uid}:${runner.uid}`, root])
        const pack = Path.join(runner.directory, "image")
        expectOk(yield* runner.call(["pack", "create", "--image", `${root}/`, "-o", pack]))
        for (const from of [
          ["--image", `${root}/`],
          ["--image", archive],
          ["--from", `${pack}.smolmachine`]
        ]) {
          const guest = yield* machine(runner, from)
          assert.strictEqual((yield* guest.exec(["/bin/cat", "/etc/marker"])).stdout, "of the image\n", from.join(" "))
          assert.strictEqual((yield* guest.exec(["/bin/ls", "/usr"])).stdout, "")
          if (isRootRunner && from[1] === `${root}/`) {
            // Root's own files are as read-only to the guest as to any ordinary user.
            assert.notStrictEqual((yield* guest.sh("echo changed >/etc/marker")).code, 0)
            expectOk(yield* guest.sh("echo new >/new && echo new >/etc/new && cat /new"))
            continue
          }
          expectOk(yield* guest.sh("echo changed >/etc/marker && rm /bin/id && echo new >/new && mkdir -p /home/x"))
          expectOk(yield* runner.call(["machine", "stop", "--name", guest.name]))
          expectOk(yield* runner.call(["machine", "start", "--name", guest.name]))
          const after = yield* guest.sh("cat /etc/marker /new; ls /bin")
          assert.include(after.stdout, "changed\nnew\n")
          assert.notInclude(after.stdout.split("\n"), "id")
        }
        assert.strictEqual(Fs.readFileSync(Path.join(root, "etc", "marker"), "utf8"), "of the image\n")
        assert.isTrue(Fs.existsSync(Path.join(root, "bin", "id")))
        assert.isFalse(Fs.existsSync(Path.join(root, "new")))
      }),
    { skip: !hasOverlay }
  )

  test(
    "an archive that wants out of its directory stays in",
    (runner) =>
      Effect.gen(function* () {
        const work = directory(runner, "evil")
        const outside = directory(runner, "evil-outside")
        Fs.chmodSync(outside, 0o777)
        const make = [
          "import io, sys, tarfile",
          "t = tarfile.open(sys.argv[1], 'w')",
          "def add(name, type=tarfile.REGTYPE, link='', data=b'evil'):",
          "    i = tarfile.TarInfo(name); i.type = type; i.linkname = link; i.mode = 0o6777",
          "    i.size = len(data) if type == tarfile.REGTYPE else 0",
          "    t.addfile(i, io.BytesIO(data))",
          "for d in ('bin', 'usr'): add(d, tarfile.DIRTYPE)",
          "add('l', tarfile.SYMTYPE, sys.argv[2])",
          "add('l/through-link')",
          "add('../dotdot')",
          "add(sys.argv[2] + '/absolute')",
          "add('usr/suid')",
          "t.close()"
        ].join("\n")
        const archive = Path.join(work, "evil.tar")
        execFileSync("/usr/bin/python3", ["-c", make, archive, outside])
        Fs.chmodSync(archive, 0o644)
        yield* runner.call(["machine", "create", "--name", "evil", "--image", archive])
        assert.deepStrictEqual(Fs.readdirSync(outside), [])
        assert.isFalse(Fs.existsSync(Path.join(runner.directory, "dotdot")))
        yield* runner.call(["machine", "delete", "-f", "--name", "evil"])
      }),
    { skip: !Fs.existsSync("/usr/bin/python3") }
  )
})

const copyWithLibraries = (program: string, root: string): void => {
  const listed = execFileSync("/usr/bin/ldd", [program], { encoding: "utf8" })
  const libraries = [...listed.matchAll(/(\/[^\s]+)/g)].map((match) => match[1] ?? "")
  for (const file of [program, ...libraries.filter((path) => path.startsWith("/lib") || path.startsWith("/usr/lib"))]) {
    const to = Path.join(root, file)
    Fs.mkdirSync(Path.dirname(to), { recursive: true })
    Fs.copyFileSync(file, to)
  }
}
