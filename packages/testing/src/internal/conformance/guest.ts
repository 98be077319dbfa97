import * as Effect from "effect/Effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Checks from "./checks.js"
import type { Case } from "./model.js"
import { Subject } from "./model.js"

/** What becomes of machines that run, and of commands in them. */

const lives: ReadonlyArray<Case> = [
  {
    name: "machine start boots a machine; one that runs already is a success that says so",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const before = yield* Checks.isIn(name, "running")
      yield* Checks.verify(Number.isInteger(before["pid"]), "expected the number of a process")
      yield* Checks.answers(Checks.on("start", name), { code: 0, stdout: /already running \(PID: \d+\)/ })
      const after = yield* Checks.isIn(name, "running")
      yield* Checks.verify(before["pid"] === after["pid"], "expected the same process after the second start")
    })
  },
  {
    name: "machine stop stops a machine, which can be started again",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      yield* Checks.succeeds(Checks.on("stop", name))
      const found = yield* Checks.isIn(name, "stopped")
      yield* Checks.verify(found["pid"] === null, "expected no process")
      yield* Checks.fails(Checks.on("exec", name, "--", "true"), new RegExp(`machine '${name}' is not running`))
      yield* Checks.answers(Checks.on("stop", name), { code: 0, stdout: /is not running \(state: stopped\)/ })
      yield* Checks.start(name)
      yield* Checks.isIn(name, "running")
    })
  },
  {
    name: "machine delete -f stops a machine that runs, and removes it",
    needs: ["guest"],
    since: "0.8.1",
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      yield* Checks.succeeds(yield* Checks.deleteLine(name))
      yield* Checks.isListed(name, false)
      yield* Checks.fails(Checks.on("exec", name, "--", "true"), /vm not found: /)
    })
  },
  {
    name: "machine delete without -f has stopped the machine when it asks",
    needs: ["guest"],
    since: "0.8.1",
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      yield* Checks.answers(yield* Checks.deleteLine(name, []), { code: 0, stdout: /Cancelled/ })
      yield* Checks.isIn(name, "stopped")
    })
  },
  {
    name: "machine start without a name makes and starts the machine called default",
    needs: ["alone", "guest"],
    run: Effect.gen(function* () {
      yield* Checks.removeLater("default")
      yield* Checks.fails(Checks.on("start", yield* Checks.freshName), /vm not found: /)
      yield* Checks.succeeds(["machine", "start"])
      yield* Checks.isIn("default", "running")
      yield* Checks.answers(["machine", "start"], { code: 0, stdout: /already running/ })
      yield* Checks.succeeds(["machine", "stop"])
      yield* Checks.isIn("default", "stopped")
    })
  },
  {
    name: "machine create refuses the name of a machine that runs, which goes on",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const { createArguments } = yield* Subject
      const name = yield* Checks.running()
      yield* Checks.fails(yield* Checks.createLine(name, createArguments), /already exists/)
      yield* Checks.exited(yield* Checks.exec(name, ["true"]), 0)
    })
  }
]

const sh = (script: string, ...args: ReadonlyArray<string>): ReadonlyArray<string> => [
  "sh",
  "-c",
  script,
  "sh",
  ...args
]

const codes: ReadonlyArray<Case> = [
  {
    name: "machine exec passes the command's exit code through",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      for (const code of [0, 1, 2, 3, 42, 101, 124, 125, 137, 255]) {
        const called = yield* Checks.exec(name, sh(`exit ${code}`))
        yield* Checks.exited(called, code)
        yield* Checks.verify(called.stdout.length + called.stderr.length === 0, "expected no output", called)
      }
      yield* Checks.exited(yield* Checks.exec(name, ["true"]), 0)
      yield* Checks.exited(yield* Checks.exec(name, ["false"]), 1)
      yield* Checks.exited(yield* Checks.exec(name, sh("exit 5"), { flags: ["-i"] }), 5)
      yield* Checks.exited(yield* Checks.exec(name, sh("exit 5"), { flags: ["--stream"] }), 5)
    })
  },
  {
    name: "machine exec of a command that a signal ended exits 128+n",
    needs: ["guest"],
    since: "0.8.1",
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      yield* Checks.exited(yield* Checks.exec(name, sh("kill -KILL $$")), 137)
      yield* Checks.exited(yield* Checks.exec(name, sh("kill -TERM $$")), 143)
      yield* Checks.exited(yield* Checks.exec(name, ["true"]), 0)
    })
  },
  {
    name: "machine exec of a command that a signal ended exits 255",
    needs: ["guest"],
    before: "0.8.1",
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      yield* Checks.exited(yield* Checks.exec(name, sh("kill -KILL $$")), 255)
      yield* Checks.exited(yield* Checks.exec(name, ["true"]), 0)
    })
  },
  {
    name: "machine exec fails for a program that the machine does not have",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const missing = yield* Checks.exec(name, ["/no/such/program"])
      yield* Checks.verify(missing.code !== 0 && missing.stderr.length > 0, "expected a failure that says why", missing)
      yield* Checks.exited(yield* Checks.exec(name, ["true"]), 0)
    })
  },
  {
    name: "machine exec --timeout ends a command with 124, and none that is done before",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      yield* Checks.exited(yield* Checks.exec(name, ["sleep", "60"], { flags: ["--timeout", "500ms"] }), 124)
      const quick = yield* Checks.exec(name, sh("echo done; exit 3"), { flags: ["--timeout", "1m"] })
      yield* Checks.exited(quick, 3)
      yield* Checks.wrote(quick, "stdout", "done\n")
    })
  },
  {
    name: "machine exec of several commands at once gives each its own output and code",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const all = yield* Effect.forEach(
        [1, 2, 3, 4],
        (number) => Checks.exec(name, sh(`echo number ${number}; exit ${number}`)),
        { concurrency: "unbounded" }
      )
      for (const [index, called] of all.entries()) {
        yield* Checks.exited(called, index + 1)
        yield* Checks.wrote(called, "stdout", `number ${index + 1}\n`)
      }
    })
  },
  {
    name: "machine exec -d prints the command's process id, and does not wait",
    needs: ["guest"],
    since: "1.3.0",
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      yield* Checks.answers(Checks.on("exec", name, "-d", "--", "sleep", "60"), { code: 0, stdout: /^\d+\n$/ })
      yield* Checks.isUsageError(Checks.on("exec", name, "-d", "-i", "--", "true"))
    })
  }
]

const streams: ReadonlyArray<Case> = [
  {
    name: "machine exec keeps stdout and stderr apart, in every mode without a terminal",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      for (const flags of [[], ["-i"], ["--stream"]]) {
        const called = yield* Checks.exec(name, sh("echo out; echo err >&2; exit 7"), { flags })
        yield* Checks.exited(called, 7)
        yield* Checks.wrote(called, "stdout", "out\n")
        yield* Checks.wrote(called, "stderr", "err\n")
      }
    })
  },
  {
    name: "machine exec -i carries every byte both ways, and the end of the input",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const bytes = Checks.everyByte(256)
      const there = yield* Checks.exec(name, ["cat"], { flags: ["-i"], stdin: bytes })
      yield* Checks.exited(there, 0)
      yield* Checks.wrote(there, "stdout", bytes)
      const nothing = yield* Checks.exec(name, ["cat"], { flags: ["-i"] })
      yield* Checks.exited(nothing, 0)
      yield* Checks.wrote(nothing, "stdout", "")
    })
  },
  {
    name: "machine exec -i takes a mebibyte of input",
    needs: ["guest"],
    since: "1.8.1",
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const bytes = Checks.everyByte(4096)
      const there = yield* Checks.exec(name, ["cat"], { flags: ["-i"], stdin: bytes })
      yield* Checks.exited(there, 0)
      yield* Checks.wrote(there, "stdout", bytes)
    })
  },
  {
    name: "machine exec without -i gives the command no input",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const without = yield* Checks.exec(name, ["cat"], { stdin: "not for the guest\n" })
      yield* Checks.exited(without, 0)
      yield* Checks.wrote(without, "stdout", "")
      const forwarded = yield* Checks.exec(name, ["cat"], { flags: ["-i"], stdin: "for the guest\n" })
      yield* Checks.wrote(forwarded, "stdout", "for the guest\n")
    })
  }
]

const surroundings: ReadonlyArray<Case> = [
  {
    name: "machine exec gives the command its words as they are",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const words = ["two words", "", "$HOME", "*", "a'b\"c", "back\\slash", "line\nbreak", "--name", "-x", "ünï"]
      const called = yield* Checks.exec(name, ["printf", "%s|", ...words])
      yield* Checks.exited(called, 0)
      yield* Checks.wrote(called, "stdout", `${words.join("|")}|`)
    })
  },
  {
    name: "machine exec -e sets variables of this command only",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const flags = ["-e", "ONE=1", "-e", "TWO=a=b c", "--env=EMPTY="]
      const called = yield* Checks.exec(name, sh('echo "$ONE|$TWO|$EMPTY|"'), { flags })
      yield* Checks.wrote(called, "stdout", "1|a=b c||\n")
      yield* Checks.wrote(yield* Checks.exec(name, ["printenv", "ONE"]), "stdout", "")
    })
  },
  {
    name: "machine exec -w starts the command in that directory",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      yield* Checks.wrote(yield* Checks.exec(name, ["pwd"], { flags: ["-w", "/tmp"] }), "stdout", "/tmp\n")
      yield* Checks.wrote(yield* Checks.exec(name, ["pwd"], { flags: ["--workdir=/"] }), "stdout", "/\n")
    })
  },
  {
    name: "machine exec --secret-env takes a variable from the environment of the program, and fails without it",
    needs: ["guest"],
    since: "1.0.0",
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const flags = ["--secret-env", "TOKEN=BOTTLE_CONF_TOKEN"]
      const options = { flags, env: { BOTTLE_CONF_TOKEN: "s3cret" } }
      yield* Checks.wrote(yield* Checks.exec(name, ["printenv", "TOKEN"], options), "stdout", "s3cret\n")
      const without = yield* Checks.exec(name, ["true"], { flags })
      yield* Checks.verify(without.code !== 0, "expected a failure where the variable is not set", without)
      yield* Checks.exited(yield* Checks.exec(name, ["true"]), 0)
    })
  }
]

const hostFile = (name: string) => Effect.map(Subject, ({ directory }) => Path.join(directory, name))

const write = (path: string, content: Uint8Array | string) =>
  Effect.tryPromise({
    try: () => Fs.writeFile(path, content),
    catch: (cause) => Checks.failure(`writing ${path}: ${String(cause)}`)
  })

/** An ordinary user: a runtime may refuse to let a machine write to what is root's. */
const somebody = 61_234

/** A directory that the user as whom the program acts may write to, whoever that is. */
const directoryForAll = (path: string) =>
  Effect.promise(async () => {
    await Fs.mkdir(path)
    await Fs.chmod(path, 0o777)
    if (process.getuid?.() === 0) await Fs.chown(path, somebody, somebody)
  })

const read = (path: string) =>
  Effect.tryPromise({
    try: () => Fs.readFile(path),
    catch: (cause) => Checks.failure(`reading ${path}: ${String(cause)}`)
  })

const files: ReadonlyArray<Case> = [
  {
    name: "machine cp carries a file in and out, byte for byte, and makes the directories above it",
    needs: ["guest", "files"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const [source, target] = [yield* hostFile(`${name}-in`), yield* hostFile(`${name}-out`)]
      const bytes = Checks.everyByte(512)
      yield* write(source, bytes)
      // An image's commands see what was copied to /workspace in every version.
      const guestPath = "/workspace/some/where/file"
      yield* Checks.succeeds(["machine", "cp", source, `${name}:${guestPath}`])
      const inside = yield* Checks.exec(name, ["cat", guestPath])
      yield* Checks.wrote(inside, "stdout", bytes)
      yield* Checks.succeeds(["machine", "cp", `${name}:${guestPath}`, target])
      const back = yield* read(target)
      yield* Checks.verify(
        Buffer.compare(back, bytes) === 0,
        `expected the same ${bytes.length} bytes, got ${back.length}`
      )
    })
  },
  {
    name: "machine cp takes files only: directories, missing files and '..' are refused",
    needs: ["guest", "files"],
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const { directory } = yield* Subject
      const [source, target] = [yield* hostFile(`${name}-in`), yield* hostFile(`${name}-out`)]
      yield* write(source, "content\n")
      yield* Checks.fails(["machine", "cp", directory, `${name}:/workspace/directory`], /^Error: /m)
      yield* Checks.fails(["machine", "cp", `${name}:/`, target], /^Error: /m)
      yield* Checks.fails(["machine", "cp", `${name}:/no/such/file`, target], /^Error: /m)
      yield* Checks.fails(["machine", "cp", `${directory}/no-such-file`, `${name}:/workspace/f`], /^Error: /m)
      yield* Checks.fails(["machine", "cp", source, `${name}:/workspace/../f`], /^Error: /m)
      yield* Checks.succeeds(["machine", "cp", source, `${name}:/workspace/f`])
      yield* Checks.succeeds(["machine", "cp", `${name}:/workspace/f`, target])
    })
  },
  {
    name: "machine create -v shows a directory of the host, writable unless it says :ro",
    needs: ["guest", "files", "volumes"],
    run: Effect.gen(function* () {
      const { directory } = yield* Subject
      const [writable, readonly] = [Path.join(directory, "writable"), Path.join(directory, "readonly")]
      for (const path of [writable, readonly]) yield* directoryForAll(path)
      yield* write(Path.join(readonly, "file"), "from the host\n")
      const name = yield* Checks.running(["-v", `${writable}:/writable`, "-v", `${readonly}:/readonly:ro`])
      yield* Checks.wrote(yield* Checks.exec(name, ["cat", "/readonly/file"]), "stdout", "from the host\n")
      yield* Checks.exited(yield* Checks.exec(name, sh("echo from the guest >/writable/file")), 0)
      const back = yield* read(Path.join(writable, "file"))
      yield* Checks.verify(back.toString() === "from the guest\n", "expected what the guest wrote")
      const refused = yield* Checks.exec(name, sh("echo from the guest >/readonly/file"))
      yield* Checks.verify(refused.code !== 0, "expected that nothing can be written to a read-only volume", refused)
      const { mounts } = yield* Checks.status(name)
      yield* Checks.verify(mounts === 2, `expected 2 mounts, got ${JSON.stringify(mounts)}`)
    })
  },
  {
    name: "machine create refuses volumes that are not there or not absolute, and makes nothing",
    needs: ["files"],
    run: Effect.gen(function* () {
      const { directory } = yield* Subject
      const name = yield* Checks.freshName
      yield* Checks.removeLater(name)
      for (const volume of [`${directory}/no-such-directory:/v`, `${directory}:relative`, "/etc:/v"]) {
        yield* Checks.answers(yield* Checks.createLine(name, ["-v", volume]), { code: "failure" })
      }
      yield* Checks.isListed(name, false)
      yield* Checks.created(["-v", `${directory}:/v:ro`])
    })
  }
]

const runs: ReadonlyArray<Case> = [
  {
    name: "machine run gives a command a machine of its own, and passes its exit code through",
    needs: ["guest"],
    run: Effect.gen(function* () {
      const { createArguments } = yield* Subject
      const before = (yield* Checks.names).length
      const called = yield* Checks.call(["machine", "run", ...createArguments, "--", ...sh("echo said; exit 6")])
      yield* Checks.exited(called, 6)
      // Lines about the image may stand before it.
      yield* Checks.verify(Checks.stdoutOf(called).endsWith("said\n"), "expected the command's output", called)
      yield* Checks.verify((yield* Checks.names).length === before, "expected no machine to be left")
      const refused = yield* Checks.call(["machine", "run", ...createArguments])
      yield* Checks.verify(refused.code !== 0, "expected a failure without a command", refused)
    })
  }
]

const packs: ReadonlyArray<Case> = [
  {
    name: "pack create --from-vm packs a stopped machine, refuses one that runs, and a machine can be made of it",
    needs: ["guest", "files"],
    since: "1.2.2",
    run: Effect.gen(function* () {
      const name = yield* Checks.running()
      const output = yield* hostFile(`${name}-pack`)
      yield* Checks.exited(yield* Checks.exec(name, sh("echo kept >/opt/kept || echo kept >/kept")), 0)
      const line = ["pack", "create", "--from-vm", name, "-o", output]
      yield* Checks.answers(line, { code: 1, stderr: /^Error: /m })
      yield* Checks.succeeds(Checks.on("stop", name))
      yield* Checks.succeeds(line)
      yield* read(`${output}.smolmachine`)
      const packed = yield* Checks.freshName
      yield* Checks.removeLater(packed)
      yield* Checks.succeeds(yield* Checks.createLine(packed, ["--from", `${output}.smolmachine`]))
      yield* Checks.start(packed)
      const kept = yield* Checks.exec(packed, sh("cat /opt/kept || cat /kept"))
      yield* Checks.wrote(kept, "stdout", "kept\n")
      yield* Checks.answers(["pack", "create", "--from-vm", yield* Checks.freshName, "-o", output], { code: 1 })
    })
  }
]

export const cases: ReadonlyArray<Case> = [...lives, ...codes, ...streams, ...surroundings, ...files, ...runs, ...packs]
