import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Capabilities from "../src/Capabilities.js"
import * as Grammar from "../src/Grammar.js"
import * as MachineCp from "../src/MachineCp.js"
import * as MachineCreate from "../src/MachineCreate.js"
import * as MachineDelete from "../src/MachineDelete.js"
import * as MachineExec from "../src/MachineExec.js"
import * as MachineLs from "../src/MachineLs.js"
import * as MachineStart from "../src/MachineStart.js"
import * as MachineStatus from "../src/MachineStatus.js"
import * as MachineStop from "../src/MachineStop.js"
import * as PackCreate from "../src/PackCreate.js"
import type { ArgumentError } from "../src/SmolvmError.js"

type Built = Either.Either<ReadonlyArray<string>, ArgumentError>

const on = (version: string) => Capabilities.fromVersion(version)
const built = (result: Built): ReadonlyArray<string> =>
  Either.getOrThrowWith(result, (error) => new Error(error.message))
const words = (result: Built): string => built(result).join(" ")
const problem = (result: Built): string => (Either.isLeft(result) ? result.left.message : `accepted: ${words(result)}`)

/** An expected argv, its elements separated by single spaces. */
const split = (text: string): ReadonlyArray<string> => text.split(" ")

/** Builds on a line and holds the result against that line's grammar. */
const parsed = (line: Grammar.Line, build: (capabilities: Capabilities.Capabilities) => Built): Grammar.Invocation => {
  const argv = built(build(on(line)))
  return Either.getOrThrowWith(
    Grammar.parse(line, argv),
    (error) => new Error(`${line}: ${JSON.stringify(argv)}: ${error.message}`)
  )
}

const everything: MachineCreate.MachineCreateOptions = {
  name: "box",
  image: "alpine",
  cpus: 2,
  memMib: 512,
  overlayGib: 3,
  workdir: "/w",
  volumes: [
    { host: "/a", guest: "/b", readonly: true },
    { host: "/c", guest: "/d", readonly: false }
  ],
  net: true,
  netBackend: "virtio-net",
  allowCidrs: ["10.0.0.1/32", "::1/128"],
  allowHosts: ["example.org", "192.0.2.1"],
  mountSockets: [{ host: "/run/x.sock", guest: "/run/y.sock" }],
  env: [
    ["A", "1"],
    ["B", "-x=y"]
  ],
  secretEnv: [{ guest: "T", host: "H" }],
  labels: [["bottle.id", "box"]]
}

/** What every release takes: up to 1.0.1 virtio-net refuses a policy. */
const modest: MachineCreate.MachineCreateOptions = {
  ...everything,
  netBackend: undefined,
  mountSockets: [],
  secretEnv: [],
  labels: []
}

describe("on 0.8.x", () => {
  for (const version of ["0.8.0", "0.8.2"]) {
    const capabilities = on(version)

    it(`builds the argv of every call element by element (${version})`, () => {
      assert.deepStrictEqual(
        built(PackCreate.argv({ image: "IMAGE", output: "OUTPUT" }, capabilities)),
        split("pack create --image IMAGE -o OUTPUT")
      )
      assert.deepStrictEqual(
        built(PackCreate.argvFromVm({ name: "NAME", output: "OUTPUT" }, capabilities)),
        split("pack create --from-vm NAME -o OUTPUT")
      )
      assert.deepStrictEqual(built(MachineCreate.argv({ name: "NAME" }, capabilities)), ["machine", "create", "NAME"])
      assert.deepStrictEqual(
        built(
          MachineCreate.argv(
            {
              name: "NAME",
              from: "PATH",
              allowCidrs: ["10.0.0.1/32", "10.0.0.2"],
              env: [
                ["K", "V"],
                ["L", "W"]
              ]
            },
            capabilities
          )
        ),
        split("machine create --from PATH --net --allow-cidr 10.0.0.1/32 --allow-cidr 10.0.0.2 -e K=V -e L=W NAME")
      )
      assert.deepStrictEqual(
        built(MachineCreate.argv({ name: "NAME", image: "IMAGE" }, capabilities)),
        split("machine create --image IMAGE NAME")
      )
      assert.deepStrictEqual(
        built(MachineStart.argv({ name: "NAME" }, capabilities)),
        split("machine start --name NAME")
      )
      assert.deepStrictEqual(built(MachineStop.argv({ name: "NAME" }, capabilities)), split("machine stop --name NAME"))
      assert.deepStrictEqual(built(MachineDelete.argv({ name: "NAME" }, capabilities)), split("machine delete -f NAME"))
      assert.deepStrictEqual(
        built(MachineExec.argv({ name: "NAME", command: ["ARGV", "x"] }, capabilities)),
        split("machine exec --name NAME -- ARGV x")
      )
      assert.deepStrictEqual(
        built(
          MachineExec.argv(
            {
              name: "NAME",
              command: ["ARGV"],
              workdir: "DIR",
              timeoutMillis: 30_000,
              env: [
                ["K", "V"],
                ["L", "W"]
              ]
            },
            capabilities
          )
        ),
        split("machine exec --name NAME -w DIR --timeout 30s -e K=V -e L=W -- ARGV")
      )
      assert.deepStrictEqual(
        built(MachineCp.argv({ src: "SRC", dst: "box:/DST" }, capabilities)),
        split("machine cp SRC box:/DST")
      )
      assert.deepStrictEqual(MachineLs.argv, ["machine", "ls", "--json"])
      assert.deepStrictEqual(
        built(MachineStatus.argv({ name: "NAME" }, capabilities)),
        split("machine status --name NAME --json")
      )
    })
  }

  it("sends --net if and only if an address is allowed", () => {
    assert.notInclude(built(MachineCreate.argv({ name: "a", allowCidrs: [] }, on("0.8.0"))), "--net")
    assert.notInclude(built(MachineCreate.argv({ name: "a", allowHosts: ["192.0.2.1"] }, on("1.9.3"))), "--net")
    assert.include(built(MachineCreate.argv({ name: "a", allowCidrs: ["10.0.0.1"] }, on("0.8.0"))), "--net")
    assert.include(built(MachineCreate.argv({ name: "a", net: true }, on("1.9.3"))), "--net")
  })
})

describe("with everything set", () => {
  it("builds create in its fixed order", () => {
    assert.deepStrictEqual(
      built(MachineCreate.argv(everything, on("1.9.3"))),
      split(
        "machine create --image alpine -w /w --cpus 2 --mem 512 --overlay 3 --net --net-backend virtio-net --allow-cidr 10.0.0.1/32 --allow-cidr ::1/128 --allow-host example.org --allow-host 192.0.2.1 -v /a:/b:ro -v /c:/d --mount-socket /run/x.sock:/run/y.sock -e A=1 -e B=-x=y --secret-env T=H --label bottle.id=box --name box"
      )
    )
    assert.strictEqual(built(MachineCreate.argv(modest, on("0.8.0"))).at(-1), "box")
  })

  it("builds exec in its fixed order", () => {
    const exec = {
      name: "box",
      command: ["sh", "-c", "x"],
      env: [["K", "V"]],
      workdir: "/w",
      timeoutMillis: 1_500
    } as const
    assert.deepStrictEqual(
      built(
        MachineExec.argv({ ...exec, secretEnv: [{ guest: "T", host: "H" }], interactive: true, tty: true }, on("1.0.4"))
      ),
      split("machine exec --name box -w /w --timeout 1500ms -e K=V --secret-env T=H -i -t -- sh -c x")
    )
    assert.include(words(MachineExec.argv({ ...exec, stream: true }, on("0.8.0"))), "--stream -- sh")
    assert.include(words(MachineExec.argv({ ...exec, detach: true }, on("1.5.2"))), "-d -- sh")
  })
})

describe("each gate", () => {
  it("opens for names as flags at 1.0.2", () => {
    assert.strictEqual(words(MachineCreate.argv({ name: "a" }, on("1.0.1"))), "machine create a")
    assert.strictEqual(words(MachineCreate.argv({ name: "a" }, on("1.0.2"))), "machine create --name a")
    assert.strictEqual(words(MachineDelete.argv({ name: "a" }, on("1.0.1"))), "machine delete -f a")
    assert.strictEqual(words(MachineDelete.argv({ name: "a" }, on("1.0.2"))), "machine delete -f --name a")
  })

  it("opens for --mount-socket at 1.6.4", () => {
    const { mountSockets } = everything
    assert.strictEqual(
      problem(MachineCreate.argv({ name: "a", mountSockets }, on("1.6.3"))),
      "smolvm 1.6.3 has no --mount-socket on machine create: 1.6.4 or newer is needed"
    )
    assert.include(words(MachineCreate.argv({ name: "a", mountSockets }, on("1.6.4"))), "--mount-socket")
    assert.include(words(MachineCreate.argv({ name: "a", mountSockets: [] }, on("0.8.0"))), "machine create a")
  })

  it("opens for --secret-env at 1.0.0", () => {
    const { secretEnv } = everything
    const exec = { name: "a", command: ["true"], secretEnv }
    assert.strictEqual(
      problem(MachineExec.argv(exec, on("0.9.0"))),
      "smolvm 0.9.0 has no --secret-env on machine exec: 1.0.0 or newer is needed"
    )
    assert.include(problem(MachineCreate.argv({ name: "a", secretEnv }, on("0.9.0"))), "1.0.0 or newer is needed")
    assert.include(words(MachineExec.argv(exec, on("1.0.0"))), "--secret-env T=H")
    assert.include(words(MachineCreate.argv({ name: "a", secretEnv }, on("1.0.0"))), "--secret-env T=H")
  })

  it("opens for --label at 1.8.0", () => {
    const { labels } = everything
    assert.include(problem(MachineCreate.argv({ name: "a", labels }, on("1.7.7"))), "has no --label")
    assert.include(words(MachineCreate.argv({ name: "a", labels }, on("1.8.0"))), "--label bottle.id=box")
  })

  it("opens for --detach at 1.3.0", () => {
    const exec = { name: "a", command: ["true"], detach: true }
    assert.include(problem(MachineExec.argv(exec, on("1.2.5"))), "1.3.0 or newer is needed")
    assert.include(words(MachineExec.argv(exec, on("1.3.0"))), "-d -- true")
  })

  it("closes for an output named .smolmachine at 1.7.0", () => {
    const pack = { image: "i", output: "x.smolmachine" }
    assert.include(words(PackCreate.argv(pack, on("1.6.13"))), "-o x.smolmachine")
    assert.include(problem(PackCreate.argv(pack, on("1.7.0"))), "must not end in .smolmachine")
    assert.include(problem(PackCreate.argvFromVm({ name: "a", output: pack.output }, on("1.7.0"))), ".smolmachine")
  })
})

describe("dangerous values", () => {
  const create = (options: Partial<MachineCreate.MachineCreateOptions>) =>
    MachineCreate.argv({ name: "a", ...options }, on("1.9.3"))
  const exec = (options: Partial<MachineExec.MachineExecOptions>) =>
    MachineExec.argv({ name: "a", command: ["true"], ...options }, on("1.9.3"))

  it("that begin with a dash are attached, so that they stay values", () => {
    assert.include(built(create({ image: "--from=x" })), "--image=--from=x")
    assert.include(built(create({ from: "-x" })), "--from=-x")
    assert.include(built(create({ workdir: "-x" })), "--workdir=-x")
    assert.include(built(exec({ workdir: "-x" })), "--workdir=-x")
    assert.include(built(PackCreate.argv({ image: "-i", output: "-o" }, on("1.9.3"))), "--output=-o")
    const image = Grammar.parse("1.9.3", built(create({ image: "--from=x" })))
    assert.deepStrictEqual(Either.getOrThrow(image).options.get("--image"), ["--from=x"])
    assert.include(built(create({ image: "-" })), "-")
    assert.deepStrictEqual(built(MachineCp.argv({ src: "-x", dst: "a:/x" }, on("1.9.3"))).slice(2), ["./-x", "a:/x"])
  })

  it("of variables stay behind their names", () => {
    const parsed = Grammar.parse(
      "1.9.3",
      built(
        exec({
          env: [
            ["K", "--name=b"],
            ["L", ""],
            ["M", "a\nb"]
          ]
        })
      )
    )
    assert.deepStrictEqual(Either.getOrThrow(parsed).options.get("--env"), ["K=--name=b", "L=", "M=a\nb"])
    for (const name of ["", "-K", "A=B"]) {
      assert.include(problem(exec({ env: [[name, "v"]] })), "machine exec: --env ", name)
      assert.include(problem(create({ env: [[name, "v"]] })), "machine create: --env ", name)
      assert.include(problem(create({ secretEnv: [{ guest: name, host: "H" }] })), "--secret-env", name)
      assert.include(problem(create({ secretEnv: [{ guest: "G", host: name }] })), "--secret-env", name)
      assert.include(problem(create({ labels: [[name, "v"]] })), "--label", name)
    }
  })

  it("of names are refused by smolvm's own rules", () => {
    for (const name of ["", "-a", "a-", "a--b", "_a", "a b", "a/b", "ä", "a".repeat(129), "a\0b", "a:b", "--help"]) {
      assert.include(problem(create({ name })), "machine create: --name must ", name)
      assert.include(problem(exec({ name })), "machine exec: --name must ", name)
      for (const call of [MachineStart.argv, MachineStop.argv, MachineDelete.argv, MachineStatus.argv]) {
        assert.include(problem(call({ name }, on("0.8.0"))), "--name must ", name)
      }
      assert.include(problem(PackCreate.argvFromVm({ name, output: "o" }, on("0.8.0"))), "--from-vm must ", name)
    }
    for (const name of ["a", "A-b_c", "9", "a_", "a".repeat(128)]) built(create({ name }))
  })

  it("of paths and networks are refused", () => {
    const mapping = (host: string, guest: string) => ({ host, guest, readonly: false })
    for (const volume of [
      mapping("a", "/b"),
      mapping("/a", "b"),
      mapping("/a:/x", "/b"),
      mapping("/a", "/b:ro"),
      mapping("", "")
    ]) {
      assert.include(problem(create({ volumes: [volume] })), "machine create: --volume ")
      assert.include(problem(create({ mountSockets: [volume] })), "machine create: --mount-socket ")
    }
    assert.include(problem(create({ volumes: [mapping("/a", "/x"), mapping("/b", "/x")] })), "twice")
    assert.include(problem(create({ mountSockets: [mapping("/a", "/x;y")] })), "';'")
    const sockets = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ host: "/h", guest: `/g${index}` }))
    assert.include(problem(create({ mountSockets: sockets(65) })), "at most 64")
    built(create({ mountSockets: sockets(64) }))
    for (const cidr of [
      "",
      "-x",
      "host",
      "10.0.0.1/33",
      "10.0.0.1/",
      "1.2.3.4/1/2",
      "::1/129",
      "010.0.0.1",
      "10.0.0.1:80"
    ]) {
      assert.include(problem(create({ allowCidrs: [cidr] })), "--allow-cidr must be", cidr)
    }
    for (const host of ["", "-x", "a b", "host:80", "[::1]", "a/b"]) {
      assert.include(problem(create({ allowHosts: [host] })), "--allow-host must be", host)
    }
    built(create({ allowHosts: ["example.org", "::1", "192.0.2.1"] }))
  })

  it("of numbers and commands are refused", () => {
    for (const cpus of [0, -1, 1.5, 256, Number.NaN]) assert.include(problem(create({ cpus })), "--cpus must be")
    assert.include(problem(create({ memMib: 63 })), "--mem must be")
    assert.include(problem(create({ overlayGib: 0 })), "--overlay must be")
    for (const timeoutMillis of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.include(problem(exec({ timeoutMillis })), "--timeout must be")
    }
    assert.include(problem(exec({ command: [] })), "must have at least one word")
    for (const mode of ["interactive", "tty", "stream"]) {
      assert.include(problem(exec({ detach: true, [mode]: true })), "--detach cannot be used together")
    }
    assert.include(problem(create({ image: "i", from: "f" })), "cannot be used together with --image")
    assert.include(problem(create({ net: false, allowCidrs: ["10.0.0.1"] })), "needs a network")
    for (const option of ["image", "from", "workdir"]) {
      assert.include(problem(create({ [option]: "" })), "must not be empty", option)
    }
  })

  it("that would arrive as others are refused wherever they stand", () => {
    assert.include(problem(exec({ command: ["a\ud83d"] })), "half of a character")
    assert.include(problem(exec({ env: [["K", "\udc00x"]] })), "half of a character")
    const whole = exec({ command: ["\ud83d\ude00"] })
    assert.isTrue(Either.isRight(whole))
  })

  it("with a NUL byte are refused wherever they stand", () => {
    assert.include(problem(exec({ command: ["a\0b"] })), "holds a NUL byte")
    assert.include(problem(exec({ env: [["K", "\0"]] })), "holds a NUL byte")
    assert.include(problem(create({ image: "a\0b" })), "holds a NUL byte")
    assert.include(problem(PackCreate.argv({ image: "a", output: "\0" }, on("0.8.0"))), "holds a NUL byte")
    assert.include(problem(MachineCp.argv({ src: "\0", dst: "a:/x" }, on("0.8.0"))), "holds a NUL byte")
  })

  it("of copies name a machine on exactly one side", () => {
    const cp = (src: string, dst: string) => MachineCp.argv({ src, dst }, on("1.9.3"))
    assert.deepStrictEqual(built(cp("box:/a", "/tmp/b")), ["machine", "cp", "box:/a", "/tmp/b"])
    assert.deepStrictEqual(built(cp("/tmp/b", MachineCp.inMachine({ name: "box", path: "/a:b" }))).at(-1), "box:/a:b")
    assert.include(problem(cp("a", "b")), "on exactly one side")
    assert.include(problem(cp("a:/x", "b:/y")), "on exactly one side")
    assert.include(problem(cp("/tmp/a:b", "box:/x")), "host paths cannot have a ':'")
    assert.include(problem(cp("a:/x", "/tmp/a:b")), "host paths cannot have a ':'")
    assert.include(problem(cp("-x:/y", "/tmp/z")), "does not begin with the name of a machine")
    assert.include(problem(cp("box:", "/tmp/z")), "no path in it")
    assert.isTrue(MachineCp.isNothing({ src: "", dst: "box:/x" }))
    assert.isTrue(MachineCp.isNothing({ src: "a", dst: "" }))
    assert.isFalse(MachineCp.isNothing({ src: "a", dst: "box:/x" }))
  })
})

describe("the grammar of its own line", () => {
  for (const line of Grammar.lines) {
    it(`accepts everything that is built for ${line}`, () => {
      const newest = line === "1.9.3"
      const secrets = on(line).secretEnv
      const create = {
        ...modest,
        ...(newest ? { mountSockets: everything.mountSockets, labels: everything.labels } : {}),
        ...(secrets ? { secretEnv: everything.secretEnv } : {})
      }
      const invocation = parsed(line, (capabilities) => MachineCreate.argv(create, capabilities))
      assert.strictEqual(invocation.command, "machine create")
      assert.deepStrictEqual(invocation.options.get("--env"), ["A=1", "B=-x=y"])
      assert.deepStrictEqual(invocation.options.get("--volume"), ["/a:/b:ro", "/c:/d"])
      assert.deepStrictEqual(invocation.options.get("--name") ?? invocation.positionals, ["box"])
      for (const options of [{ name: "box" }, { name: "box", from: "p" }, { name: "box", image: "i" }]) {
        parsed(line, (capabilities) => MachineCreate.argv(options, capabilities))
      }
      const exec = { name: "box", command: ["-x", "--"], env: [["K", "V"]], workdir: "/", timeoutMillis: 1 } as const
      const modes = [
        {},
        { interactive: true, tty: true },
        { stream: true },
        ...(on(line).execDetach ? [{ detach: true }] : [])
      ]
      for (const mode of modes) {
        const run = parsed(line, (capabilities) =>
          MachineExec.argv({ ...exec, ...mode, secretEnv: secrets ? everything.secretEnv : [] }, capabilities)
        )
        assert.deepStrictEqual(run.trailing, ["-x", "--"])
        assert.deepStrictEqual(run.options.get("--name"), ["box"])
      }
      const named = { name: "box" }
      assert.strictEqual(parsed(line, (it) => MachineStart.argv(named, it)).command, "machine start")
      assert.strictEqual(parsed(line, (it) => MachineStop.argv(named, it)).command, "machine stop")
      assert.strictEqual(parsed(line, (it) => MachineDelete.argv(named, it)).command, "machine delete")
      assert.strictEqual(parsed(line, (it) => MachineStatus.argv(named, it)).command, "machine status")
      assert.strictEqual(parsed(line, () => Either.right(MachineLs.argv)).command, "machine ls")
      assert.strictEqual(parsed(line, (it) => MachineCp.argv({ src: "-a", dst: "box:/x" }, it)).command, "machine cp")
      assert.strictEqual(parsed(line, (it) => PackCreate.argv({ image: "i", output: "-o" }, it)).command, "pack create")
      parsed(line, (it) => PackCreate.argvFromVm({ name: "box", output: "o" }, it))
    })
  }
})
