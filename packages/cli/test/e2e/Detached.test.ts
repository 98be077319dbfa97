import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import { cleared, document, exec, listed, obeyed, ownerOf, TIMEOUT_MILLIS, until, up } from "./detached.js"
import { find, type Home, inHome, lacks, ordinary, users } from "./harness.js"

const DRIVER = fileURLToPath(new URL("terminal.py", import.meta.url))

/** What a keeper may have in memory, with the local runtime and its proxy in it. */
const KEEPER_MEGABYTES = 90

const residentMegabytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(Fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024

interface Listed {
  readonly bottles: ReadonlyArray<{
    readonly id: string
    readonly name: string | null
    readonly state: string
    readonly silence: string | null
    readonly command: ReadonlyArray<string> | null
    readonly machine: { readonly name: string; readonly state: string | null } | null
  }>
}

/** A directory with a file, a program and a link, in the home's work directory. */
const makeTree = (home: Home): void => {
  Fs.mkdirSync(home.path("work/tree/sub"), { recursive: true })
  Fs.writeFileSync(home.path("work/tree/sub/file"), "content")
  Fs.writeFileSync(home.path("work/tree/program"), "#!/bin/sh\n", { mode: 0o755 })
  Fs.symlinkSync("sub/file", home.path("work/tree/link"))
  home.own()
}

describe.concurrent("a bottle in the background", { timeout: TIMEOUT_MILLIS }, () => {
  for (const user of users) {
    it(`is launched, used and taken down, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const id = await up(home, "--name", "box", "--allow", "a.test", "-e", "GIVEN=yes")
        const ran = await exec(home, "box", "echo out; echo err >&2; exit 7")
        assert.strictEqual(ran.stdout.toString(), "out\n")
        assert.strictEqual(ran.stderr, "err\n")
        assert.strictEqual(ran.code, 7)
        const told = await exec(home, id, 'echo "$GIVEN $MORE $PWD"', "-e", "MORE=too", "-w", "/tmp")
        assert.strictEqual(told.stdout.toString(), "yes too /tmp\n", told.stderr)
        const fed = home.start(["exec", "box", "-i", "--", "cat"], { stdin: "pipe" })
        fed.child.stdin?.end("typed\n")
        assert.strictEqual((await fed.ended).stdout.toString(), "typed\n")
        assert.deepStrictEqual(await listed(home), [id])
        assert.isBelow(residentMegabytes(ownerOf(home, id)), KEEPER_MEGABYTES)
        assert.strictEqual(await obeyed(home, "down", "box"), `${id}\n`)
        await home.assertNothingLeft()
        assert.deepStrictEqual(await listed(home), [])
        assert.deepStrictEqual(await listed(home, "-a"), [id])
      }))
  }

  it("says nothing but its id where nobody is to be told anything else", () =>
    inHome(ordinary, async (home) => {
      const ended = await home.bottle("up", "-q", "--runtime", "local")
      assert.match(ended.stdout.toString(), /^box-[a-z0-9]{5}\n$/)
      assert.strictEqual(ended.stderr, "")
      await obeyed(home, "down", "--all")
    }))

  it("has no terminal, no directory and no output of whoever launched it", () =>
    inHome(ordinary, async (home) => {
      const id = await up(home)
      const keeper = ownerOf(home, id)
      const stat = Fs.readFileSync(`/proc/${keeper}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ")
      const [, , , session, terminal] = stat
      assert.strictEqual(Number(session), keeper)
      assert.strictEqual(terminal, "0")
      assert.strictEqual(Fs.readlinkSync(`/proc/${keeper}/cwd`), "/")
      for (const descriptor of [0, 1, 2]) {
        await until("the pipes of its launch to be closed", () =>
          Fs.readlinkSync(`/proc/${keeper}/fd/${descriptor}`).startsWith("/dev/null")
        )
      }
      await obeyed(home, "down", id)
    }))

  it("has its name alone, until it is down", () =>
    inHome(ordinary, async (home) => {
      const id = await up(home, "--name", "agent")
      const second = await home.bottle("up", "--name", "agent")
      assert.strictEqual(second.code, 125)
      assert.strictEqual(second.stdout.toString(), "")
      assert.include(second.stderr, `the name agent is taken by the bottle ${id}`)
      assert.deepStrictEqual(await listed(home, "-a"), [id])
      const other = await up(home, "--name", "agentic")
      // The name itself, though another one begins with it; and what only one begins with.
      assert.strictEqual((await exec(home, "agent", "exit 3")).code, 3)
      assert.strictEqual((await exec(home, "agenti", "exit 4")).code, 4)
      const ambiguous = await exec(home, "age", "true")
      assert.strictEqual(ambiguous.code, 125)
      assert.include(ambiguous.stderr, "age may be ")
      const unknown = await exec(home, "agemt", "true")
      assert.strictEqual(unknown.code, 125)
      assert.match(unknown.stderr, /there is no bottle agemt\n(.*\n)*.*agent/)
      assert.strictEqual(
        (await obeyed(home, "down", "agent", other)).split("\n").toSorted().join(" ").trim(),
        [id, other].toSorted().join(" ")
      )
      const again = await up(home, "--name", "agent")
      assert.notStrictEqual(again, id)
      await obeyed(home, "down", "--all")
      await home.assertNothingLeft()
    }))

  it("lives for its command, whose output and code are kept", () =>
    inHome(ordinary, async (home) => {
      const id = await up(
        home,
        "--",
        "sh",
        "-c",
        "echo begun; until [ -e /tmp/go ]; do sleep 0.05; done; echo over; exit 9"
      )
      const following = home.start(["logs", id, "-f", "--only", "output"])
      await following.printed("begun")
      const attached = home.start(["attach", id])
      await attached.printed("begun\n")
      const leaving = home.start(["attach", id])
      await leaving.printed("begun\n")
      leaving.child.kill("SIGINT")
      assert.strictEqual((await leaving.ended).code, 130)
      const waiting = home.start(["wait", id])
      assert.strictEqual((await home.bottle("wait", id, "--timeout", "100ms")).code, 124)
      // The bottle may be down before this has learned how its own command ended.
      await home.bottle("exec", id, "--", "touch", "/tmp/go")
      assert.strictEqual((await waiting.ended).code, 9)
      const { code, stdout } = await attached.ended
      assert.strictEqual(code, 9)
      assert.strictEqual(stdout.toString(), "begun\nover\n")
      assert.include((await following.ended).stdout.toString(), "over")
      await cleared(home)
      // It is down: its record tells.
      assert.strictEqual((await home.bottle("wait", id)).code, 9)
      assert.include(await obeyed(home, "logs", id, "--only", "output"), "over")
      const [bottle] = (await document<Listed>(home, "ls", "-a")).bottles
      assert.strictEqual(bottle?.state, "down")
    }))

  it("takes input for its command, where it is to have any", () =>
    inHome(ordinary, async (home) => {
      const id = await up(home, "-i", "--", "sh", "-c", 'read -r line; echo "got $line"; exit 6')
      const attached = home.start(["attach", "-i", id], { stdin: "pipe" })
      attached.child.stdin?.write("a line\n")
      const { code, stdout } = await attached.ended
      assert.strictEqual(stdout.toString(), "got a line\n")
      assert.strictEqual(code, 6)
      await cleared(home)
    }))

  it("goes down by itself when its time is over, or nothing has gone on in it", () =>
    inHome(ordinary, async (home) => {
      const [timed, idle] = await Promise.all([up(home, "--ttl", "2s"), up(home, "--idle", "2s")])
      const [ttl, wait] = await Promise.all([home.bottle("wait", timed), home.bottle("wait", idle)])
      assert.deepStrictEqual([ttl.code, wait.code], [0, 0])
      assert.include(await obeyed(home, "logs", timed), "goes down: its --ttl is over")
      assert.include(await obeyed(home, "logs", idle), "goes down: nothing went on in it")
      await cleared(home)
    }))

  it("is not idle while a command runs in it", () =>
    inHome(ordinary, async (home) => {
      // Long enough for the next program to be there, and the command longer than that.
      const id = await up(home, "--idle", "8s")
      const busy = await exec(home, id, "sleep 10; echo done")
      assert.strictEqual(busy.stdout.toString(), "done\n", busy.stderr)
      assert.strictEqual((await home.bottle("wait", id)).code, 0)
      await cleared(home)
    }))

  it("copies files and directories in and out", () =>
    inHome(ordinary, async (home) => {
      makeTree(home)
      const id = await up(home)
      await obeyed(home, "cp", "tree/sub/file", `${id}:/tmp/one`)
      await obeyed(home, "cp", "tree", `${id}:/tmp/tree`)
      const seen = await exec(home, id, "cat /tmp/one /tmp/tree/link; test -x /tmp/tree/program && echo -n executable")
      assert.strictEqual(seen.stdout.toString(), "contentcontentexecutable", seen.stderr)
      await obeyed(home, "cp", `${id}:/tmp/tree`, "back")
      assert.strictEqual(Fs.readFileSync(home.path("work/back/sub/file"), "utf8"), "content")
      assert.strictEqual(Fs.readlinkSync(home.path("work/back/link")), "sub/file")
      assert.strictEqual(Fs.statSync(home.path("work/back/program")).mode & 0o777, 0o755)
      await obeyed(home, "cp", `${id}:/tmp/one`, "one")
      assert.strictEqual(Fs.readFileSync(home.path("work/one"), "utf8"), "content")
      await obeyed(home, "down", id)
    }))

  it("is committed to a pack that another one is launched from, and is up again", () =>
    inHome(ordinary, async (home) => {
      const id = await up(home)
      assert.strictEqual((await exec(home, id, "echo kept > /home/kept; cat /home/kept")).stdout.toString(), "kept\n")
      await obeyed(home, "commit", id, "-o", "saved.smolmachine")
      assert.strictEqual((await exec(home, id, "cat /home/kept")).stdout.toString(), "kept\n")
      const exists = await home.bottle("commit", id, "-o", "saved.smolmachine")
      assert.strictEqual(exists.code, 125)
      const ran = await home.bottle("run", "-q", "--from", "./saved.smolmachine", "--", "cat", "/home/kept")
      assert.strictEqual(ran.stdout.toString(), "kept\n", ran.stderr)
      await obeyed(home, "down", id)
      assert.deepStrictEqual(Fs.readdirSync(home.path("work")), ["saved.smolmachine"])
    }))

  it("is told of in documents", () =>
    inHome(ordinary, async (home) => {
      const launched = await document<{
        readonly bottle: { readonly id: string; readonly pid: number; readonly proof: string }
      }>(home, "up", "--name", "doc", "--allow", "a.test")
      const { id, pid, proof } = launched.bottle
      assert.strictEqual(proof, "proven")
      assert.strictEqual(pid, ownerOf(home, id))
      const [row] = (await document<Listed>(home, "ls")).bottles
      assert.strictEqual(row?.id, id)
      assert.strictEqual(row?.name, "doc")
      assert.strictEqual(row?.state, "up")
      assert.strictEqual(row?.machine?.state, "running")
      const inspected = await document<{
        readonly bottle: { readonly plan: { readonly id: string }; readonly proof: object }
      }>(home, "inspect", "doc")
      assert.strictEqual(inspected.bottle.plan.id, id)
      for (const line of (await obeyed(home, "logs", "doc", "--format", "json")).trimEnd().split("\n")) {
        assert.isString(JSON.parse(line).source)
      }
      const down = await document<{ readonly bottles: ReadonlyArray<object> }>(home, "down", "doc")
      assert.deepStrictEqual(down.bottles, [
        { bottle: "doc", id, down: true, how: "owner", failures: [], failure: null } as object
      ])
      const waited = await document<{ readonly bottle: { readonly code: number } }>(home, "wait", id)
      assert.strictEqual(waited.bottle.code, 0)
      assert.deepStrictEqual((await document<Listed>(home, "ls")).bottles, [])
      const failed = await home.bottle("down", "doc", "--format", "json")
      assert.strictEqual(failed.code, 125)
      assert.strictEqual(JSON.parse(failed.stdout.toString()).version, 1)
    }))

  it("keeps nobody waiting when its keeper stands still, and is taken down all the same", () =>
    inHome(ordinary, async (home) => {
      const [still, well] = await Promise.all([up(home, "--name", "still"), up(home, "--name", "well")])
      process.kill(ownerOf(home, still), "SIGSTOP")
      const { bottles } = await document<Listed>(home, "ls")
      const states = Object.fromEntries(
        bottles.map(({ id, silence, state }) => [id, silence === null ? state : "silent"])
      )
      assert.deepStrictEqual(states, { [still]: "silent", [well]: "up" })
      assert.strictEqual((await exec(home, "well", "exit 5")).code, 5)
      await obeyed(home, "inspect", "still")
      await obeyed(home, "down", "--all")
      await cleared(home)
    }))

  it("can be a run that goes on, which ends as if it had been told to", () =>
    inHome(ordinary, async (home) => {
      const running = home.start(["run", "-q", "--name", "fore", "--", "sh", "-c", "echo begun; sleep 1000"])
      await running.printed("begun")
      const ran = await exec(home, "fore", "echo beside; exit 4")
      assert.strictEqual(ran.stdout.toString(), "beside\n", ran.stderr)
      assert.strictEqual(ran.code, 4)
      await obeyed(home, "down", "fore")
      const { code } = await running.ended
      assert.isNotNull(code)
      assert.isAtLeast(code ?? 0, 125)
      await home.assertNothingLeft()
    }))

  it("leaves nothing when its launch fails, or is ended", () =>
    inHome(ordinary, async (home) => {
      const failed = await home.bottle("up", "--image", "./nowhere")
      assert.strictEqual(failed.code, 125)
      assert.strictEqual(failed.stdout.toString(), "")
      await cleared(home)
      const ended = home.start(["up"])
      await until("the launch to begin", () => Fs.existsSync(home.records) && Fs.readdirSync(home.records).length > 1)
      ended.child.kill("SIGTERM")
      assert.strictEqual((await ended.ended).code, 143)
      await cleared(home)
    }))

  it.skipIf(lacks("python3"))("has a shell on a terminal (needs python3)", () =>
    inHome(ordinary, async (home) => {
      const id = await up(home)
      Fs.copyFileSync(DRIVER, home.path("terminal.py"))
      const steps = [
        ["$", "send", "stty size; tty -s && echo a terminal\n"],
        ["41 123", "send", "exit 8\n"]
      ]
      const [program = "", script = "", ...words] = home.argv(["shell", id]).slice(home.user.become.length)
      const driver = [find("python3") ?? "python3", home.path("terminal.py"), "41", "123", JSON.stringify(steps)]
      const ended = await home.spawn([...home.user.become, ...driver, program, script, ...words], {
        env: { TERM: "xterm", PS1: "$ " }
      }).ended
      assert.include(ended.stdout.toString(), "a terminal\r\n")
      assert.strictEqual(ended.code, 8)
      await obeyed(home, "down", id)
    })
  )
})
