import * as Docker from "@bottle/docker/Docker"
import type { DockerError } from "@bottle/docker/DockerError"
import * as Executor from "@bottle/process/Executor"
import * as DockerDaemon from "@bottle/testing/DockerDaemon"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ChildProcess from "node:child_process"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"

const BOUND = { boundMillis: 20_000 }
const TEST_MILLIS = 120_000

/** The subnets of this file's networks: no other test uses them. */
const subnet = (third: number) => ({ subnet: `10.213.${third}.0/28`, gateway: `10.213.${third}.1` })

/** What a test of the daemon gets: names and labels of its own, by which everything it leaves is removed. */
interface Bench {
  readonly docker: Context.Tag.Service<typeof Docker.Docker>
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** An image with `sh`, `sleep`, `cat` and `id`. */
  readonly image: string
  /** Runs a shell script in a container. */
  readonly run: (script: string, options?: Partial<Docker.RunOptions>) => Effect.Effect<string, DockerError>
}

const bench = (image: string): Effect.Effect<Bench, never, Docker.Docker | Scope.Scope> =>
  Effect.gen(function* () {
    const docker = yield* Docker.Docker
    const id = randomUUID()
    const name = `bottle-${id}`
    const labels = { "bottle.test": id }
    yield* DockerDaemon.removing(`bottle.test=${id}`)
    return {
      docker,
      name,
      labels,
      image,
      run: (script, options) =>
        docker.containerRun({
          name,
          image,
          network: "none",
          labels,
          readonlyRoot: true,
          user: "65532:65532",
          memoryMib: 64,
          pids: 32,
          command: ["sh", "-c", script],
          ...options
        })
    }
  })

const linesOf = (docker: Bench["docker"], name: string) =>
  Effect.map(Stream.runCollect(docker.containerLogs(name)), (lines) => Chunk.toReadonlyArray(lines))

const stdoutOf = (docker: Bench["docker"], name: string) =>
  Effect.map(linesOf(docker, name), (lines) =>
    lines.filter(({ stream }) => stream === "stdout").map(({ text }) => text)
  )

class Image extends Context.Tag("@bottle/docker/test/Image")<Image, string>() {}

// Layers are built for skipped tests too.
const image = Layer.scoped(
  Image,
  Effect.suspend(() => (isThere ? DockerDaemon.image({ programs: ["sh", "sleep", "cat", "id"] }) : Effect.succeed("")))
)

const isThere = DockerDaemon.answers()
const clients = DockerDaemon.clients().map(({ program, version }) => [version, program] as const)

describe.skipIf(!isThere).each(clients)("a daemon through docker %s", (version, program) => {
  layer(image, { excludeTestServices: true, timeout: TEST_MILLIS })((it) => {
    const check = (name: string, test: (bench: Bench) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.scoped(
        name,
        () =>
          Effect.flatMap(Image, (name) => Effect.flatMap(bench(name), test)).pipe(
            Effect.provide(Layer.provide(Docker.layer({ program }), Executor.layer))
          ),
        TEST_MILLIS
      )

    check("tells the versions of both sides", ({ docker }) =>
      Effect.map(docker.version, ({ client, server }) => {
        assert.strictEqual(client, version)
        assert.match(server ?? "", /^\d+\.\d+/)
      })
    )

    check("makes a network, shows it, lists it by its labels, and removes it, twice", ({ docker, labels, name }) =>
      Effect.gen(function* () {
        const odd = { ...labels, odd: "a b,c=d" }
        assert.isTrue(Option.isNone(yield* docker.networkInspect(name)))
        yield* docker.networkCreate({ name, ...subnet(1), labels: odd, internal: true })
        const shown = Option.getOrThrow(yield* docker.networkInspect(name))
        assert.strictEqual(shown.name, name)
        assert.deepStrictEqual(shown.labels, odd)
        assert.deepStrictEqual(shown.subnets, [subnet(1)])
        assert.isTrue(shown.internal)
        assert.deepStrictEqual(yield* docker.networkList({ labels }), [shown])
        assert.deepStrictEqual(yield* docker.networkList({ labels: { ...labels, odd: "a b" } }), [])
        yield* docker.networkRemove(name)
        yield* docker.networkRemove(name)
        assert.isTrue(Option.isNone(yield* docker.networkInspect(name)))
        assert.deepStrictEqual(yield* docker.networkList({ labels }), [])
      })
    )

    check("refuses a network whose subnet overlaps or whose name is taken", ({ docker, labels, name }) =>
      Effect.gen(function* () {
        yield* docker.networkCreate({ name, ...subnet(1), labels })
        const overlap = docker.networkCreate({ name: `${name}-2`, ...subnet(1), labels })
        const error = yield* Effect.flip(overlap)
        assert.strictEqual(error.message, `network ${name}-2: 10.213.1.0/28 overlaps the subnet of another network`)
        const wider = { subnet: "10.213.0.0/23", gateway: "10.213.0.1" }
        const around = yield* Effect.flip(docker.networkCreate({ name: `${name}-2`, ...wider, labels }))
        assert.strictEqual(around._tag, "SubnetOverlap")
        const same = yield* Effect.flip(docker.networkCreate({ name, ...subnet(2), labels }))
        assert.strictEqual(same._tag, "NetworkExists")
        yield* docker.networkCreate({ name: `${name}-2`, ...subnet(2), labels })
        assert.lengthOf(yield* docker.networkList({ labels }), 2)
      })
    )

    check("keeps a network with a container in it", ({ docker, labels, name, run }) =>
      Effect.gen(function* () {
        yield* docker.networkCreate({ name, ...subnet(1), labels })
        yield* run("sleep 60", { network: name, ip: "10.213.1.2" })
        assert.strictEqual((yield* Effect.flip(docker.networkRemove(name)))._tag, "NetworkInUse")
        yield* docker.containerRemove(name)
        yield* docker.networkRemove(name)
      })
    )

    check("pins an address, and refuses one that is taken or outside", ({ docker, labels, name, run }) =>
      Effect.gen(function* () {
        yield* docker.networkCreate({ name, ...subnet(1), labels })
        yield* run("sleep 60", { network: name, ip: "10.213.1.2" })
        const shown = Option.getOrThrow(yield* docker.containerInspect(name))
        assert.deepStrictEqual(shown.addresses, { [name]: "10.213.1.2" })
        const other = (ip: string, network = name) => run("sleep 60", { name: `${name}-2`, network, ip })
        const refused = (ip: string, tag: DockerError["_tag"], network?: string) =>
          Effect.gen(function* () {
            assert.strictEqual((yield* Effect.flip(other(ip, network)))._tag, tag)
            // It is left behind, made and not started.
            const left = Option.getOrThrow(yield* docker.containerInspect(`${name}-2`))
            assert.strictEqual(left.status, "created")
            yield* docker.containerRemove(`${name}-2`)
          })
        yield* refused("10.213.1.2", "AddressInUse")
        yield* refused("10.213.1.1", "AddressInUse")
        yield* refused("10.213.2.2", "AddressOutsideSubnet")
        yield* refused("10.213.1.3", "NetworkNotFound", `${name}-3`)
        yield* other("10.213.1.3")
      })
    )

    check("says that it does not see what is to be mounted", ({ name, run }) =>
      Effect.gen(function* () {
        const mounted = (host: string) =>
          run("sleep 60", { network: "none", mounts: [{ host, container: "/mnt", readonly: true }] })
        assert.strictEqual((yield* Effect.flip(mounted(`/nowhere/${name}`)))._tag, "MountSourceMissing")
        yield* mounted("/etc")
      })
    )

    check("runs a container that holds nothing it was not given", ({ docker, name, run }) =>
      Effect.gen(function* () {
        const id = yield* run("id -u; id -g; cat /proc/self/status; ( : > /here ) 2> /dev/null || echo readonly")
        const lines = yield* stdoutOf(docker, name)
        assert.deepStrictEqual(lines.slice(0, 2), ["65532", "65532"])
        const field = (of: string) => lines.find((line) => line.startsWith(`${of}:`))?.split(/\s+/)[1]
        for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
          assert.strictEqual(field(set), "0000000000000000")
        }
        assert.strictEqual(field("NoNewPrivs"), "1")
        assert.strictEqual(lines.at(-1), "readonly")
        const shown = Option.getOrThrow(yield* docker.containerInspect(name))
        assert.strictEqual(shown.id, id)
        assert.deepStrictEqual([shown.status, shown.exitCode, shown.health], ["exited", 0, null])
      })
    )

    check("bounds memory, processes and the log", ({ docker, name, run }) =>
      Effect.gen(function* () {
        yield* run("sleep 60")
        const format =
          "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}} {{json .HostConfig.LogConfig}}"
        const [memory, swap, pids, ...log] = inspectWith(program, format, name).split(" ")
        assert.deepStrictEqual([memory, swap, pids], ["67108864", "67108864", "32"])
        assert.deepStrictEqual(JSON.parse(log.join(" ")), {
          Type: "json-file",
          Config: { "max-file": "2", "max-size": "16m" }
        })
        assert.isTrue(Option.isSome(yield* docker.containerInspect(name)))
      })
    )

    check("hands over variables, secrets and arguments as they are", ({ docker, name, run }) =>
      Effect.gen(function* () {
        yield* run('echo "$TEXT"; echo "$SECRET"; echo "$EMPTY."; echo "$1"; echo "$2"', {
          env: { TEXT: "a  b='c',$d", EMPTY: "" },
          secrets: { SECRET: Redacted.make("s3cret  $x") },
          command: [
            "sh",
            "-c",
            'echo "$TEXT"; echo "$SECRET"; echo "$EMPTY."; echo "$1"; echo "$2"',
            "sh",
            "-e",
            "a  b"
          ]
        })
        assert.deepStrictEqual(yield* stdoutOf(docker, name), ["a  b='c',$d", "s3cret  $x", ".", "-e", "a  b"])
      })
    )

    check("mounts what has odd names, read-only where asked, and memory that runs nothing", ({ docker, name, run }) =>
      Effect.gen(function* () {
        const directory = yield* Temp.directory
        Fs.chmodSync(directory, 0o755)
        const names = ["plain", "a,readonly=false", 'quo"te', "eq=x", "sp ace", "co:lon", "ü'"]
        const mounts = names.map((each, index) => {
          const host = Path.join(directory, each)
          Fs.mkdirSync(host)
          Fs.chmodSync(host, 0o777)
          Fs.writeFileSync(Path.join(host, "name"), `${each}\n`)
          return { host, container: `/m,${index}`, readonly: index !== 0 }
        })
        yield* run(
          'for d in /m,*; do cat "$d/name"; ( : > "$d/new" ) 2> /dev/null && echo written; done; cat /proc/mounts; : > /t/x && echo t',
          { mounts, tmpfs: [{ path: "/t", sizeMib: 1 }] }
        )
        const lines = yield* stdoutOf(docker, name)
        assert.deepStrictEqual(lines.slice(0, names.length + 1), ["plain", "written", ...names.slice(1)])
        assert.isTrue(Fs.existsSync(Path.join(directory, "plain/new")))
        const tmpfs = lines.find((line) => line.includes(" /t tmpfs ")) ?? ""
        for (const option of ["rw", "nosuid", "nodev", "noexec", "size=1024k"]) assert.include(tmpfs, option)
        assert.strictEqual(lines.at(-1), "t")
      })
    )

    check("fetches no image, and refuses a name that is taken", ({ docker, name, run }) =>
      Effect.gen(function* () {
        const nowhere = "registry.example/nowhere:1"
        assert.isTrue(Option.isNone(yield* docker.imageInspect(nowhere)))
        assert.strictEqual((yield* Effect.flip(run(":", { image: nowhere })))._tag, "ImageNotFound")
        assert.isTrue(Option.isNone(yield* docker.containerInspect(name)))
        yield* run("sleep 60")
        assert.strictEqual((yield* Effect.flip(run(":")))._tag, "ContainerExists")
      })
    )

    check("says that a command is not there, and leaves what can be removed", ({ docker, name, run }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(run(":", { command: ["no-such-program"] }))
        assert.strictEqual(error._tag, "DockerCommandFailed")
        assert.include(error.message, "no-such-program")
        assert.isTrue(Option.isSome(yield* docker.containerInspect(name)))
        yield* docker.containerRemove(name)
        assert.isTrue(Option.isNone(yield* docker.containerInspect(name)))
      })
    )

    check("follows what a container writes, from the start to its end", ({ docker, name, run }) =>
      Effect.gen(function* () {
        yield* run("trap 'echo hup' HUP; trap 'echo term >&2; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
        const seen: Array<string> = []
        const follow = docker
          .containerLogs(name)
          .pipe(Stream.runForEach(({ stream, text }) => Effect.sync(() => seen.push(`${stream} ${text}`))))
        const fiber = yield* Effect.fork(follow)
        const has = (line: string) =>
          waitUntil(
            Effect.sync(() => seen.includes(line)),
            { ...BOUND, what: line }
          )
        yield* has("stdout ready")
        yield* docker.containerKill({ name, signal: "SIGHUP" })
        yield* has("stdout hup")
        yield* docker.containerKill({ name, signal: "SIGTERM" })
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(seen.toSorted(), ["stderr term", "stdout hup", "stdout ready"])
        const ended = Option.getOrThrow(yield* docker.containerInspect(name))
        assert.deepStrictEqual([ended.status, ended.exitCode], ["exited", 7])
        assert.lengthOf(yield* linesOf(docker, name), 3)
        const kill = yield* Effect.flip(docker.containerKill({ name, signal: "SIGHUP" }))
        assert.strictEqual(kill._tag, "ContainerNotRunning")
      })
    )

    check("ends the log of a container that is removed", ({ docker, name, run }) =>
      Effect.gen(function* () {
        yield* run("echo ready; sleep 60")
        const begun = yield* Deferred.make<void>()
        const follow = Stream.runForEach(docker.containerLogs(name), () => Deferred.succeed(begun, undefined))
        const fiber = yield* Effect.fork(follow)
        yield* Deferred.await(begun)
        yield* docker.containerRemove(name)
        yield* Effect.exit(Fiber.join(fiber))
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(docker.containerLogs(name))))._tag, "ContainerNotFound")
      })
    )

    check("lists containers by their labels, whatever the labels hold", ({ docker, labels, name, run }) =>
      Effect.gen(function* () {
        yield* run(":", { labels: { ...labels, note: "x,bottle.owner=me" } })
        yield* run("sleep 60", { name: `${name}-2`, labels: { ...labels, "bottle.owner": "me" } })
        const all = yield* docker.containerList({ labels })
        assert.deepStrictEqual(all.map((each) => each.name).toSorted(), [name, `${name}-2`])
        const mine = yield* docker.containerList({ labels: { ...labels, "bottle.owner": "me" } })
        assert.deepStrictEqual(
          mine.map((each) => each.name),
          [`${name}-2`]
        )
        assert.deepStrictEqual(all.find((each) => each.name === name)?.labels["note"], "x,bottle.owner=me")
      })
    )

    check("removes a container once, however often and by however many it is asked to", ({ docker, name, run }) =>
      Effect.gen(function* () {
        yield* docker.containerRemove(name)
        yield* run("sleep 60")
        yield* Effect.replicateEffect(docker.containerRemove(name), 4, { concurrency: 4, discard: true })
        yield* waitUntil(Effect.map(docker.containerInspect(name), Option.isNone), BOUND)
        assert.strictEqual(
          (yield* Effect.flip(docker.containerKill({ name, signal: "SIGTERM" })))._tag,
          "ContainerNotFound"
        )
      })
    )

    check(
      "builds an image from one that is here, and removes it, twice",
      ({ docker, image: base, labels, name, run }) =>
        Effect.gen(function* () {
          const context = yield* Temp.directory
          const tag = `${name}:1`
          Fs.writeFileSync(
            Path.join(context, "Dockerfile"),
            'ARG BASE\nFROM ${BASE}\nCOPY hello /hello\nENTRYPOINT ["cat", "/hello"]\n'
          )
          Fs.writeFileSync(Path.join(context, "hello"), "hello from the context\n")
          yield* Effect.addFinalizer(() => Effect.orDie(docker.imageRemove(tag)))
          const id = yield* docker.imageBuild({ context, tag, args: { BASE: base }, labels: { ...labels, odd: "a,b" } })
          const built = Option.getOrThrow(yield* docker.imageInspect(tag))
          assert.deepStrictEqual({ ...built }, { id, labels: { ...labels, odd: "a,b" } })
          yield* run("", { image: tag, command: [] })
          assert.deepStrictEqual(yield* stdoutOf(docker, name), ["hello from the context"])
          const error = yield* Effect.flip(docker.imageRemove(tag))
          assert.include(error.message, "is using its referenced image")
          yield* docker.containerRemove(name)
          yield* docker.imageRemove(tag)
          yield* docker.imageRemove(tag)
          assert.isTrue(Option.isNone(yield* docker.imageInspect(tag)))
        })
    )

    check("says why an image cannot be built, and leaves nothing of it", ({ docker, image: base, labels, name }) =>
      Effect.gen(function* () {
        const context = yield* Temp.directory
        const build = docker.imageBuild({ context, tag: `${name}:1`, labels })
        const none = yield* Effect.flip(build)
        assert.strictEqual(none._tag, "BuildFailed")
        assert.include(none.message, "Dockerfile")
        Fs.writeFileSync(Path.join(context, "Dockerfile"), `FROM ${base}\nRUN echo before; exit 3\n`)
        const error = yield* Effect.flip(build)
        assert.include(error.message, "returned a non-zero code: 3")
        assert.include(error._tag === "BuildFailed" ? error.output : "", "RUN echo before; exit 3")
        assert.isTrue(Option.isNone(yield* docker.imageInspect(`${name}:1`)))
        assert.deepStrictEqual(yield* docker.containerList({ labels }), [])
      })
    )

    check("leaves nothing when what makes it is interrupted at whatever moment", ({ docker, labels, name, run }) =>
      Effect.gen(function* () {
        for (const millis of [0, 10, 40]) {
          const making = yield* Effect.fork(docker.networkCreate({ name, ...subnet(1), labels }))
          yield* Effect.sleep(millis)
          yield* Fiber.interrupt(making)
          yield* docker.networkRemove(name)
          const running = yield* Effect.fork(run("sleep 60"))
          yield* Effect.sleep(millis)
          yield* Fiber.interrupt(running)
          yield* docker.containerRemove(name)
        }
        assert.deepStrictEqual(yield* docker.networkList({ labels }), [])
        assert.deepStrictEqual(yield* docker.containerList({ labels }), [])
      })
    )
  })

  it("says so when no daemon answers", () =>
    Effect.gen(function* () {
      const docker = yield* Docker.make({
        program,
        env: { PATH: process.env["PATH"] ?? "", DOCKER_HOST: "unix:///nonexistent/docker.sock" }
      })
      const calls: ReadonlyArray<Effect.Effect<unknown, DockerError>> = [
        docker.version,
        docker.networkCreate({ name: "bottle-x1", ...subnet(1), labels: {} }),
        docker.networkRemove("bottle-x1"),
        docker.networkList({ labels: {} }),
        docker.networkInspect("bottle-x1"),
        docker.imageInspect("bottle:1"),
        docker.imageRemove("bottle:1"),
        docker.containerRemove("bottle-x1"),
        docker.containerInspect("bottle-x1"),
        docker.containerKill({ name: "bottle-x1", signal: "SIGTERM" }),
        docker.containerList({ labels: {} }),
        Stream.runDrain(docker.containerLogs("bottle-x1"))
      ]
      for (const call of calls) assert.strictEqual((yield* Effect.flip(call))._tag, "DaemonUnreachable")
    }).pipe(Effect.provide(Executor.layer), Effect.runPromise))
})

const inspectWith = (program: string, format: string, name: string): string =>
  ChildProcess.execFileSync(program, ["container", "inspect", "--format", format, name], { encoding: "utf8" }).trim()
