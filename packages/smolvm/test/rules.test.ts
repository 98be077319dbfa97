import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Capabilities from "../src/Capabilities.js"
import * as Grammar from "../src/Grammar.js"
import * as MachineCp from "../src/MachineCp.js"
import * as MachineCreate from "../src/MachineCreate.js"
import * as MachineEgressEvents from "../src/MachineEgressEvents.js"
import * as MachineExec from "../src/MachineExec.js"
import * as MachineFork from "../src/MachineFork.js"
import * as MachineForkRelease from "../src/MachineForkRelease.js"
import * as MachineRun from "../src/MachineRun.js"
import * as MachineStart from "../src/MachineStart.js"
import * as MachineUpdate from "../src/MachineUpdate.js"
import * as PackCreate from "../src/PackCreate.js"
import * as PackRun from "../src/PackRun.js"
import type { ArgumentError } from "../src/SmolvmError.js"

const on = (version: string) => Capabilities.fromVersion(version)

type Built = Either.Either<ReadonlyArray<string>, ArgumentError>

/** The argv on one line, or the tag of the refusal and what it says. */
const told = (built: Built): string =>
  Either.match(built, {
    onLeft: (error) => `${error._tag}: ${error.message}`,
    onRight: (argv) => argv.join(" ")
  })

/** What a subcommand makes of options on 1.9.3, or on another version. */
const teller =
  <Options>(argv: (options: Options, capabilities: Capabilities.Capabilities) => Built) =>
  (options: Options, version = "1.9.3"): string =>
    told(argv(options, on(version)))

const create = teller(MachineCreate.argv)
const run = teller(MachineRun.argv)
const start = teller(MachineStart.argv)
const exec = teller(MachineExec.argv)
const update = teller(MachineUpdate.argv)
const fork = teller(MachineFork.argv)
const cp = teller(MachineCp.argv)
const pack = teller(PackCreate.argv)
const packRun = teller(PackRun.argv)

const port = { host: 8080, guest: 80 }
const volume = { host: "/a", guest: "/b", readonly: false }
const secret = { guest: "T", host: "H" }
const secretFile = { guest: "T", path: "/t" }

describe("a network", () => {
  it("that is refused excludes what needs one", () => {
    assert.strictEqual(
      create({ name: "a", net: false, allowHosts: ["192.0.2.1"] }),
      "InvalidArgument: machine create: --allow-host needs a network, which net: false refuses: leave one of the two out"
    )
    assert.include(create({ name: "a", net: false, ports: [port] }), "--port needs a network")
    assert.include(create({ name: "a", net: false, dns: "192.0.2.1" }), "--dns needs a network")
    assert.include(run({ image: "i", command: ["x"], net: false, network: "n" }), "--network needs a network")
    assert.strictEqual(create({ name: "a", net: false }), "machine create --name a")
    assert.strictEqual(update({ name: "a", net: false, ports: [port] }), "machine update --no-net -p 8080:80 --name a")
  })

  it("is needed for virtio-net, where nothing else may ask for one", () => {
    const netBackend = "virtio-net"
    assert.strictEqual(
      create({ name: "a", netBackend }),
      "InvalidArgument: machine create: --net-backend virtio-net needs a network: add net: true, ports or a policy"
    )
    assert.include(run({ command: ["x"], netBackend }), "InvalidArgument")
    assert.include(packRun({ netBackend }), "InvalidArgument")
    for (const intent of [{ net: true }, { ports: [port] }, { allowHosts: ["a"] }, { dns: "192.0.2.1" }]) {
      assert.include(create({ name: "a", netBackend, ...intent }), "--net-backend virtio-net")
    }
    assert.include(create({ name: "a", netBackend, from: "p" }), "--net-backend virtio-net")
    assert.include(create({ name: "a", netBackend: "tsi" }), "--net-backend tsi")
    assert.include(packRun({ netBackend, net: true }), "--net --net-backend virtio-net")
  })

  it("holds a policy on a backend that takes it", () => {
    const policy = { name: "a", allowHosts: ["192.0.2.1"] }
    const virtio = { ...policy, netBackend: "virtio-net" } as const
    const tsi = { ...policy, netBackend: "tsi" } as const
    assert.include(create(virtio, "1.0.1"), "InvalidArgument: machine create: --allow-host is refused with virtio-net")
    assert.include(create(virtio, "1.0.2"), "--net-backend virtio-net --allow-host 192.0.2.1")
    assert.include(create(tsi, "1.1.2"), "--net-backend tsi --allow-host 192.0.2.1")
    assert.include(
      create(tsi, "1.1.3"),
      "InvalidArgument: machine create: --allow-host is refused with --net-backend tsi"
    )
    const local = { command: ["x"], outboundLocalhostOnly: true, netBackend: "tsi" } as const
    assert.include(run(local), "--outbound-localhost-only is refused")
    assert.include(
      create({ name: "a", network: "n", netBackend: "tsi" }),
      "--network is refused with --net-backend tsi"
    )
    assert.include(create({ name: "a", network: "n" }), "--network n")
  })

  it("publishes ports on a backend that does, each once", () => {
    const ports = [port]
    assert.include(create({ name: "a", ports, netBackend: "tsi" }, "1.0.1"), "-p 8080:80 a")
    assert.include(create({ name: "a", ports, netBackend: "tsi" }, "1.0.2"), "--port is refused with --net-backend tsi")
    assert.include(create({ name: "a", ports }, "1.0.3"), "--port needs netBackend: virtio-net with this release")
    assert.include(create({ name: "a", ports, netBackend: "virtio-net" }, "1.0.3"), "-p 8080:80 --name a")
    assert.include(create({ name: "a", ports }, "1.0.4"), "-p 8080:80 --name a")
    const again = [port, { host: 8080, guest: 81 }]
    for (const refused of [
      create({ name: "a", ports: again }),
      run({ command: ["x"], ports: again }),
      update({ name: "a", ports: again }),
      fork({ golden: "g", name: "a", ports: again }),
      packRun({ ports: again })
    ]) {
      assert.include(refused, "--port publishes the same port of the host twice")
    }
    assert.include(create({ name: "a", ports: [port, { host: 8081, guest: 80 }] }), "-p 8080:80 -p 8081:80")
  })
})

describe("mounts", () => {
  it("name every path of the guest once", () => {
    const volumes = [volume, { ...volume, host: "/c" }]
    for (const refused of [
      create({ name: "a", volumes }, "0.8.0"),
      run({ command: ["x"], volumes }),
      update({ name: "a", volumes }),
      packRun({ volumes })
    ]) {
      assert.include(refused, "--volume names the same guest path twice")
    }
    assert.include(create({ name: "a", volumes: [volume] }), "-v /a:/b")
  })

  it("are remote from 1.9.3 on, on create only", () => {
    const volumes = [{ host: "s3://bucket/key", guest: "/b", readonly: true }]
    assert.include(create({ name: "a", volumes }), "-v s3://bucket/key:/b:ro")
    assert.strictEqual(
      create({ name: "a", volumes }, "1.9.2"),
      "UnsupportedOption: smolvm 1.9.2 has no --volume of a remote source on machine create: 1.9.3 or newer is needed"
    )
    assert.include(run({ command: ["x"], volumes }), "InvalidArgument: machine run: --volume needs absolute paths")
  })

  it("of sockets are at most 64, each path of the guest once", () => {
    const sockets = (count: number) => Array.from({ length: count }, (_, at) => ({ host: "/h", guest: `/g${at}` }))
    assert.include(create({ name: "a", exposeSockets: sockets(33), mountSockets: sockets(32) }), "at most 64 sockets")
    assert.include(create({ name: "a", exposeSockets: sockets(65) }), "--expose-socket takes at most 64 sockets")
    assert.include(
      create({ name: "a", exposeSockets: [{ guest: "/g" }, { guest: "/g" }] }),
      "the same guest path twice"
    )
    assert.include(
      create({ name: "a", exposeSockets: sockets(32), mountSockets: sockets(32) }),
      "--mount-socket /h:/g0"
    )
  })
})

describe("a secret", () => {
  it("gives a variable once, from a variable or a file", () => {
    const both = { secretEnv: [secret], secretFiles: [secretFile] }
    for (const refused of [
      create({ name: "a", ...both }),
      run({ command: ["x"], ...both }),
      exec({ name: "a", command: ["x"], ...both }),
      fork({ golden: "g", name: "a", ...both })
    ]) {
      assert.include(refused, "--secret-env gives the same variable of the guest twice")
    }
    assert.include(exec({ name: "a", command: ["x"], secretFiles: [secretFile, secretFile] }), "--secret-file gives")
    assert.include(
      exec({ name: "a", command: ["x"], secretEnv: [secret], secretFiles: [{ guest: "U", path: "/u" }] }),
      "--secret-env T=H --secret-file U=/u -- x"
    )
  })
})

describe("create", () => {
  it("takes a pack alone", () => {
    assert.include(create({ name: "a", from: "p", smolfile: "s" }), "cannot be used together with --smolfile")
    assert.include(create({ name: "a", image: "i", smolfile: "s" }), "--image i --smolfile s --name a")
  })

  it("refuses what --from ignores", () => {
    for (const [option, ignored] of [
      ["--workdir", { workdir: "/w" }],
      ["--gpu", { gpu: true }],
      ["--gpu-vram", { gpuVramMib: 1 }],
      ["--rosetta", { rosetta: true }]
    ] as const) {
      assert.strictEqual(
        create({ name: "a", from: "p", ...ignored }),
        `IgnoredOption: smolvm 1.9.3 ignores ${option} of machine create with --from`
      )
      assert.include(create({ name: "a", image: "i", ...ignored }), option === "--workdir" ? "-w /w" : option)
    }
    const refused = MachineCreate.argv({ name: "a", from: "p", workdir: "/w" }, on("1.9.3"))
    assert.strictEqual(Either.isLeft(refused) ? refused.left.suggestion : "", "Leave --workdir out with --from.")
  })

  it("takes a command from 1.0.0 on, with --from from 1.6.4 on", () => {
    const command = ["sleep", "1"]
    assert.strictEqual(
      create({ name: "a", command }, "0.9.0"),
      "UnsupportedOption: smolvm 0.9.0 has no command on machine create: 1.0.0 or newer is needed"
    )
    assert.strictEqual(create({ name: "a", command }, "1.0.0"), "machine create a -- sleep 1")
    assert.include(create({ command }, "1.0.1"), "InvalidArgument: machine create: the command needs a name")
    assert.strictEqual(create({ command }, "1.0.2"), "machine create -- sleep 1")
    assert.strictEqual(
      create({ from: "p", command }, "1.6.3"),
      "IgnoredOption: smolvm 1.6.3 ignores command of machine create with --from: 1.6.4 or newer is needed"
    )
    assert.strictEqual(create({ from: "p", command }, "1.6.4"), "machine create --from p -- sleep 1")
    const refused = MachineCreate.argv({ from: "p", command }, on("1.6.3"))
    assert.strictEqual(
      Either.isLeft(refused) ? refused.left.suggestion : "",
      "Update smolvm to 1.6.4 or newer, or leave command out with --from."
    )
  })

  it("needs no name", () => {
    assert.strictEqual(create({}, "0.8.0"), "machine create")
    assert.strictEqual(create({}), "machine create")
  })

  it("names what is dropped in silence", () => {
    const policy = { name: "a", from: "p", allowCidrs: ["10.0.0.1"], allowHosts: ["a"], outboundLocalhostOnly: true }
    const of = (options: MachineCreate.MachineCreateOptions, version: string) =>
      MachineCreate.dropped(options, on(version)).map(
        ({ isPolicy, neededVersion, option }) => `${option} ${isPolicy ? "policy" : "number"} ${neededVersion}`
      )
    assert.deepStrictEqual(of(policy, "1.7.7"), [
      "--allow-cidr policy 1.8.0",
      "--allow-host policy 1.8.0",
      "--outbound-localhost-only policy 1.8.0"
    ])
    assert.deepStrictEqual(of(policy, "1.8.0"), [])
    assert.deepStrictEqual(of({ ...policy, from: undefined, image: "i" }, "1.1.3"), [])
    const named = { name: "a", allowHosts: ["192.0.2.1"] }
    assert.deepStrictEqual(of(named, "1.0.1"), ["--allow-host policy 1.1.3"])
    assert.deepStrictEqual(of(named, "1.1.2"), ["--allow-host policy 1.1.3"])
    assert.deepStrictEqual(of({ ...named, netBackend: "virtio-net" }, "1.0.2"), [])
    assert.deepStrictEqual(of(named, "1.1.3"), [])
    assert.deepStrictEqual(of({ name: "a", net: true }, "0.8.0"), [])
    assert.include(create(policy, "1.7.7"), "--net --allow-cidr 10.0.0.1 --allow-host a --outbound-localhost-only")
    const defaults = { name: "a", cpus: 4, memMib: 8192 }
    assert.deepStrictEqual(of({ ...defaults, from: "p" }, "1.9.3"), ["--cpus number null", "--mem number null"])
    assert.deepStrictEqual(of({ ...defaults, smolfile: "s" }, "0.8.0"), ["--cpus number null", "--mem number null"])
    assert.deepStrictEqual(of({ ...defaults, image: "i" }, "1.9.3"), [])
    assert.deepStrictEqual(of({ name: "a", from: "p", cpus: 3, memMib: 512 }, "1.9.3"), [])
    assert.strictEqual(
      MachineCreate.dropped({ ...defaults, smolfile: "s" }, on("1.9.3"))[0]?.circumstance,
      "with --smolfile"
    )
    const ofRun = (options: MachineRun.MachineRunOptions, version: string) =>
      MachineRun.dropped(options, on(version)).map(({ option }) => option)
    assert.deepStrictEqual(ofRun({ from: "p", cpus: 4, memMib: 512 }, "1.9.3"), ["--cpus"])
    assert.deepStrictEqual(ofRun({ image: "i", command: ["x"], cpus: 4 }, "1.9.3"), [])
    assert.deepStrictEqual(ofRun({ image: "i", command: ["x"], allowHosts: ["a"] }, "1.1.2"), ["--allow-host"])
    assert.deepStrictEqual(ofRun({ image: "i", command: ["x"], allowHosts: ["a"] }, "1.1.3"), [])
  })

  it("has a proxy for all egress only where the help shows it", () => {
    const options = { name: "a", egressProxy: "socks5://127.0.0.1:1080" }
    const newer = on("2.0.0")
    const listed = {
      ...newer.options,
      "machine create": [...(newer.options["machine create"] ?? []), "--egress-proxy"]
    }
    assert.strictEqual(create(options), "UnsupportedOption: smolvm 1.9.3 has no --egress-proxy on machine create")
    assert.strictEqual(
      told(MachineCreate.argv(options, { ...newer, options: listed })),
      "machine create --egress-proxy socks5://127.0.0.1:1080 --name a"
    )
  })
})

describe("run", () => {
  it("takes a pack alone, from 1.0.2", () => {
    const from = "p"
    for (const [option, more] of [
      ["--detach", { detach: true }],
      ["--name", { name: "a" }],
      ["--gpu", { gpu: true }],
      ["--gpu-vram", { gpuVramMib: 1 }],
      ["--oci-platform", { ociPlatform: "linux/amd64" }],
      ["--allow-cidr", { allowCidrs: ["10.0.0.1"] }],
      ["--allow-host", { allowHosts: ["a"] }],
      ["--outbound-localhost-only", { outboundLocalhostOnly: true }],
      ["--secret-env", { secretEnv: [secret] }],
      ["--secret-file", { secretFiles: [secretFile] }],
      ["--image", { image: "i" }],
      ["--smolfile", { smolfile: "s" }]
    ] as const) {
      assert.include(
        run({ from, ...more }),
        `InvalidArgument: machine run: --from cannot be used together with ${option}`
      )
    }
    assert.strictEqual(run({ from, cpus: 2, net: true }), "machine run --from p --cpus 2 --net")
    assert.include(run({ from, command: ["x"] }, "1.0.1"), "has no --from on machine run: 1.0.2 or newer is needed")
  })

  it("needs something to do", () => {
    assert.include(run({ image: "i" }), "the command must have at least one word, unless it is interactive or detached")
    assert.strictEqual(run({ image: "i", command: ["a", "-b"] }), "machine run --image i -- a -b")
    for (const more of [{ detach: true }, { tty: true }, { interactive: true }, { smolfile: "s" }]) {
      assert.notInclude(run({ image: "i", ...more }), "InvalidArgument")
    }
  })

  it("takes no image for a command", () => {
    for (const program of ["library/alpine", "alpine:3", "/a:b", "./x"]) {
      assert.include(run({ command: [program] }), "the command looks like an image to smolvm", program)
      assert.include(run({ image: "i", command: [program] }), `-- ${program}`)
    }
    assert.strictEqual(run({ command: ["/bin/true"] }), "machine run -- /bin/true")
  })

  it("ignores a name that is not of a detached machine, which is refused", () => {
    assert.strictEqual(
      run({ command: ["x"], name: "a" }),
      "IgnoredOption: smolvm 1.9.3 ignores --name of machine run without --detach"
    )
    assert.strictEqual(run({ command: ["x"], name: "a", detach: true }, "0.8.0"), "machine run -d --name a -- x")
  })
})

describe("start, update and cp", () => {
  it("limit the memory of a pool only", () => {
    assert.include(start({ name: "a", cudaVramLimitMib: 1 }), "--cuda-vram-limit-mib needs the number of clones")
    assert.strictEqual(
      start({ name: "a", forkPoolSize: 2, cudaVramLimitMib: 1 }),
      "machine start --name a --fork-pool-size 2 --cuda-vram-limit-mib 1"
    )
  })

  it("put no user and password into an argv", () => {
    const refused = start({ name: "a", proxy: "http://user:password@proxy.example" })
    assert.include(refused, "InvalidArgument: machine start: --proxy must have no user and password in it")
    assert.notInclude(refused, "user:password")
    assert.strictEqual(
      start({ name: "a", proxy: "http://proxy.example", noProxy: ["a", "b"] }, "0.8.1"),
      "machine start --name a --proxy http://proxy.example --no-proxy a,b"
    )
    assert.include(start({ name: "a", proxy: "http://proxy.example" }, "0.8.0"), "0.8.1 or newer is needed")
  })

  it("say of each switch on, off, or nothing", () => {
    assert.strictEqual(update({ name: "a", gpu: true, rosetta: false }), "machine update --gpu --no-rosetta --name a")
    assert.strictEqual(update({ name: "a" }, "0.8.0"), "machine update a")
    assert.include(update({ name: "a", rosetta: false }, "1.4.1"), "has no --no-rosetta on machine update: 1.5.0")
  })

  it("set owners and modes in a machine only, from 1.9.0", () => {
    const into = { src: "/x", dst: "a:/y" }
    assert.strictEqual(cp({ ...into, mode: 0o640, uid: 0, gid: 7 }), "machine cp --mode 0640 --uid 0 --gid 7 /x a:/y")
    assert.include(cp({ ...into, mode: 0o640 }, "1.8.3"), "has no --mode on machine cp: 1.9.0 or newer is needed")
    for (const [option, more] of [
      ["--mode", { mode: 0 }],
      ["--uid", { uid: 1 }],
      ["--gid", { gid: 1 }]
    ] as const) {
      assert.include(cp({ src: "a:/y", dst: "/x", ...more }), `${option} is for files that are copied into a machine`)
    }
    assert.strictEqual(cp({ src: "a:/y", dst: "/x" }), "machine cp a:/y /x")
  })
})

describe("fork", () => {
  it("is there from 1.0.0 on, with its names as positionals at first", () => {
    const clone = { golden: "g", name: "c" }
    assert.strictEqual(
      fork(clone, "0.9.0"),
      "UnsupportedCommand: smolvm 0.9.0 has no machine fork: 1.0.0 or newer is needed"
    )
    assert.strictEqual(fork({ ...clone, forkable: true }, "1.0.0"), "machine fork --forkable g c")
    assert.strictEqual(fork(clone, "1.0.2"), "machine fork --golden g --name c")
    const refused = MachineFork.argv(clone, on("0.8.0"))
    assert.strictEqual(
      Either.isLeft(refused) ? refused.left.suggestion : "",
      "Update smolvm to 1.0.0 or newer, or do without machine fork."
    )
  })

  it("names one clone or begins the names of several", () => {
    assert.include(fork({ golden: "g" }), "--name must be given, or --name-prefix")
    assert.include(fork({ golden: "g", name: "c", namePrefix: "p" }), "cannot be used together with --name-prefix")
    assert.strictEqual(fork({ golden: "g", namePrefix: "p" }), "machine fork --golden g --name-prefix p")
    assert.include(fork({ golden: "g", namePrefix: "p" }, "1.7.1"), "1.7.2 or newer is needed")
    const several = { golden: "g", namePrefix: "p", count: 2 }
    assert.strictEqual(fork(several), "machine fork --count 2 --golden g --name-prefix p")
    assert.include(fork({ golden: "g", name: "c", count: 2 }), "--name names one clone")
    assert.include(fork({ golden: "g", count: 2 }), "--name-prefix must be given for more clones than one")
    assert.include(fork({ ...several, forkable: true }), "--forkable is for one clone only")
    assert.include(fork({ ...several, ports: [port] }), "--port is for one clone only")
    assert.include(fork({ ...several, count: 1025 }), "--count must be a whole number from 1 to 1024")
  })

  it("holds no clone that can be forked itself", () => {
    assert.include(fork({ golden: "g", name: "c", hold: true, forkable: true }), "--hold cannot be used together with")
    assert.strictEqual(fork({ golden: "g", name: "c", hold: true }), "machine fork --hold --golden g --name c")
    const release = teller(MachineForkRelease.argv)
    assert.strictEqual(release({ name: "c", env: [["A", "1"]] }), "machine fork-release -e A=1 --name c")
    assert.include(
      release({ name: "c" }, "1.7.1"),
      "UnsupportedCommand: smolvm 1.7.1 has no machine fork-release: 1.7.2"
    )
  })
})

describe("packs and events", () => {
  it("are made from one source", () => {
    const output = "o"
    assert.include(pack({ output }), "--image must be given, or --from-vm, or --smolfile")
    assert.include(pack({ image: "i", fromVm: "a", output }), "--from-vm cannot be used together with --image")
    assert.strictEqual(pack({ image: "i", smolfile: "s", output }), "pack create --image i --smolfile s -o o")
    assert.strictEqual(pack({ smolfile: "s", output }), "pack create --smolfile s -o o")
  })

  it("are rebased only where they are made from a machine", () => {
    assert.include(pack({ image: "i", output: "o", rebaseFromImage: true }), "--rebase-from-image needs a machine")
    assert.strictEqual(
      pack({ fromVm: "a", output: "o", rebaseFromImage: true }, "1.3.4"),
      "pack create --from-vm a -o o --rebase-from-image"
    )
  })

  it("are listed from 1.8.1 on", () => {
    const events = teller(MachineEgressEvents.argv)
    assert.strictEqual(events({ name: "a", limit: 5 }, "1.8.1"), "machine egress-events --name a --limit 5 --json")
    assert.include(
      events({ name: "a" }, "1.8.0"),
      "UnsupportedCommand: smolvm 1.8.0 has no machine egress-events: 1.8.1"
    )
  })
})

describe("what is needed", () => {
  it("is missed where types do not say so", () => {
    const untyped: { readonly name?: string } = {}
    const built = MachineExec.argv({ name: "", ...untyped, command: ["x"] }, on("1.9.3"))
    assert.include(told(built), "--name must not be empty")
    for (const line of Grammar.lines) {
      assert.include(
        told(MachineStart.argv(JSON.parse("{}"), on(line))),
        "InvalidArgument: machine start: --name must be given"
      )
      assert.include(
        told(MachineCp.argv(JSON.parse('{"src":"/a"}'), on(line))),
        "InvalidArgument: machine cp: DST must be given"
      )
    }
  })
})
