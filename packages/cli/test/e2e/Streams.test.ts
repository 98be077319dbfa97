import { assert, describe, it } from "@effect/vitest"
import { createHash, randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { inHome, ordinary, users } from "./harness.js"

const MEBIBYTE = 1024 * 1024

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex")

describe.concurrent("the command's streams and exit", () => {
  for (const user of users) {
    it(`passes 100 MiB of output on byte for byte, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const hash = createHash("sha256")
        let size = 0
        const running = home.start(
          ["run", "-q", "--", "sh", "-c", "head -c 104857600 /dev/urandom | tee /tmp/copy; sha256sum /tmp/copy >&2"],
          {
            onStdout: (chunk) => {
              size += chunk.length
              hash.update(chunk)
            }
          }
        )
        const { code, stderr } = await running.ended
        assert.strictEqual(code, 0)
        assert.strictEqual(size, 100 * MEBIBYTE)
        assert.strictEqual(stderr.split(" ")[0], hash.digest("hex"))
      }))

    it(`feeds 10 MiB of standard input to its end with -i, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const input = randomBytes(10 * MEBIBYTE)
        const running = home.start(["run", "-q", "-i", "--", "sh", "-c", "sha256sum; echo end"], { stdin: "pipe" })
        running.child.stdin?.end(input)
        const { code, stdout } = await running.ended
        assert.strictEqual(code, 0)
        assert.strictEqual(stdout.toString(), `${sha256(input)}  -\nend\n`)
      }))

    it(`passes exit codes and signals through, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const codes = await Promise.all(
          // The last kills the shell that is our witness, by a signal without a name: its code must not become 0.
          ["exit 0", "exit 42", "exit 1", "exit 125", "exit 255", "kill -KILL $$", "kill -34 $PPID"].map((script) =>
            home.bottle("run", "-q", "--", "sh", "-c", script)
          )
        )
        assert.deepStrictEqual(
          codes.map(({ code }) => code),
          [0, 42, 1, 125, 255, 137, 162]
        )
        assert.deepStrictEqual(
          codes.map(({ stdout }) => stdout.toString()),
          ["", "", "", "", "", "", ""]
        )
      }))
  }

  it("keeps standard output and standard error apart, binary and all", () =>
    inHome(ordinary, async (home) => {
      const { code, stderr, stdout } = await home.bottle(
        "run",
        "-q",
        "--",
        "sh",
        "-c",
        "printf 'a\\0\\377b'; printf err >&2; exit 3"
      )
      assert.strictEqual(code, 3)
      assert.strictEqual(stdout.toString("hex"), "6100ff62")
      assert.strictEqual(stderr, "err")
    }))

  it("says on standard error, in one line, that the local runtime is used, and nothing under -q", () =>
    inHome(ordinary, async (home) => {
      const told = await home.bottle("run", "--", "echo", "x")
      assert.strictEqual(told.stdout.toString(), "x\n")
      assert.match(told.stderr, /^bottle: no smolvm on PATH: .*namespaces, shared kernel\)\n$/)
      const quiet = await home.bottle("run", "-q", "--", "echo", "x")
      assert.strictEqual(quiet.stderr, "")
      const chosen = await home.bottle("run", "--runtime", "local", "--", "echo", "x")
      assert.strictEqual(chosen.stderr, "")
    }))

  it("leaves standard input alone without -i", () =>
    inHome(ordinary, async (home) => {
      Fs.writeFileSync(home.path("work/input"), "still here")
      const script = '"$@" -- sh -c "cat; echo no input"; cat'
      const stdin = Fs.openSync(home.path("work/input"), "r")
      const { stdout } = await home.spawn(["sh", "-c", script, "sh", ...home.argv(["run", "-q"])], { stdin }).ended
      Fs.closeSync(stdin)
      assert.strictEqual(stdout.toString(), "no input\nstill here")
    }))

  it("ends when the command does, though standard input stays open", () =>
    inHome(ordinary, async (home) => {
      const running = home.start(["run", "-q", "-i", "--", "head", "-n", "1"], { stdin: "pipe" })
      running.child.stdin?.write("first\nsecond\n")
      const { code, stdout } = await running.ended
      running.child.stdin?.destroy()
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout.toString(), "first\n")
    }))

  it("leaves the command's own flags alone", () =>
    inHome(ordinary, async (home) => {
      const { stdout } = await home.bottle(
        "run",
        "-q",
        "--",
        "printf",
        "%s|",
        "--version",
        "-h",
        "--",
        "--log-level",
        "x y",
        ""
      )
      assert.strictEqual(stdout.toString(), "--version|-h|--|--log-level|x y||")
      const version = await home.bottle("run", "-q", "--", "ls", "--version")
      assert.include(version.stdout.toString(), "coreutils")
    }))

  it("ends without a word, as SIGPIPE would, when the reader goes away", () =>
    inHome(ordinary, async (home) => {
      const script = `"$@" -- yes | head -n 1; echo "\${PIPESTATUS[0]}"`
      const { stderr, stdout } = await home.spawn(["bash", "-c", script, "bash", ...home.argv(["run", "-q"])]).ended
      assert.strictEqual(stdout.toString(), "y\n141\n")
      assert.strictEqual(stderr, "")
    }))

  it("waits for a slow reader and loses nothing", () =>
    inHome(ordinary, async (home) => {
      const script = `"$@" -- head -c 3000000 /dev/zero | { sleep 1; wc -c; }; echo "\${PIPESTATUS[0]}"`
      const { stdout } = await home.spawn(["bash", "-c", script, "bash", ...home.argv(["run", "-q"])]).ended
      assert.strictEqual(stdout.toString(), "3000000\n0\n")
    }))

  it("works with standard error closed", () =>
    inHome(ordinary, async (home) => {
      const argv = home.argv(["run", "--", "sh", "-c", "echo lost >&2; echo kept; exit 4"])
      const { code, stdout } = await home.spawn(["sh", "-c", 'exec "$@" 2>&-', "sh", ...argv]).ended
      assert.strictEqual(stdout.toString(), "kept\n")
      assert.strictEqual(code, 4)
    }))

  it("ends a command whose time is up, with 124", () =>
    inHome(ordinary, async (home) => {
      const { code, stderr, stdout } = await home.bottle(
        ...[
          "run",
          "-q",
          "--timeout",
          "1s",
          "--report",
          "r.json",
          "--",
          "sh",
          "-c",
          "echo begun; sleep 1000; echo never"
        ]
      )
      assert.strictEqual(code, 124)
      assert.strictEqual(stdout.toString(), "begun\n")
      assert.strictEqual(
        stderr,
        "bottle: the command took longer than 1.0 s and was ended\ntry: a longer --timeout, or none\n" +
          "more: docs/reference/errors.md#commandtimedout\n"
      )
      const report = JSON.parse(Fs.readFileSync(home.path("work/r.json"), "utf8"))
      assert.deepStrictEqual(report.exit, { code: 124, origin: "engine", timedOut: true })
      const quick = await home.bottle("run", "-q", "--timeout", "30s", "--", "sh", "-c", "exit 5")
      assert.strictEqual(quick.code, 5)
    }))

  it("gives the command its variables, and a secret that is in no argv and no record", () =>
    inHome(ordinary, async (home) => {
      const secret = `secret-${randomBytes(8).toString("hex")}`
      // Compared by the shell itself: a program that looks for the value would have it in its own argv.
      const script = [
        'echo "$PLAIN|$TOKEN"; all=$(cat /proc/[0-9]*/cmdline | tr "\\0" " ")',
        'case $all in *"$TOKEN"*) echo 1 ;; *sh*) echo 0 ;; esac; read -r go; exit 0'
      ].join("; ")
      const running = home.start(
        ["run", "-i", "-e", "PLAIN=a b", "-e", "TOKEN", "--report", "r.json", "--", "sh", "-c", script],
        { stdin: "pipe", env: { TOKEN: secret } }
      )
      await running.printed("\n0\n")
      const seen = Fs.readdirSync("/proc")
        .filter((name) => /^[0-9]+$/.test(name))
        .filter((pid) => {
          try {
            return Fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(secret)
          } catch {
            return false
          }
        })
      running.child.stdin?.end("go\n")
      const { code, stderr, stdout } = await running.ended
      assert.deepStrictEqual(seen, [])
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout.toString(), `a b|${secret}\n0\n`)
      const report = Fs.readFileSync(home.path("work/r.json"), "utf8")
      assert.include(report, "TOKEN")
      assert.notInclude(report + stderr, secret)
    }))

  for (const user of users) {
    it(`shows the guest a directory, to write to or to read only, as ${user.name}`, () =>
      inHome(user, async (home) => {
        Fs.mkdirSync(home.path("work/data"))
        Fs.writeFileSync(home.path("work/data/in"), "from the host\n")
        // A directory of root's is not for a guest to write to: root shows it one of somebody else's.
        const owner = user.uid === 0 ? 34_567 : user.uid
        Fs.chownSync(home.path("work/data"), owner, owner)
        const script = "cat in; echo from the guest > out; pwd"
        const written = await home.bottle("run", "-q", "-v", "data:/data", "-w", "/data", "--", "sh", "-c", script)
        assert.strictEqual(written.code, 0, written.stderr)
        assert.strictEqual(written.stdout.toString(), "from the host\n/data\n")
        assert.strictEqual(Fs.readFileSync(home.path("work/data/out"), "utf8"), "from the guest\n")
        assert.strictEqual(Fs.statSync(home.path("work/data/out")).uid, owner)
        const refused = await home.bottle(
          "run",
          "-q",
          "-v",
          "data:/data:ro",
          "--",
          "sh",
          "-c",
          "cat /data/in; echo no > /data/no"
        )
        assert.notStrictEqual(refused.code, 0)
        assert.strictEqual(refused.stdout.toString(), "from the host\n")
        assert.isFalse(Fs.existsSync(home.path("work/data/no")))
      }))
  }
})
