import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Blueprint from "../src/Blueprint.js"
import * as GuestEnvironment from "../src/GuestEnvironment.js"
import * as MountTable from "../src/internal/mountTable.js"
import * as Processes from "../src/internal/processes.js"
import { quoteAll } from "../src/internal/quote.js"
import * as Scripts from "../src/internal/scripts.js"
import * as Tarball from "../src/internal/tarball.js"
import * as LocalError from "../src/LocalError.js"
import * as Machine from "../src/Machine.js"
import * as Volume from "../src/Volume.js"

const text = FastCheck.fullUnicodeString({ maxLength: 40 }).filter((word) => !word.includes("\0"))
const shellText = FastCheck.stringOf(FastCheck.constantFrom(..."'\"\\$`!*?[]{}()<>|&;~# \n\t=-aé"), { maxLength: 20 })

describe("quoting for a shell", () => {
  it("gives back every word as it was", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.oneof(text, shellText), { minLength: 1, maxLength: 8 }), (words) => {
        const shown = execFileSync("/bin/sh", ["-c", `exec /usr/bin/printf '%s\\0' ${quoteAll(words)}`])
        // What is not well-formed Unicode cannot be an argument of a program at all.
        const wanted = words.map((word) => Buffer.from(word, "utf8").toString("utf8"))
        assert.deepStrictEqual(shown.toString("utf8").split("\0").slice(0, -1), wanted)
      }),
      { numRuns: 100 }
    )
  })
})

describe("the shell texts", () => {
  it("are valid, and hold no datum", () => {
    for (const script of [Scripts.stage, Scripts.main, Scripts.machine]) {
      execFileSync("/bin/sh", ["-n", "-c", script])
      assert.notInclude(script, "@{")
      assert.notInclude(script, "undefined")
    }
  })
})

describe("archives made in memory", () => {
  it("are what tar reads", () => {
    const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "bottle-tar-"))
    try {
      const bytes = Tarball.make([
        { type: "directory", path: "d/", mode: 0o750 },
        { type: "file", path: "d/f", mode: 0o640, content: "é".repeat(400) },
        { type: "file", path: "d/empty", mode: 0o600, content: "" },
        { type: "link", path: "d/l", target: "f" },
        { type: "fifo", path: "d/p", mode: 0o600 }
      ])
      execFileSync("/bin/tar", ["-C", directory, "-xpf", "-"], { input: bytes })
      assert.strictEqual(Fs.readFileSync(Path.join(directory, "d", "l"), "utf8"), "é".repeat(400))
      assert.isTrue(Fs.statSync(Path.join(directory, "d", "p")).isFIFO())
      assert.strictEqual(Fs.statSync(Path.join(directory, "d")).mode & 0o777, 0o750)
    } finally {
      Fs.rmSync(directory, { recursive: true, force: true })
    }
  })
})

const table = [
  "22 27 0:21 / /proc rw,relatime - proc proc rw",
  "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
  "30 27 0:40 /sub /home/a\\040b rw,noexec,relatime - ext4 /dev/vdb rw",
  "31 30 0:41 / /home/a\\040b/x ro,relatime - tmpfs tmpfs rw",
  "32 27 0:42 / /over rw - tmpfs one rw",
  "33 32 0:43 / /over rw - tmpfs two rw",
  ""
].join("\n")

describe("tables of mounts", () => {
  const mounts = MountTable.parse(table)

  it("are read with their escapes", () => {
    assert.deepStrictEqual(
      mounts.map((mount) => mount.point),
      ["/proc", "/", "/home/a b", "/home/a b/x", "/over", "/over"]
    )
    assert.deepStrictEqual(MountTable.parse(""), [])
    assert.deepStrictEqual(MountTable.parse("no mount at all"), [])
  })

  it("tell what lies where", () => {
    assert.strictEqual(MountTable.covering(mounts, "/home/a b/y")?.id, 30)
    assert.strictEqual(MountTable.covering(mounts, "/home/a bc")?.id, 27)
    assert.strictEqual(MountTable.covering(mounts, "/over/y")?.id, 33)
    assert.deepStrictEqual(
      MountTable.below(mounts, "/home").map((mount) => mount.id),
      [30, 31]
    )
    assert.deepStrictEqual(
      MountTable.below(mounts, "/home/a b").map((mount) => mount.id),
      [31]
    )
    assert.deepStrictEqual(
      MountTable.visible(mounts).map((mount) => mount.id),
      [22, 27, 30, 31, 33]
    )
    const [, root, home] = mounts
    assert.strictEqual(root === undefined ? "" : MountTable.rootOf(root, "/usr"), "/usr")
    assert.strictEqual(root === undefined ? "" : MountTable.rootOf(root, "/"), "/")
    assert.strictEqual(home === undefined ? "" : MountTable.rootOf(home, "/home/a b/c"), "/sub/c")
    assert.deepStrictEqual(MountTable.lockedOptions(home), ["noexec"])
  })

  it("are written so that no name can end its field", () => {
    const line = MountTable.fstabLine("/a b\t#c\\d\n", "/e", "none", ["bind", "ro"])
    assert.strictEqual(line, "/a\\040b\\011\\043c\\134d\\012 /e none bind,ro 0 0")
  })
})

describe("the audit of a machine's mounts", () => {
  const host = "22 27 0:21 / /proc rw - proc proc rw\n"
  const proc = "3 1 0:50 / /proc rw,nosuid,nodev,noexec - proc proc rw\n"
  const root = "1 0 0:49 /up / rw,nosuid,nodev - tmpfs bottle rw\n"
  const usr = "2 1 254:0 /usr /usr ro,nosuid,nodev - ext4 /dev/vda rw\n"
  const expected: ReadonlyArray<Blueprint.ExpectedMount> = [
    { point: "/", root: "/up", device: undefined, types: ["tmpfs"], options: ["nosuid", "nodev"] },
    { point: "/usr", root: "/usr", device: "254:0", types: undefined, options: ["ro", "nosuid", "nodev"] },
    { point: "/proc", root: "/", device: undefined, types: ["proc"], options: ["nosuid"] }
  ]

  it("passes the table that is as it should be", () => {
    assert.isUndefined(Blueprint.audit(expected, root + usr + proc, host))
  })

  it("finds every way in which a table is not", () => {
    for (const [wrong, says] of [
      [root + proc, "/usr is missing"],
      [`${root}${usr}${proc}9 1 254:0 / /dev/.old rw - ext4 /dev/vda rw\n`, "unexpected mount at /dev/.old"],
      [root + usr.replace("ro,", "rw,") + proc, "/usr is not ro"],
      [root + usr.replace("nosuid,", "") + proc, "/usr is not nosuid"],
      [root + usr.replace("0 /usr /usr", "0 /etc /usr") + proc, "/usr shows something else"],
      [root + usr.replace("254:0", "254:1") + proc, "/usr shows another file system"],
      [root.replace("tmpfs", "ext4") + usr + proc, "of type ext4"],
      [root + usr + proc.replace("0:50", "0:21"), "the host's /proc"],
      [`${root}${usr}${proc}9 3 0:21 / /proc rw,nosuid - proc proc rw\n`, "the host's /proc"]
    ] as const) {
      assert.include(Blueprint.audit(expected, wrong, host) ?? "passed", says)
    }
  })
})

describe("the audit of what was gathered for a machine", () => {
  const host = "22 27 0:21 / /proc rw - proc proc rw\n"
  const disk = "2 1 254:0 /m/disk /tmp/d rw,nosuid,nodev - ext4 /dev/vda rw\n"
  const lower = "3 1 254:0 /rootfs /tmp/l ro,nosuid,nodev - ext4 /dev/vda rw\n"
  const gathered: ReadonlyArray<Blueprint.ExpectedMount> = [
    { point: "/tmp/d", root: "/m/disk", device: "254:0", types: undefined, options: [] },
    { point: "/tmp/l", root: "/rootfs", device: "254:0", types: undefined, options: ["ro"] }
  ]

  it("passes what is as it should be, whatever else is there", () => {
    assert.isUndefined(Blueprint.auditGathered(gathered, host + disk + lower))
  })

  it("finds a root file system or disk that is another", () => {
    for (const [wrong, says] of [
      [host + disk, "/tmp/l is missing"],
      [disk + lower.replace("0 /rootfs", "0 /home/me"), "/tmp/l shows something else"],
      [disk + lower.replace("0 /rootfs", "0 /"), "/tmp/l shows something else"],
      [disk + lower.replace("254:0", "254:1"), "/tmp/l shows another file system"],
      [disk + lower.replace("ro,", "rw,"), "/tmp/l is not ro"],
      [disk.replace("/m/", "/n/") + lower, "/tmp/d shows something else"],
      [`${disk}${lower}4 3 254:0 /home/me /tmp/l ro - ext4 /dev/vda rw\n`, "/tmp/l shows something else"]
    ] as const) {
      assert.include(Blueprint.auditGathered(gathered, wrong) ?? "passed", says)
    }
  })
})

describe("where a process comes from", () => {
  it("is told by its parents", () => {
    assert.isTrue(Processes.descendsFrom(process.ppid, process.pid))
    assert.isFalse(Processes.descendsFrom(process.pid, process.ppid))
    assert.isFalse(Processes.descendsFrom(process.pid, process.pid))
    assert.isFalse(Processes.descendsFrom(process.pid, 1))
  })
})

describe("a guest's environment", () => {
  it("is carried, but for what would steer the host's programs", () => {
    const split = Effect.runSync(
      GuestEnvironment.split(
        [
          ["A", "1"],
          ["A", "2"],
          ["LD_PRELOAD", "x"],
          ["LC_ALL", "C"],
          ["odd name", "y"],
          ["TMPDIR", "/t"],
          ["PATH", "/bin"]
        ],
        [["S", "s"]]
      )
    )
    assert.deepStrictEqual(split.added, ["LD_PRELOAD=x", "LC_ALL=C", "odd name=y", "TMPDIR=/t"])
    assert.deepStrictEqual([split.carried["A"], split.carried["S"], split.carried["PATH"]], ["2", "s", "/bin"])
    assert.isFalse(Object.keys(split.carried).some(GuestEnvironment.steersHost))
  })

  it("refuses a secret that would have to go on a command line, and a NUL", () => {
    for (const [plain, secrets] of [
      [[], [["LD_PRELOAD", "x"]]],
      [[["A", "\0"]], []],
      [[["", "x"]], []]
    ] as ReadonlyArray<readonly [GuestEnvironment.Pairs, GuestEnvironment.Pairs]>) {
      assert.isTrue(Either.isLeft(Effect.runSync(Effect.either(GuestEnvironment.split(plain, secrets)))))
    }
  })
})

describe("names, volumes and errors", () => {
  it("names are as smolvm's", () => {
    assert.deepStrictEqual(
      ["a", "0", "a-b", "a_b", "-a", "a-", "a--b", "", "a.b", "a".repeat(129)].map(Machine.isName),
      [true, true, true, true, false, false, false, false, false, false]
    )
  })

  it("a volume is read from its right end, so that a colon may be in the host's path", () => {
    const directory = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "bottle-vol:")))
    try {
      for (const [suffix, readonly] of [
        ["", false],
        [":ro", true],
        [":rw", false]
      ] as const) {
        const volume = Effect.runSync(Volume.parse(`${directory}:/x//y/${suffix}`, "/nowhere", "/"))
        assert.deepStrictEqual(volume, { host: directory, guest: "/x/y", readonly })
      }
    } finally {
      Fs.rmSync(directory, { recursive: true, force: true })
    }
  })

  it("every error is one line, with something to do next", () => {
    const errors: ReadonlyArray<LocalError.LocalError> = [
      new LocalError.PlatformUnsupported({ platform: "darwin" }),
      new LocalError.PrerequisiteMissing({ name: "x", detail: "a\nb", fix: "c\nd" }),
      new LocalError.MachineNotFound({ name: "x" }),
      new LocalError.MachineAlreadyExists({ name: "x" }),
      new LocalError.MachineNotRunning({ name: "x" }),
      new LocalError.MachineRunning({ name: "x" }),
      new LocalError.MachineBusy({ name: "x", waitedMillis: 1 }),
      new LocalError.OptionUnsupported({ command: "c", option: "o", reason: "a\nb", fix: "f" }),
      new LocalError.ValueRefused({ command: "c", what: "w\nw", reason: "r", fix: "f" }),
      new LocalError.StateUntrusted({ path: "/p", problem: "a\nb" }),
      new LocalError.StateCorrupted({ path: "/p", problem: "a\r\nb" }),
      new LocalError.OperationFailed({ family: "io", operation: "o", reason: "a\n b\n" })
    ]
    for (const error of errors) {
      assert.notInclude(error.message, "\n")
      assert.notInclude(error.suggestion, "\n")
      assert.isAbove(error.suggestion.length, 0)
      assert.match(LocalError.render(error), /^Error: [^\n]+\n$/)
    }
  })
})
