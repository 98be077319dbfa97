import * as Capture from "@bottle/process/Capture"
import { Machine as SmolvmMachine } from "@bottle/smolvm/Machine"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { note, skip } from "./support/missing.js"
import {
  everybody,
  expectOk,
  filesBelow,
  freshName,
  handle,
  layer,
  machine,
  nothingLeft,
  ourselves,
  type Runner,
  type Who
} from "./support/runner.js"

const suite = (
  who: Who,
  define: (
    test: (
      name: string,
      body: (runner: Runner) => Effect.Effect<void, never, Scope.Scope | CommandExecutor.CommandExecutor>
    ) => void
  ) => void
) =>
  define((name, body) =>
    it.scopedLive.skipIf(skip)(name, () => Effect.flatMap(who.make, body).pipe(Effect.provide(layer)), 60_000)
  )

const statusFields = [
  "name",
  "state",
  "cpus",
  "memory_mib",
  "pid",
  "mounts",
  "ports",
  "created_at",
  "storage_gb",
  "overlay_gb",
  "image",
  "entrypoint",
  "cmd",
  "ephemeral",
  "gpu",
  "gpu_vram_mib",
  "restart_policy",
  "restart_max_retries",
  "restart_count",
  "health_cmd",
  "health_interval_secs",
  "health_timeout_secs",
  "health_retries",
  "health_startup_grace_secs",
  "network",
  "cuda",
  "forkable",
  "cuda_fork_pool_size",
  "cuda_vram_limit_mib",
  "forkpoint_held",
  "labels"
]

describe.each(everybody)(`machines, $name${note}`, (who) => {
  suite(who, (test) => {
    test("a machine lives through create, start, exec, stop, start and delete, and leaves nothing", (runner) =>
      Effect.gen(function* () {
        const name = freshName()
        const call = (...words: ReadonlyArray<string>) => runner.call(words)
        assert.strictEqual((yield* call("machine", "create", "--name", name)).stdout, `Created machine: ${name}\n`)
        const stateOf = Effect.map(
          call("machine", "status", "--name", name, "--json"),
          (result): string => JSON.parse(result.stdout).state
        )
        assert.strictEqual(yield* stateOf, "created")
        const early = yield* call("machine", "exec", "--name", name, "--", "true")
        assert.deepStrictEqual(
          [early.code, early.stderr],
          [
            1,
            `Error: agent operation failed: connect: machine '${name}' is not running. ` +
              `Use 'smolvm machine start --name ${name}' first.\n`
          ]
        )
        const started = yield* call("machine", "start", "--name", name)
        assert.match(started.stdout, new RegExp(`^Machine '${name}' running \\(PID: [0-9]+\\)\\n$`))
        assert.strictEqual(yield* stateOf, "running")
        const again = yield* call("machine", "start", "--name", name)
        assert.strictEqual(again.code, 0)
        assert.match(again.stdout, /already running \(PID: [0-9]+\)/)
        const guest = handle(runner, name)
        assert.strictEqual((yield* guest.sh("echo kept >/workspace/f; exit 42")).code, 42)
        expectOk(yield* call("machine", "stop", "--name", name))
        assert.strictEqual(yield* stateOf, "stopped")
        const twice = yield* call("machine", "stop", "--name", name)
        assert.deepStrictEqual([twice.code, twice.stdout], [0, `Machine '${name}' is not running (state: stopped)\n`])
        expectOk(yield* call("machine", "start", "--name", name))
        assert.strictEqual((yield* guest.sh("cat /workspace/f")).stdout, "kept\n")
        expectOk(yield* call("machine", "delete", "-f", "--name", name))
        yield* nothingLeft(name)
        assert.deepStrictEqual(filesBelow(runner.state), [])
        assert.deepStrictEqual(Fs.readdirSync(Path.join(runner.state, "bottle", "local", "machines")), [])
      }))

    test("state directories are their user's alone", (runner) =>
      Effect.gen(function* () {
        yield* machine(runner)
        const root = Path.join(runner.state, "bottle", "local")
        for (const directory of [root, Path.join(root, "machines"), Path.join(root, "locks")]) {
          const stat = Fs.statSync(directory)
          assert.deepStrictEqual([stat.mode & 0o777, stat.uid], [0o700, runner.uid])
        }
      }))

    test("what was written, removed and changed in modes is kept between stop and start", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const make =
          "cd /workspace && mkdir -p 'a b/ü' && echo 1 >'a b/ü/f' && ln -s f 'a b/ü/l' && ln 'a b/ü/f' hard && " +
          "chmod 000 hard && mkfifo pipe && truncate -s 5M sparse && rm /etc/hostname && chmod 700 /tmp && " +
          "mkdir closed && echo 2 >closed/g && chmod 000 closed"
        expectOk(yield* guest.sh(make))
        expectOk(yield* runner.call(["machine", "stop", "--name", guest.name]))
        expectOk(yield* runner.call(["machine", "start", "--name", guest.name]))
        const look =
          "cd /workspace && chmod 600 hard && cat 'a b/ü/l' && [ -p pipe ] && stat -c %s sparse && [ ! -e /etc/hostname ] && " +
          "stat -c %a /tmp && stat -c %a closed && chmod 700 closed && cat closed/g"
        assert.strictEqual((yield* guest.sh(look)).stdout, "1\n5242880\n700\n0\n2\n")
      }))

    test("a signal's end is 128 and its number, and a command that is not there is the runtime's error", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        assert.strictEqual((yield* guest.sh("kill -9 $$")).code, 137)
        assert.strictEqual((yield* guest.sh("kill -15 $$")).code, 143)
        const missing = yield* guest.exec(["no-such-program", "x"])
        assert.strictEqual(missing.code, 1)
        assert.match(missing.stderr, /^Error: agent operation failed: exec: failed to spawn command: no-such-program: /)
        const denied = yield* guest.exec(["/etc/passwd"])
        assert.deepStrictEqual([denied.code, denied.stderr.startsWith("Error: agent operation failed")], [1, true])
        const directory = yield* guest.exec(["true"], { flags: ["-w", "/no/such"] })
        assert.strictEqual(directory.code, 1)
        assert.match(directory.stderr, /^Error: agent operation failed: exec: /)
        const own = yield* guest.sh("echo 'nsenter: failed to execute x: y' >&2; echo more >&2; exit 127")
        assert.deepStrictEqual([own.code, own.stderr], [127, "nsenter: failed to execute x: y\nmore\n"])
        assert.strictEqual((yield* guest.sh("exit 127")).code, 127)
      }))

    test("a command that takes too long ends with 124, it and what it started", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const late = yield* guest.exec(["/bin/sh", "-c", "echo begun; sleep 302 & sleep 303"], {
          flags: ["--timeout", "500ms"]
        })
        assert.deepStrictEqual([late.code, late.stdout], [124, "begun\n"])
        assert.notMatch((yield* guest.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).stdout, /sleep 30[23]/)
        assert.strictEqual((yield* guest.exec(["true"], { flags: ["--timeout", "30s"] })).code, 0)
      }))

    test("a detached command goes on after its call", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const started = yield* guest.exec(["/bin/sh", "-c", "echo $$ >/tmp/pid; exec sleep 304"], { flags: ["-d"] })
        assert.strictEqual(started.code, 0)
        const pid = Number(started.stdout)
        assert.isAbove(pid, 1)
        const waiting = "for i in 1 2 3 4 5 6 7 8 9; do [ -s /tmp/pid ] || sleep 0.1; done; cat /tmp/pid"
        assert.strictEqual(Number((yield* guest.sh(waiting)).stdout), pid)
        expectOk(yield* guest.sh('kill "$1"', String(pid)))
      }))

    test("run makes a machine for one command, and stays true to its exit code and output", (runner) =>
      Effect.gen(function* () {
        const result = yield* runner.call(["machine", "run", "-e", "A=b c", "--", "/bin/sh", "-c", "echo $A; exit 7"])
        assert.deepStrictEqual([result.code, result.stdout], [7, "b c\n"])
        assert.strictEqual((yield* runner.call(["machine", "ls", "--json"])).stdout, "[]\n")
        yield* nothingLeft(runner.directory)
      }))

    test("orphans of a machine are collected", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        yield* guest.sh("for i in 1 2 3 4 5 6 7 8; do (sleep 0.05 &); done; sleep 0.4")
        const zombies = yield* guest.sh("grep -l '^State:.Z' /proc/[0-9]*/status | wc -l")
        assert.strictEqual(zombies.stdout.trim(), "0")
      }))

    test("files go in and out", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const local = Path.join(runner.directory, "local.bin")
        const back = Path.join(runner.directory, "back.bin")
        const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) % 256))
        Fs.writeFileSync(local, content, { mode: 0o644 })
        expectOk(yield* runner.call(["machine", "cp", local, `${guest.name}:/workspace/new dir/f.bin`]))
        expectOk(yield* runner.call(["machine", "cp", `${guest.name}:/workspace/new dir/f.bin`, back]))
        assert.isTrue(Fs.readFileSync(back).equals(content))
        const refusals = [
          [runner.directory, `${guest.name}:/workspace/d`],
          [local, `${guest.name}:/workspace/../x`],
          [local, `${guest.name}:/workspace/`],
          [`${guest.name}:/workspace`, back],
          [`${guest.name}:/no/such`, back],
          [local, `${guest.name}:/usr/new`],
          [local, back]
        ]
        for (const words of refusals) {
          const refused = yield* runner.call(["machine", "cp", ...words])
          assert.deepStrictEqual([refused.code, refused.stderr.startsWith("Error: ")], [1, true], words.join(" "))
        }
        assert.isTrue(Fs.readFileSync(back).equals(content))
        const gone = yield* runner.call(["machine", "cp", local, "no-such-machine:/f"])
        assert.deepStrictEqual([gone.code, gone.stderr], [1, "Error: vm not found: no-such-machine\n"])
      }))

    test("packs carry a disk to another machine", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const output = Path.join(runner.directory, "pack")
        expectOk(yield* guest.sh("echo packed >/workspace/f"))
        const early = yield* runner.call(["pack", "create", "--from-vm", guest.name, "-o", output])
        assert.strictEqual(early.code, 1)
        assert.include(early.stderr, "expected stopped")
        expectOk(yield* runner.call(["machine", "stop", "--name", guest.name]))
        expectOk(yield* runner.call(["pack", "create", "--from-vm", guest.name, "-o", output]))
        const copy = yield* machine(runner, ["--from", `${output}.smolmachine`])
        assert.strictEqual((yield* copy.sh("cat /workspace/f")).stdout, "packed\n")
        const bad = yield* runner.call(["machine", "create", "--from", output])
        assert.deepStrictEqual([bad.code, bad.stderr.includes("not a pack")], [1, true])
        const missing = yield* runner.call(["machine", "create", "--from", `${output}.none`])
        assert.deepStrictEqual([missing.code, missing.stderr.includes("there is no such file")], [1, true])
      }))
  })
})

describe(`command lines${note}`, () => {
  suite(ourselves, (test) => {
    test("the version is smolvm's, and the second line says what this is", (runner) =>
      Effect.gen(function* () {
        const version = yield* runner.call(["--version"])
        assert.deepStrictEqual(
          [version.code, version.stdout],
          [0, "smolvm 1.9.3\nbottle local runtime: namespaces, shared kernel\n"]
        )
        assert.include((yield* runner.call(["machine", "create", "--help"])).stdout, "--mount-socket")
      }))

    test("a line that smolvm would refuse ends with 2 and its usage", (runner) =>
      Effect.gen(function* () {
        for (const words of [
          ["machine", "create", "--nope"],
          ["machine", "delete"],
          ["machine", "exec", "--name", "x"],
          ["machine", "exec", "--name", "x", "--timeout", "30", "--", "true"],
          ["machine", "exec", "--name", "x", "-d", "-i", "--", "true"],
          ["machine", "create", "positional"],
          ["machine"],
          ["nope"]
        ]) {
          const refused = yield* runner.call(words)
          assert.strictEqual(refused.code, 2, words.join(" "))
          assert.match(refused.stderr, /^error: /)
          assert.include(refused.stderr, "Usage:")
        }
      }))

    test("a network is refused by name, and everything else that cannot be honoured", (runner) =>
      Effect.gen(function* () {
        for (const words of [
          ["--net"],
          ["--net", "--allow-cidr", "10.0.0.0/8"],
          ["--allow-host", "example.com"],
          ["-p", "8080:80"],
          ["--dns", "1.1.1.1"],
          ["--network", "n"],
          ["--outbound-localhost-only"],
          ["--gpu"],
          ["--ssh-agent"],
          ["--docker-socket"],
          ["--expose-socket", "/x"],
          ["--init", "x"],
          ["--smolfile", "x"],
          ["--image", "alpine:3"],
          ["--image", "registry.example/library/alpine"],
          ["--image", "./no-such.tar"],
          ["--from", "/no/such"],
          ["--label", "x"],
          ["--secret-env", "X="],
          ["--secret-file", "X=relative"],
          ["--overlay", "0"]
        ]) {
          const refused = yield* runner.call(["machine", "create", "--name", "refused", ...words])
          assert.strictEqual(refused.code, 1, words.join(" "))
          assert.match(refused.stderr, /^Error: config operation failed: machine create: [^\n]+\n$/, words.join(" "))
        }
        assert.strictEqual((yield* runner.call(["machine", "ls", "--json"])).stdout, "[]\n")
      }))

    test("names follow smolvm's rules", (runner) =>
      Effect.gen(function* () {
        for (const name of ["-x", "x-", "a--b", "a/b", "..", ".", "", "ü", "a b", "x".repeat(129), "_a"]) {
          const refused = yield* runner.call(["machine", "create", `--name=${name}`])
          assert.deepStrictEqual([name, refused.code], [name, 1])
        }
        for (const name of ["a", "A-b_c", "x".repeat(128)]) {
          expectOk(yield* runner.call(["machine", "create", "--name", name]))
          expectOk(yield* runner.call(["machine", "delete", "-f", "--name", name]))
        }
        const anonymous = yield* runner.call(["machine", "create"])
        assert.match(anonymous.stdout, /^Created machine: vm-[0-9a-f]+\n$/)
      }))

    test("what is missing, or there already, is said in smolvm's words", (runner) =>
      Effect.gen(function* () {
        const errors = (words: ReadonlyArray<string>) =>
          Effect.map(runner.call(words), (result) => [result.code, result.stderr])
        for (const words of [
          ["machine", "start", "--name", "gone"],
          ["machine", "stop", "--name", "gone"],
          ["machine", "delete", "-f", "--name", "gone"],
          ["machine", "exec", "--name", "gone", "--", "true"],
          ["machine", "exec", "--name", "../gone", "--", "true"]
        ]) {
          assert.deepStrictEqual(yield* errors(words), [
            1,
            `Error: vm not found: ${words.at(words.indexOf("--name") + 1)}\n`
          ])
        }
        assert.deepStrictEqual(yield* errors(["machine", "status", "--name", "gone", "--json"]), [
          1,
          "Error: config operation failed: machine status: machine 'gone' not found\n"
        ])
        expectOk(yield* runner.call(["machine", "create", "--name", "twice"]))
        const twice = yield* runner.call(["machine", "create", "--name", "twice"])
        assert.deepStrictEqual([twice.code, twice.stderr.includes("already exists")], [1, true])
      }))

    test("delete without -f keeps the machine, stopped", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const kept = yield* runner.call(["machine", "delete", "--name", guest.name])
        assert.deepStrictEqual([kept.code, kept.stdout.includes("Cancelled")], [0, true])
        assert.include((yield* runner.call(["machine", "ls", "--json"])).stdout, '"stopped"')
      }))

    test("delete without -f asks who can answer", () =>
      Effect.gen(function* () {
        const runner = yield* (everybody.at(-1) ?? ourselves).make
        const guest = yield* machine(runner)
        const words = ["machine", "delete", "--name", guest.name]
        assert.include((yield* runner.call(words, { stdin: "n\n" })).stdout, "Cancelled")
        assert.include((yield* runner.call(words, { stdin: "y\n" })).stdout, "Deleted machine")
        yield* nothingLeft(guest.name)
      }))

    test("status and ls have smolvm's fields and no others", (runner) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* runner.call(["machine", "ls", "--json"])).stdout, "[]\n")
        const guest = yield* machine(runner, ["--label", "a=b", "--label", "a=c=d", "--cpus", "1", "--mem", "512"])
        const list: ReadonlyArray<unknown> = JSON.parse((yield* runner.call(["machine", "ls", "--json"])).stdout)
        const one: Record<string, unknown> = JSON.parse(
          (yield* runner.call(["machine", "status", "--name", guest.name, "--json"])).stdout
        )
        assert.deepStrictEqual(list, [one])
        assert.deepStrictEqual(Object.keys(one), statusFields)
        const decoded = yield* Effect.orDie(Schema.decodeUnknown(SmolvmMachine)(one))
        assert.deepStrictEqual(
          [decoded.name, decoded.state, decoded.cpus, decoded.memoryMib, decoded.network],
          [guest.name, "running", 1, 512, false]
        )
        assert.deepStrictEqual(decoded.labels, { a: "c=d" })
      }))

    test("the environment of a machine, of a call, and secrets come in that order", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner, ["-e", "A=1", "-e", "B=1", "--secret-env", "S=HOST_S", "-e", "DROPPED"], {
          HOST_S: "one"
        })
        const env = yield* guest.exec(["/bin/sh", "-c", 'echo "$A $B $C $S ${DROPPED-none}"'], {
          flags: ["-e", "B=2", "-e", "C=a=b\nc"],
          env: { HOST_S: "two" }
        })
        assert.strictEqual(env.stdout, "1 2 a=b\nc two none\n")
        const without = yield* guest.exec(["true"])
        assert.deepStrictEqual([without.code, without.stderr.includes("HOST_S")], [1, true])
        const record = filesBelow(runner.state).map((file) => Fs.readFileSync(file, "latin1"))
        assert.isTrue(record.every((content) => !content.includes("two")))
      }))

    test("a corrupted record is an error, and delete still removes the machine", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const home = Path.join(runner.state, "bottle", "local", "machines", guest.name)
        for (const [file, content] of [
          ["machine.json", "{"],
          ["machine.json", "[]"],
          ["machine.json", ""],
          ["run.json", "x"]
        ] as const) {
          const before = Fs.readFileSync(Path.join(home, file))
          Fs.writeFileSync(Path.join(home, file), content)
          for (const words of [["exec", "--", "true"], ["stop"], ["start"], ["status", "--json"]]) {
            const [verb = "", ...rest] = words
            const refused = yield* runner.call(["machine", verb, "--name", guest.name, ...rest])
            assert.strictEqual(refused.code, 1)
            assert.match(refused.stderr, /^Error: database operation failed: read /)
          }
          Fs.writeFileSync(Path.join(home, file), before)
        }
        expectOk(yield* guest.sh("true"))
        Fs.writeFileSync(Path.join(home, "machine.json"), "{")
        expectOk(yield* runner.call(["machine", "delete", "-f", "--name", guest.name]))
        yield* nothingLeft(guest.name)
      }))

    test("another process with the machine's number is not entered", (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const run = Path.join(runner.state, "bottle", "local", "machines", guest.name, "run.json")
        const before = Fs.readFileSync(run, "utf8")
        const noted = JSON.parse(before)
        for (const pid1 of [
          { ...noted.pid1, startTime: `${Number(noted.pid1.startTime) + 1}` },
          { ...noted.pid1, bootId: "00000000-0000-0000-0000-000000000000" },
          { ...noted.pid1, pid: process.pid }
        ]) {
          Fs.writeFileSync(run, JSON.stringify({ ...noted, pid1 }))
          const refused = yield* guest.sh("true")
          assert.deepStrictEqual([refused.code, refused.stderr.includes("is not running")], [1, true])
        }
        Fs.writeFileSync(run, before)
        expectOk(yield* guest.sh("true"))
      }))

    test("commands of other programs go to the executor below", () =>
      Effect.gen(function* () {
        const other = yield* Effect.orDie(Capture.capture({ program: "/bin/echo", args: ["machine", "ls"] }))
        assert.strictEqual(Capture.stdoutText(other), "machine ls\n")
      }))
  })
})
