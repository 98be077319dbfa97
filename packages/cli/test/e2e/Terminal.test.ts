import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import type { Ended, Home } from "./harness.js"
import { find, inHome, lacks, listen, ordinary, users } from "./harness.js"

const DRIVER = fileURLToPath(new URL("terminal.py", import.meta.url))

type Step =
  | readonly [wanted: string, action: "send", text: string]
  | readonly [wanted: string, action: "resize", size: readonly [rows: number, columns: number]]
  | readonly [wanted: string, action: "signal", number: number]

/** Runs `bottle` on a terminal of 41 rows and 123 columns. */
const onTerminal = (home: Home, steps: ReadonlyArray<Step>, ...args: ReadonlyArray<string>): Promise<Ended> => {
  // The driver is the terminal's owner, so it becomes the user too.
  const [program, script, ...rest] = home.argv(args).slice(home.user.become.length)
  Fs.copyFileSync(DRIVER, home.path("terminal.py"))
  const driver = [find("python3") ?? "python3", home.path("terminal.py"), "41", "123", JSON.stringify(steps)]
  return home.spawn([...home.user.become, ...driver, program ?? "", script ?? "", ...rest], { env: { TERM: "xterm" } })
    .ended
}

const TYPED_CTRL_C = "\u0003"

describe.concurrent("a command on a terminal (needs python3)", () => {
  for (const user of users) {
    it.skipIf(lacks("python3"))(`has one of the right size, and learns of a new one, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const script = `stty size; trap 'stty size; exit 7' WINCH; echo waiting; while :; do sleep 0.1; done`
        const { code, stdout } = await onTerminal(
          home,
          [["waiting", "resize", [50, 99]]],
          "run",
          "-q",
          "--",
          "sh",
          "-c",
          script
        )
        assert.include(stdout.toString(), "41 123")
        assert.include(stdout.toString(), "50 99")
        assert.strictEqual(code, 7)
      })
    )

    it.skipIf(lacks("python3"))(`takes what is typed, and Ctrl-C as its own, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const script = `trap 'echo caught; exit 9' INT; test -t 0 && test -t 1 && echo terminal; read -r line; echo "typed $line"; while :; do sleep 0.1; done`
        const { code, stdout } = await onTerminal(
          home,
          [
            ["terminal", "send", "hello\n"],
            ["typed hello", "send", TYPED_CTRL_C]
          ],
          ...["run", "-q", "--", "sh", "-c", script]
        )
        assert.include(stdout.toString(), "caught")
        assert.strictEqual(code, 9)
      })
    )

    it.skipIf(lacks("python3"))(`is ended by Ctrl-C, and everything with it, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const { code } = await onTerminal(
          home,
          [["begun", "send", TYPED_CTRL_C]],
          "run",
          "-q",
          "--",
          "sh",
          "-c",
          // By itself: a shell that is just forking a child for its next command loses the Ctrl-C for both.
          "echo begun; read -r line"
        )
        assert.strictEqual(code, 130)
        await home.assertNothingLeft()
      })
    )
  }

  it.skipIf(lacks("python3"))("has none with --no-tty, and Ctrl-C then ends the run", () =>
    inHome(ordinary, async (home) => {
      const script = "test -t 0 || test -t 1 || echo none; trap '' INT; sleep 1000"
      const { code, stdout } = await onTerminal(
        home,
        [["none", "send", TYPED_CTRL_C]],
        "run",
        "-q",
        "--no-tty",
        "--",
        "sh",
        "-c",
        script
      )
      assert.include(stdout.toString(), "none")
      assert.strictEqual(code, 130)
      await home.assertNothingLeft()
    })
  )

  it.skipIf(lacks("python3"))("is ended with everything when the terminal goes away or we are told to end", () =>
    inHome(ordinary, async (home) => {
      for (const [number, expected] of [
        [1, 129],
        [15, 143]
      ] as const) {
        const { code } = await onTerminal(
          home,
          [["begun", "signal", number]],
          "run",
          "-q",
          "--",
          "sh",
          "-c",
          "trap '' HUP TERM; echo begun; sleep 1000"
        )
        assert.strictEqual(code, expected)
        await home.assertNothingLeft()
      }
    })
  )

  it.skipIf(lacks("python3"))("hears of refused hosts when it has ended, not in the middle of its screen", () =>
    inHome(ordinary, async (home) => {
      const upstream = await listen("127.0.0.1", "x")
      const get =
        "exec 3<>/dev/tcp/127.0.0.1/3128; printf 'GET http://refused.test/ HTTP/1.1\\r\\nHost: refused.test\\r\\n\\r\\n' >&3; head -c 12 <&3; echo; echo last words"
      const { code, stdout } = await onTerminal(home, [], "run", "--runtime", "local", "--", "bash", "-c", get)
      await upstream.close()
      assert.strictEqual(code, 0)
      const text = stdout.toString()
      assert.include(text, "HTTP/1.1 403")
      assert.isAbove(text.indexOf("bottle: refused refused.test:80"), text.indexOf("last words"))
    })
  )

  it.skipIf(lacks("python3"))("leaves the terminal as it was", () =>
    inHome(ordinary, async (home) => {
      const command = `stty -a > before; "$@" -- true; stty -a > after; cmp before after && echo same`
      const argv = home.argv(["run", "-q"]).slice(home.user.become.length)
      Fs.copyFileSync(DRIVER, home.path("terminal.py"))
      const driver = [
        find("python3") ?? "python3",
        home.path("terminal.py"),
        "24",
        "80",
        "[]",
        "sh",
        "-c",
        command,
        "sh"
      ]
      const { stdout } = await home.spawn([...home.user.become, ...driver, ...argv], { env: { TERM: "xterm" } }).ended
      assert.include(stdout.toString(), "same")
    })
  )

  it("is refused, with what to do, where there is no terminal", () =>
    inHome(ordinary, async (home) => {
      const { code, stderr } = await home.bottle("run", "-q", "-t", "--", "true")
      assert.strictEqual(code, 2)
      assert.strictEqual(
        stderr,
        "bottle: -t needs standard input and output to be a terminal, and one of them is not\n" +
          "try: leave out -t, or use -i to pass standard input on\n"
      )
    }))
})
